#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/integers.h>
#include <weft/backends/cpu/operand.h>
#include <weft/backends/cpu/runs.h>
#include <weft/core/dtype_support.h>

namespace weft::backends::cpu {
namespace {

std::int64_t grain_of(UnaryOp op) noexcept {
  switch (op) {
    case UnaryOp::neg:
    case UnaryOp::abs:
    case UnaryOp::sign:
    case UnaryOp::sqrt:
    case UnaryOp::relu:
    case UnaryOp::rsqrt:
    case UnaryOp::floor:
    case UnaryOp::ceil:
    case UnaryOp::round:
    case UnaryOp::leaky_relu:
      return cheap_grain;
    default:
      return costly_grain;
  }
}
std::int64_t grain_of(BinaryOp op) noexcept {
  switch (op) {
    case BinaryOp::pow:
    case BinaryOp::gelu_backward:
    case BinaryOp::gelu_tanh_backward:
    case BinaryOp::silu_backward:
      return costly_grain;
    default:
      return cheap_grain;
  }
}

/// f(start, n) for pieces of a run that fit into a buffer.
template <class F>
void in_pieces(std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; i += buffer_elements) f(i, n - i < buffer_elements ? n - i : buffer_elements);
}

void unary_float(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) {
  const UnaryKernel kernel = elementwise(in.dtype).unary[static_cast<int>(op)];
  const auto loop = collapse(out.shape, {&in.strides, &out.strides});
  const std::int64_t in_stride = loop.inner_stride(0), out_stride = loop.inner_stride(1);
  const DType dtype = in.dtype;
  parallel_runs(loop, grain_of(op), [&](const std::int64_t* offset, std::int64_t n) {
    const char* from = address(in.as<const void>(), dtype, offset[0]);
    char* to = address(out.data, dtype, offset[1]);
    if (in_place(dtype, in_stride) && in_place(dtype, out_stride)) return kernel(from, to, n, args.a, args.b);
    in_pieces(n, [&](std::int64_t i, std::int64_t count) {
      Buffer read, written;
      const Fetched x = fetch(dtype, address(from, dtype, i * in_stride), in_stride, count, read, Repeat::spread);
      kernel(x.data, written.bytes, count, args.a, args.b);
      put(dtype, written.bytes, address(to, dtype, i * out_stride), out_stride, count);
    });
  });
}

void binary_float(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out, DType dtype) {
  const BinaryKernel kernel = elementwise(dtype).binary[static_cast<int>(op)];
  const NumberOr x(a, dtype), y(b, dtype);
  const auto loop = collapse(out.shape, {x.strides(), y.strides(), &out.strides});
  const std::int64_t xs = loop.inner_stride(0), ys = loop.inner_stride(1), os = loop.inner_stride(2);
  const bool to_bool = writes_bool(op);
  const auto readable = [dtype](std::int64_t stride) { return is_native_float(dtype) && (stride == 0 || stride == 1); };
  const bool whole = readable(xs) && readable(ys) && os == 1 && is_native_float(dtype);
  parallel_runs(loop, grain_of(op), [&](const std::int64_t* offset, std::int64_t n) {
    const char* p = address(x.data(), dtype, offset[0]);
    const char* q = address(y.data(), dtype, offset[1]);
    char* to = address(out.data, out.dtype, offset[2]);
    if (whole) return kernel(p, xs, q, ys, to, n);
    in_pieces(n, [&](std::int64_t i, std::int64_t count) {
      Buffer left, right, written;
      const Fetched l = fetch(dtype, address(p, dtype, i * xs), xs, count, left);
      const Fetched r = fetch(dtype, address(q, dtype, i * ys), ys, count, right);
      kernel(l.data, l.step, r.data, r.step, written.bytes, count);
      char* place = address(to, out.dtype, i * os);
      if (to_bool) {
        for (std::int64_t k = 0; k < count; ++k) place[k * os] = written.bytes[k];
      } else {
        put(dtype, written.bytes, place, os, count);
      }
    });
  });
}

}  // namespace

void CpuBackend::unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) {
  if (!supports(op, in.dtype)) refuse_dtype(name(op), in.dtype);
  if (is_floating(in.dtype)) return unary_float(op, args, in, out);
  unary_integer(op, in, out);
}

void CpuBackend::binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) {
  const DType dtype = a.is_number ? b.view.dtype : a.view.dtype;
  if (!supports(op, dtype)) refuse_dtype(name(op), dtype);
  if (is_floating(dtype)) return binary_float(op, a, b, out, dtype);
  binary_integer(op, a, b, out, dtype);
}

}  // namespace weft::backends::cpu
