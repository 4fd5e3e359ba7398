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
