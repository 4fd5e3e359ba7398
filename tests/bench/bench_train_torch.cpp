// The training steps of bench_train.cpp with LibTorch's C++ interface, subnormals flushed. OMP_NUM_THREADS and
// OPENBLAS_NUM_THREADS choose its threads.

#include <torch/torch.h>

#include <memory>
#include <string>

#include "timing.h"

namespace {

namespace nn = torch::nn;

constexpr std::int64_t samples = 8192;

struct BlockImpl : nn::Module {
  BlockImpl(std::int64_t in, std::int64_t out, std::int64_t stride) {
    conv1 = register_module("conv1", nn::Conv2d(nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(false)));
    norm1 = register_module("norm1", nn::BatchNorm2d(out));
    conv2 = register_module("conv2", nn::Conv2d(nn::Conv2dOptions(out, out, 3).padding(1).bias(false)));
    norm2 = register_module("norm2", nn::BatchNorm2d(out));
    if (in == out) return;
    shortcut = register_module("shortcut", nn::Conv2d(nn::Conv2dOptions(in, out, 1).stride(stride).bias(false)));
    norm3 = register_module("norm3", nn::BatchNorm2d(out));
  }
  torch::Tensor forward(torch::Tensor x) {
    const torch::Tensor y = norm2(conv2(torch::relu(norm1(conv1(x)))));
    return torch::relu(y + (shortcut.is_empty() ? x : norm3(shortcut(x))));
  }
  nn::Conv2d conv1{nullptr}, conv2{nullptr}, shortcut{nullptr};
  nn::BatchNorm2d norm1{nullptr}, norm2{nullptr}, norm3{nullptr};
};
TORCH_MODULE(Block);

nn::Sequential make_model(const std::string& name) {
  if (name == "mlp") {
    return nn::Sequential(nn::Linear(784, 512), nn::ReLU(), nn::Linear(512, 512), nn::ReLU(), nn::Linear(512, 10));
  }
  if (name == "lenet") {
    return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(1, 6, 5).padding(2)), nn::ReLU(), nn::MaxPool2d(2),
                          nn::Conv2d(6, 16, 5), nn::ReLU(), nn::MaxPool2d(2), nn::Flatten(), nn::Linear(400, 120),
                          nn::ReLU(), nn::Linear(120, 84), nn::ReLU(), nn::Linear(84, 10));
  }
  return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(3, 16, 3).padding(1).bias(false)), nn::BatchNorm2d(16), nn::ReLU(),
                        Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2), nn::AdaptiveAvgPool2d(1), nn::Flatten(),
                        nn::Linear(64, 10));
}

std::vector<std::int64_t> shape_of(const std::string& model) {
  if (model == "mlp") return {samples, 784};
  if (model == "lenet") return {samples, 1, 28, 28};
  return {samples, 3, 32, 32};
}

std::function<void()> step_of(const std::string& name, std::int64_t batch, bool train) {
  struct State {
    nn::Sequential model;
    std::unique_ptr<torch::optim::SGD> sgd;
    torch::Tensor images, labels;
    std::int64_t next = 0;
  };
  auto s = std::make_shared<State>();
  torch::manual_seed(1);
  s->model = make_model(name);
  s->sgd = std::make_unique<torch::optim::SGD>(s->model->parameters(), torch::optim::SGDOptions(0.01).momentum(0.9));
  s->images = torch::rand(shape_of(name));
  s->labels = torch::randint(0, 10, {samples}, torch::kInt64);
  if (!train) s->model->eval();
  return [=] {
    s->next = s->next + 2 * batch > samples ? 0 : s->next + batch;
    const torch::Tensor x = s->images.narrow(0, s->next, batch);
    if (!train) {
      const torch::NoGradGuard off;
      s->model->forward(x);
      return;
    }
    s->sgd->zero_grad();
    torch::nn::functional::cross_entropy(s->model->forward(x), s->labels.narrow(0, s->next, batch)).backward();
    s->sgd->step();
  };
}

}  // namespace

int main(int argc, char** argv) {
  torch::globalContext().setFlushDenormal(true);  // before there are threads: they inherit it
  std::vector<bench::Case> cases;
  const auto add = [&](const char* model, std::int64_t batch, bool train) {
    cases.push_back({std::string(train ? "" : "infer-") + model + "-" + std::to_string(batch),
                     [=] { return step_of(model, batch, train); }});
  };
  for (const std::int64_t batch : {32, 128, 1024}) add("mlp", batch, true);
  add("lenet", 128, true);
  add("resnet8", 128, true);
  add("mlp", 1, false);
  return bench::run(argc, argv, cases);
}
