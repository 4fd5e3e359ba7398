// One kind of eager call, made N times, for counting instructions (instructions.py). Tensors hold one element, so what
// is counted is weft's own code around the arithmetic.

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
  };
  if (argc != 3 || calls.count(argv[1]) == 0) {
    for (const auto& call : calls) std::printf("%s\n", call.first.c_str());
    return argc == 1 ? 0 : 2;
  }
  const std::function<void()>& call = calls.at(argv[1]);
  for (int i = std::atoi(argv[2]); i > 0; --i) call();
}
