#include <cmath>

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
    default:
      refuse_dtype(name(op), in.dtype);
  }
}

template <class T>
void transcendental(UnaryOp op, const TensorView& in, const TensorView& out) {
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
    default:
      return arithmetic<T>(op, in, out);
  }
}

}  // namespace

void SerialBackend::unary(UnaryOp op, const UnaryArgs&, const TensorView& in, const TensorView& out) {
  if (!supports(op, in.dtype)) refuse_dtype(name(op), in.dtype);
  const FlushSubnormals flush;
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, bool>) {
      map<T>(in, out, [](bool x) { return !x; });
    } else if constexpr (std::is_integral_v<T>) {
      arithmetic<T>(op, in, out);
    } else {
      transcendental<T>(op, in, out);
    }
  });
}

}  // namespace weft::backends::serial
