#include <weft/backends/cpu/integers.h>

#include <weft/backends/cpu/operand.h>
#include <weft/backends/cpu/runs.h>

namespace weft::backends::cpu {
namespace {

template <class T, class F>
void map(const TensorView& in, const TensorView& out, F f) {
  const auto loop = collapse(out.shape, {&in.strides, &out.strides});
  const std::int64_t xs = loop.inner_stride(0), ys = loop.inner_stride(1);
  parallel_runs(loop, cheap_grain, [&](const std::int64_t* offset, std::int64_t n) {
    const T* x = in.as<const T>() + offset[0];
    T* y = out.as<T>() + offset[1];
    if (xs == 1 && ys == 1) {
      for (std::int64_t i = 0; i < n; ++i) store(y + i, f(load(x + i)));
    } else {
      for (std::int64_t i = 0; i < n; ++i) store(y + i * ys, f(load(x + i * xs)));
    }
  });
}

template <class T, class Out, class F>
void map(const Argument& a, const Argument& b, const TensorView& out, F f) {
  const NumberOr left(a, dtype_of<T>), right(b, dtype_of<T>);
  const auto loop = collapse(out.shape, {left.strides(), right.strides(), &out.strides});
  const std::int64_t xs = loop.inner_stride(0), ys = loop.inner_stride(1), zs = loop.inner_stride(2);
  parallel_runs(loop, cheap_grain, [&](const std::int64_t* offset, std::int64_t n) {
    const T* x = static_cast<const T*>(left.data()) + offset[0];
    const T* y = static_cast<const T*>(right.data()) + offset[1];
    Out* z = out.as<Out>() + offset[2];
    if (xs == 1 && ys == 1 && zs == 1) {
      for (std::int64_t i = 0; i < n; ++i) store(z + i, f(load(x + i), load(y + i)));
    } else {
      for (std::int64_t i = 0; i < n; ++i) store(z + i * zs, f(load(x + i * xs), load(y + i * ys)));
    }
  });
}

constexpr auto minus = [](auto a, auto b) { return a - b; };

template <class T>
void unary_as(UnaryOp op, const TensorView& in, const TensorView& out) {
  if constexpr (std::is_same_v<T, bool>) {
    map<T>(in, out, [](bool x) { return !x; });
  } else {
    switch (op) {
      case UnaryOp::neg:
        return map<T>(in, out, [](T x) { return wrapping(T{0}, x, minus); });
      case UnaryOp::abs:
        return map<T>(in, out, [](T x) { return x < 0 ? wrapping(T{0}, x, minus) : x; });
      case UnaryOp::sign:
        return map<T>(in, out, [](T x) { return static_cast<T>((x > 0 ? 1 : 0) - (x < 0 ? 1 : 0)); });
      case UnaryOp::relu:
        return map<T>(in, out, [](T x) { return x <= 0 ? T{0} : x; });
      case UnaryOp::floor:
      case UnaryOp::ceil:
      case UnaryOp::round:
        return map<T>(in, out, [](T x) { return x; });
      default:
        refuse_dtype(name(op), in.dtype);
    }
  }
}

template <class T>
void binary_as(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) {
  switch (op) {
    case BinaryOp::eq:
      return map<T, bool>(a, b, out, [](T x, T y) { return x == y; });
    case BinaryOp::ne:
      return map<T, bool>(a, b, out, [](T x, T y) { return x != y; });
    case BinaryOp::lt:
      return map<T, bool>(a, b, out, [](T x, T y) { return x < y; });
    case BinaryOp::le:
      return map<T, bool>(a, b, out, [](T x, T y) { return x <= y; });
    case BinaryOp::gt:
      return map<T, bool>(a, b, out, [](T x, T y) { return x > y; });
    case BinaryOp::ge:
      return map<T, bool>(a, b, out, [](T x, T y) { return x >= y; });
    case BinaryOp::logical_and:
      return map<T, bool>(a, b, out, [](T x, T y) { return x != 0 && y != 0; });
    case BinaryOp::logical_or:
      return map<T, bool>(a, b, out, [](T x, T y) { return x != 0 || y != 0; });
    default:
      break;
  }
  if constexpr (!std::is_same_v<T, bool>) {
    switch (op) {
      case BinaryOp::add:
        return map<T, T>(a, b, out, [](T x, T y) { return wrapping(x, y, [](auto p, auto q) { return p + q; }); });
      case BinaryOp::sub:
        return map<T, T>(a, b, out, [](T x, T y) { return wrapping(x, y, minus); });
      case BinaryOp::mul:
        return map<T, T>(a, b, out, [](T x, T y) { return wrapping(x, y, [](auto p, auto q) { return p * q; }); });
      case BinaryOp::maximum:
        return map<T, T>(a, b, out, [](T x, T y) { return x > y ? x : y; });
      case BinaryOp::minimum:
        return map<T, T>(a, b, out, [](T x, T y) { return x < y ? x : y; });
      default:
        break;
    }
  }
  refuse_dtype(name(op), dtype_of<T>);
}

template <class F>
void dispatch_whole(DType dtype, F f) {
  dispatch(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_integral_v<T>) f(type);
  });
}

}  // namespace

void unary_integer(UnaryOp op, const TensorView& in, const TensorView& out) {
  dispatch_whole(in.dtype, [&](auto type) { unary_as<typename decltype(type)::type>(op, in, out); });
}

void binary_integer(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out, DType dtype) {
  dispatch_whole(dtype, [&](auto type) { binary_as<typename decltype(type)::type>(op, a, b, out); });
}

}  // namespace weft::backends::cpu
