#include <cmath>
#include <numbers>

#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/dtype_support.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {
namespace {

template <class T, class F>
void map(const TensorView& in, const TensorView& out, F f) {
  const T* from = in.as<T>();
  T* to = out.as<T>();
  walk(out.shape, {&in.strides, &out.strides},
       [&](const std::int64_t* at) { store(to + at[1], static_cast<Compute<T>>(f(load(from + at[0])))); });
}

/// What integers can do as well. NaN stays NaN in all of them.
template <class T>
void arithmetic(UnaryOp op, const TensorView& in, const TensorView& out) {
  using C = Compute<T>;
  switch (op) {
    case UnaryOp::neg:
      if constexpr (std::is_integral_v<T>) {
        return map<T>(in, out, [](C x) { return wrapping(C{0}, x, [](auto a, auto b) { return a - b; }); });
      } else {
        return map<T>(in, out, [](C x) { return -x; });
      }
    case UnaryOp::abs:
      if constexpr (std::is_integral_v<T>) {
        return map<T>(in, out, [](C x) { return x < 0 ? wrapping(C{0}, x, [](auto a, auto b) { return a - b; }) : x; });
      } else {
        return map<T>(in, out, [](C x) { return std::fabs(x); });
      }
    case UnaryOp::sign:
      return map<T>(in, out, [](C x) { return x > 0 ? C(1) : x < 0 ? C(-1) : x == 0 ? C(0) : x; });
    case UnaryOp::relu:
      return map<T>(in, out, [](C x) { return x <= 0 ? C(0) : x; });
    case UnaryOp::floor:
    case UnaryOp::ceil:
    case UnaryOp::round:
      if constexpr (std::is_integral_v<T>) {
        return map<T>(in, out, [](C x) { return x; });
      } else {
        return map<T>(in, out, [op](C x) {
          return op == UnaryOp::floor ? std::floor(x) : op == UnaryOp::ceil ? std::ceil(x) : std::nearbyint(x);
        });
      }
    default:
      refuse_dtype(name(op), in.dtype);
  }
}

/// One type wider, for what multiplies a number and a function of its square: a rounding there grows with the number.
template <class C>
using Wide = std::conditional_t<std::is_same_v<C, float>, double, long double>;

/// x Phi(x). -infinity takes the limit, 0: far to the left the value is below any number of the type.
template <class C>
C gelu(C x) {
  using W = Wide<C>;
  const W v = x < -200 ? W(-200) : static_cast<W>(x);
  return static_cast<C>(v * std::erfc(-v / std::numbers::sqrt2_v<W>) / 2);
}

template <class C>
C gelu_tanh(C x) {
  using W = Wide<C>;
  const W v = x < -200 ? W(-200) : static_cast<W>(x);
  const W u = std::sqrt(2 / std::numbers::pi_v<W>) * (v + static_cast<W>(0.044715L) * v * v * v);
  return static_cast<C>(v / (1 + std::exp(-2 * u)));
}

template <class C>
C softplus(C x, C beta, C threshold) {
  const C u = beta * x;
  if (u > threshold) return x;
  return (std::log1p(std::exp(-std::fabs(u))) + (u > 0 ? u : C(0))) / beta;
}

template <class T>
void activation(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) {
  using C = Compute<T>;
  const C a = static_cast<C>(args.a), b = static_cast<C>(args.b);
  switch (op) {
    case UnaryOp::leaky_relu:
      return map<T>(in, out, [a](C x) { return x > 0 ? x : a * x; });
    case UnaryOp::elu:
      return map<T>(in, out, [a](C x) { return x > 0 ? x : a * std::expm1(x); });
    case UnaryOp::gelu:
      return map<T>(in, out, [](C x) { return gelu(x); });
    case UnaryOp::gelu_tanh:
      return map<T>(in, out, [](C x) { return gelu_tanh(x); });
    case UnaryOp::silu:
      return map<T>(in, out, [](C x) { return x < -1000 ? C(0) : x / (1 + std::exp(-x)); });
    case UnaryOp::softplus:
      return map<T>(in, out, [a, b](C x) { return softplus(x, a, b); });
    default:
      return arithmetic<T>(op, in, out);
  }
}

template <class T>
void transcendental(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) {
  using C = Compute<T>;
  switch (op) {
    case UnaryOp::exp:
      return map<T>(in, out, [](C x) { return std::exp(x); });
    case UnaryOp::log:
      return map<T>(in, out, [](C x) { return std::log(x); });
    case UnaryOp::sqrt:
      return map<T>(in, out, [](C x) { return std::sqrt(x); });
    case UnaryOp::tanh:
      return map<T>(in, out, [](C x) { return std::tanh(x); });
    case UnaryOp::sigmoid:
      return map<T>(in, out, [](C x) {  // exp never sees a positive argument: no overflow in either tail
        const C e = std::exp(-std::fabs(x));
        return x < 0 ? e / (1 + e) : 1 / (1 + e);
      });
    case UnaryOp::expm1:
      return map<T>(in, out, [](C x) { return std::expm1(x); });
    case UnaryOp::log1p:
      return map<T>(in, out, [](C x) { return std::log1p(x); });
    case UnaryOp::rsqrt:
      return map<T>(in, out, [](C x) { return 1 / std::sqrt(x); });
    case UnaryOp::sin:
      return map<T>(in, out, [](C x) { return std::sin(x); });
    case UnaryOp::cos:
      return map<T>(in, out, [](C x) { return std::cos(x); });
    case UnaryOp::erf:
      return map<T>(in, out, [](C x) { return std::erf(x); });
    default:
      return activation<T>(op, args, in, out);
  }
}

}  // namespace

void SerialBackend::unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) {
  if (!supports(op, in.dtype)) refuse_dtype(name(op), in.dtype);
  const FlushSubnormals flush;
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, bool>) {
      map<T>(in, out, [](bool x) { return !x; });
    } else if constexpr (std::is_integral_v<T>) {
      arithmetic<T>(op, in, out);
    } else {
      transcendental<T>(op, args, in, out);
    }
  });
}

}  // namespace weft::backends::serial
