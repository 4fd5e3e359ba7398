// One kind of eager call, made N times, for counting instructions (instructions.py). In most, tensors hold one element,
// so what is counted is weft's own code around the arithmetic; the products, the convolution and the step count the
// kernels.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

#include <weft/weft.h>

int main(int argc, char** argv) {
  using weft::Tensor;
  const Tensor a = weft::full({}, 0.5, weft::cpu()), b = weft::full({}, 0.25, weft::cpu());
  const Tensor x = a.clone().requires_grad_(), y = b.clone().requires_grad_();
  const Tensor row = weft::full({1, 1}, 0.5, weft::cpu()), bias = weft::full({1}, 0.5, weft::cpu());
  const Tensor weight = row.clone().requires_grad_();
  // Heavy ones: what is counted is the kernels.
  const Tensor images = weft::randn({32, 784}, weft::cpu()), image = weft::randn({1, 784}, weft::cpu());
  const Tensor first = weft::randn({512, 784}, weft::cpu()).transpose(0, 1);
  const Tensor labels = weft::randint(0, 10, {32}, {weft::cpu(), weft::DType::int64});
  const Tensor picture = weft::randn({1, 16, 32, 32}, weft::cpu()), kernel = weft::randn({16, 16, 3, 3}, weft::cpu());
  weft::nn::Sequential mlp;
  mlp.push_back(weft::nn::Linear(784, 512)).push_back(weft::nn::ReLU());
  mlp.push_back(weft::nn::Linear(512, 512)).push_back(weft::nn::ReLU()).push_back(weft::nn::Linear(512, 10));
  weft::nn::SGD sgd(mlp.parameters(), weft::nn::SGDOptions{.lr = 0.01, .momentum = 0.9});
  const std::map<std::string, std::function<void()>> calls = {
      {"add", [&] { (void)(a + b); }},
      {"add, recorded", [&] { (void)(x + y); }},
      {"mul by a number", [&] { (void)(a * 0.5); }},
      {"tanh, recorded", [&] { (void)tanh(x); }},
      {"sum", [&] { (void)sum(row); }},
      {"reshape, recorded",
       [&] {
         (void)x.reshape({1, 1});
       }},
      {"linear", [&] { (void)linear(row, row, bias); }},
      {"linear, recorded", [&] { (void)linear(row, weight, bias); }},
      {"add and its backward", [&] { (x + y).backward(); }},
      {"product 32x512x784", [&] { (void)matmul(images, first); }},
      {"product 1x512x784", [&] { (void)matmul(image, first); }},
      {"convolution 16x16x32x32", [&] { (void)conv2d(picture, kernel, {}, weft::ConvOptions{.padding = 1}); }},
      {"step of an MLP, batch 32",
       [&] {
         sgd.zero_grad();
         cross_entropy(mlp(images), labels).backward();
         sgd.step();
       }},
  };
  if (argc != 3 || calls.count(argv[1]) == 0) {
    for (const auto& call : calls) std::printf("%s\n", call.first.c_str());
    return argc == 1 ? 0 : 2;
  }
  const std::function<void()>& call = calls.at(argv[1]);
  for (int i = std::atoi(argv[2]); i > 0; --i) call();
}
