// What a call costs beside its arithmetic: tensors of a few elements, so that nearly all of the time is weft's own.
//
//     bench_eager [serial|cpu] [repetitions]
//
// Prints nanoseconds per call, the fastest of 9 rounds (other programs only ever add time). "recorded" is the same call
// with an argument that requires a gradient; the graph is dropped inside the measured time. Compare ratios on a quiet
// machine, not single numbers.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/device.h>

namespace {

double nanoseconds_per_call(int repetitions, const std::function<void()>& call) {
  std::vector<double> rounds;
  for (int round = 0; round < 9; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < repetitions; ++i) call();
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
    rounds.push_back(time.count() / repetitions);
  }
  return *std::min_element(rounds.begin(), rounds.end());
}

void row(const char* what, int repetitions, const std::function<void()>& plain, const std::function<void()>& recorded) {
  const double a = nanoseconds_per_call(repetitions, plain), b = nanoseconds_per_call(repetitions, recorded);
  std::printf("%-34s %8.0f %10.0f %12.0f\n", what, a, b, b - a);
}

}  // namespace

int main(int argc, char** argv) {
  using weft::Tensor;
  const weft::Device device = argc > 1 && std::string_view(argv[1]) == "cpu" ? weft::cpu() : weft::serial();
  const int repetitions = argc > 2 ? std::atoi(argv[2]) : 20000;
  const Tensor a = weft::randn({4}, device), b = weft::randn({4}, device);
  const Tensor m = weft::randn({4, 4}, device);
  const Tensor x = weft::randn({4}, device).requires_grad_(), y = weft::randn({4}, device).requires_grad_();
  const Tensor w = weft::randn({4, 4}, device).requires_grad_(), bias = weft::randn({4}, device).requires_grad_();
  const Tensor rows = weft::randn({2, 4}, device);
  const Tensor logits = weft::randn({2, 4}, device).requires_grad_();
  const Tensor labels = weft::zeros({2}, {device, weft::DType::int64});

  std::printf("ns per call on %s, 4 elements       plain   recorded   difference\n", to_string(device).c_str());
  const Tensor s = weft::full({}, 0.5, device), r = weft::full({}, 0.25, device).requires_grad_();
  row(
      "a + b, rank 0", repetitions, [&] { (void)(s + s); }, [&] { (void)(r + s); });
  row(
      "tanh, rank 0", repetitions, [&] { (void)tanh(s); }, [&] { (void)tanh(r); });
  row(
      "a + b", repetitions, [&] { (void)(a + b); }, [&] { (void)(x + y); });
  row(
      "a * b (saves both)", repetitions, [&] { (void)(a * b); }, [&] { (void)(x * y); });
  row(
      "a * 0.5", repetitions, [&] { (void)(a * 0.5); }, [&] { (void)(x * 0.5); });
  row(
      "tanh (saves its result)", repetitions, [&] { (void)tanh(a); }, [&] { (void)tanh(x); });
  row(
      "reshape (a view)", repetitions,
      [&] {
        (void)a.reshape({2, 2});
      },
      [&] {
        (void)x.reshape({2, 2});
      });
  row(
      "sum", repetitions, [&] { (void)sum(a); }, [&] { (void)sum(x); });
  row(
      "matmul 4x4", repetitions, [&] { (void)matmul(m, m); }, [&] { (void)matmul(m, w); });
  row(
      "linear", repetitions, [&] { (void)linear(rows, m, a); }, [&] { (void)linear(rows, w, bias); });
  row(
      "cross_entropy", repetitions, [&] { (void)cross_entropy(rows, labels); },
      [&] { (void)cross_entropy(logits, labels); });

  const double chain = nanoseconds_per_call(repetitions / 20, [&] {
    Tensor h = x;
    for (int i = 0; i < 20; ++i) h = h + 1;
    h.sum().backward();
  });
  std::printf("%-34s %8.0f per recorded call and its backward\n", "20 x (h + 1), sum, backward", chain / 21);
  const double step = nanoseconds_per_call(
      repetitions / 20, [&] { cross_entropy(linear(relu(linear(rows, w, bias)), w, bias), labels).backward(); });
  std::printf("%-34s %8.0f\n", "a two-layer step, 4 wide", step);
}
