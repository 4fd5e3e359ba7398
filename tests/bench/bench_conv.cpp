// Convolution on cpu against the plain product of the same size: what gathering windows costs on top.
//
//     bench_conv [repetitions]
//
// A multiply-add counts as two operations: forward, gradient of the image and gradient of the weight each take
// 2 * N * K * H' * W' * C / groups * kernel. The product beside them is (K, C * kernel) x (C * kernel, H' * W') for
// each image, the same number of operations with nothing to gather. The fastest of 7 rounds; only the ratio means
// something on a machine that is shared.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include <weft/autograd/functions.h>
#include <weft/autograd/grad.h>
#include <weft/core/device.h>
#include <weft/core/thread_pool.h>

namespace {

double fastest(int repetitions, const std::function<void()>& call) {
  double best = 1e30;
  for (int round = 0; round < 7; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < repetitions; ++i) call();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    best = std::min(best, time.count() / repetitions);
  }
  return best;
}

void row(const char* what, int repetitions, const weft::Shape& xs, const weft::Shape& ws,
         const weft::ConvOptions& options) {
  using weft::Tensor;
  const Tensor x = weft::randn(xs), w = weft::randn(ws);
  const Tensor y = conv2d(x, w, {}, options);
  const std::int64_t depth = ws[1] * ws[2] * ws[3], positions = y.size(2) * y.size(3);
  const double work = 2e-9 * static_cast<double>(y.numel()) * static_cast<double>(depth);
  const Tensor a = weft::randn({ws[0], depth}), b = weft::randn({xs[0], depth, positions});
  const double product = fastest(repetitions, [&] { (void)matmul(a, b); });
  const double forward = fastest(repetitions, [&] { (void)conv2d(x, w, {}, options); });
  // A gradient alone: recorded once, gone back through as often as wanted.
  const auto gradient = [&](const Tensor& of) {
    Tensor leaf = of.clone();
    leaf.requires_grad_();
    const bool image = of.is_same(x);
    const Tensor out = image ? conv2d(leaf, w, {}, options) : conv2d(x, leaf, {}, options);
    const Tensor dy = weft::randn(out.shape());
    return fastest(repetitions, [&] {
      leaf.zero_grad();
      out.backward(dy, true);
    });
  };
  const double dx = gradient(x), dw = gradient(w);
  std::printf("%-44s %8.1f %8.1f %8.1f %8.1f %10.2f %6.2f %6.2f\n", what, work / product, work / forward, work / dx,
              work / dw, product / forward, product / dx, product / dw);
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 5;
  std::printf(
      "GFLOP/s on cpu, %d threads                      product  forward       dx       dw    forward     dx     dw"
      " / product\n",
      weft::num_threads());
  row("LeNet-5 first: 128x1x28x28, 6 of 5x5, pad 2", repetitions, {128, 1, 28, 28}, {6, 1, 5, 5}, {.padding = 2});
  row("LeNet-5 second: 128x6x14x14, 16 of 5x5", repetitions, {128, 6, 14, 14}, {16, 6, 5, 5}, {});
  row("32x64x32x32, 64 of 3x3, pad 1", repetitions, {32, 64, 32, 32}, {64, 64, 3, 3}, {.padding = 1});
  row("32x64x32x32, 64 of 1x1", repetitions, {32, 64, 32, 32}, {64, 64, 1, 1}, {});
  row("32x64x32x32, 64 of 3x3, stride 2, pad 1", repetitions, {32, 64, 32, 32}, {64, 64, 3, 3},
      {.stride = 2, .padding = 1});
  return 0;
}
