#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/core/thread_pool.h>

namespace weft::backends::cpu {
namespace {

constexpr std::int64_t grain = 8192;

std::int64_t rows_to_a_chunk(std::int64_t n) { return 1 + grain / n; }

const SoftmaxKernels& softmax_kernels(DType dtype) {
  return dtype == DType::float64 ? *kernels().softmax_float64 : *kernels().softmax_float32;
}

/// Whether the fused kernels take it: rows along the last axis.
bool covered(const TensorView& view, int axis) {
  return axis == view.rank() - 1 && is_native_float(view.dtype) && view.is_contiguous();
}

}  // namespace

void CpuBackend::softmax(bool log, const TensorView& x, int axis, const TensorView& y) {
  if (!covered(x, axis) || !y.is_contiguous()) return Backend::softmax(log, x, axis, y);
  const SoftmaxKernels& kernel = softmax_kernels(x.dtype);
  const std::int64_t n = x.shape[axis], item = static_cast<std::int64_t>(item_size(x.dtype));
  parallel_for(x.numel() / n, rows_to_a_chunk(n), [&](std::int64_t begin, std::int64_t end) {
    kernel.forward(log, x.as<char>() + begin * n * item, n, y.as<char>() + begin * n * item, n, end - begin, n);
  });
}

void CpuBackend::softmax_backward(bool log, const TensorView& dy, const TensorView& y, int axis, const TensorView& dx) {
  if (!covered(y, axis) || !dy.is_contiguous() || !dx.is_contiguous()) {
    return Backend::softmax_backward(log, dy, y, axis, dx);
  }
  const SoftmaxKernels& kernel = softmax_kernels(y.dtype);
  const std::int64_t n = y.shape[axis], item = static_cast<std::int64_t>(item_size(y.dtype));
  parallel_for(y.numel() / n, rows_to_a_chunk(n), [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t start = begin * n * item;
    kernel.backward(log, dy.as<char>() + start, n, y.as<char>() + start, n, dx.as<char>() + start, n, end - begin, n);
  });
}

}  // namespace weft::backends::cpu
