#include <cmath>
#include <numbers>

#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/operand.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/dtype_support.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {
namespace {

template <class T, class Out, class F>
void map(const Argument& a, const Argument& b, const TensorView& out, F f) {
  const OperandOf<T> left(a), right(b);
  Out* to = out.as<Out>();
  walk(out.shape, {&left.strides, &right.strides, &out.strides}, [&](const std::int64_t* at) {
    store(to + at[2], static_cast<Compute<Out>>(f(load(left.data + at[0]), load(right.data + at[1]))));
  });
}

template <class T>
void compare(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) {
  using C = Compute<T>;
  switch (op) {
    case BinaryOp::eq:
      return map<T, bool>(a, b, out, [](C x, C y) { return x == y; });
    case BinaryOp::ne:
      return map<T, bool>(a, b, out, [](C x, C y) { return x != y; });
    case BinaryOp::lt:
      return map<T, bool>(a, b, out, [](C x, C y) { return x < y; });
    case BinaryOp::le:
      return map<T, bool>(a, b, out, [](C x, C y) { return x <= y; });
    case BinaryOp::gt:
      return map<T, bool>(a, b, out, [](C x, C y) { return x > y; });
    case BinaryOp::ge:
      return map<T, bool>(a, b, out, [](C x, C y) { return x >= y; });
    case BinaryOp::logical_and:
      return map<T, bool>(a, b, out, [](C x, C y) { return x != C(0) && y != C(0); });
    case BinaryOp::logical_or:
      return map<T, bool>(a, b, out, [](C x, C y) { return x != C(0) || y != C(0); });
    default:
      refuse_dtype(name(op), out.dtype);
  }
}

/// One type wider, as in unary.cpp. An infinity is brought to where the derivative has long been 0 or 1.
template <class C>
using Wide = std::conditional_t<std::is_same_v<C, float>, double, long double>;
template <class C>
Wide<C> within_reach(C x) {
  return x < -200 ? Wide<C>(-200) : x > 200 ? Wide<C>(200) : static_cast<Wide<C>>(x);
}

/// Phi(x) + x phi(x)
template <class C>
Wide<C> gelu_slope(C x) {
  using W = Wide<C>;
  const W v = within_reach(x);
  const W density = std::exp(-v * v / 2) / std::sqrt(2 * std::numbers::pi_v<W>);
  return std::erfc(-v / std::numbers::sqrt2_v<W>) / 2 + v * density;
}

/// s + x s (1 - s) 2 u' with s = 1 / (1 + e^-2u)
template <class C>
Wide<C> gelu_tanh_slope(C x) {
  using W = Wide<C>;
  const W v = within_reach(x), c = std::sqrt(2 / std::numbers::pi_v<W>), k = static_cast<W>(0.044715L);
  const W u = c * (v + k * v * v * v);
  const W s = 1 / (1 + std::exp(-2 * u)), rest = 1 / (1 + std::exp(2 * u));
  return s + v * s * rest * 2 * c * (1 + 3 * k * v * v);
}

/// s (1 + x (1 - s)) with s = 1 / (1 + e^-x)
template <class C>
Wide<C> silu_slope(C x) {
  using W = Wide<C>;
  const W v = x < -12000 ? W(-12000) : x > 12000 ? W(12000) : static_cast<W>(x);
  return (1 + v / (1 + std::exp(v))) / (1 + std::exp(-v));
}

template <class T>
void arithmetic(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) {
  using C = Compute<T>;
  switch (op) {
    case BinaryOp::add:
      return map<T, T>(a, b, out, [](C x, C y) { return wrapping(x, y, [](auto p, auto q) { return p + q; }); });
    case BinaryOp::sub:
      return map<T, T>(a, b, out, [](C x, C y) { return wrapping(x, y, [](auto p, auto q) { return p - q; }); });
    case BinaryOp::mul:
      return map<T, T>(a, b, out, [](C x, C y) { return wrapping(x, y, [](auto p, auto q) { return p * q; }); });
    case BinaryOp::maximum:  // NaN on either side wins
      return map<T, T>(a, b, out, [](C x, C y) { return x > y || x != x ? x : y; });
    case BinaryOp::minimum:
      return map<T, T>(a, b, out, [](C x, C y) { return x < y || x != x ? x : y; });
    default:
      break;
  }
  if constexpr (!std::is_integral_v<T>) {
    switch (op) {
      case BinaryOp::div:
        return map<T, T>(a, b, out, [](C x, C y) { return x / y; });
      case BinaryOp::relu_backward:
        return map<T, T>(a, b, out, [](C dy, C y) { return y > 0 ? dy : C(0); });
      case BinaryOp::tanh_backward:
        return map<T, T>(a, b, out, [](C dy, C y) { return dy * (1 - y * y); });
      case BinaryOp::sigmoid_backward:
        return map<T, T>(a, b, out, [](C dy, C y) { return dy * y * (1 - y); });
      case BinaryOp::pow:
        return map<T, T>(a, b, out, [](C x, C y) { return std::pow(x, y); });
      case BinaryOp::gelu_backward:
        return map<T, T>(a, b, out, [](C dy, C x) { return static_cast<C>(dy * gelu_slope(x)); });
      case BinaryOp::gelu_tanh_backward:
        return map<T, T>(a, b, out, [](C dy, C x) { return static_cast<C>(dy * gelu_tanh_slope(x)); });
      case BinaryOp::silu_backward:
        return map<T, T>(a, b, out, [](C dy, C x) { return static_cast<C>(dy * silu_slope(x)); });
      default:
        break;
    }
  }
  refuse_dtype(name(op), out.dtype);
}

}  // namespace

void SerialBackend::binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) {
  const DType dtype = a.is_number ? b.view.dtype : a.view.dtype;
  if (!supports(op, dtype)) refuse_dtype(name(op), dtype);
  const FlushSubnormals flush;
  dispatch(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if (writes_bool(op)) {
      compare<T>(op, a, b, out);
    } else if constexpr (!std::is_same_v<T, bool>) {
      arithmetic<T>(op, a, b, out);
    }
  });
}

}  // namespace weft::backends::serial
