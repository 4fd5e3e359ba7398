// Comparisons, which have no gradient, and the choice they drive.

#include <limits>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
}

namespace {

Tensor compared(BinaryOp op, const Operand& a, const Operand& b, const char* name) {
  if (autograd::meet(a, b)) return ops::binary(op, autograd::wider(a), autograd::wider(b), name, a.at());
  return ops::binary(op, a, b, name, a.at());
}

}  // namespace

Tensor eq(const Operand& a, const Operand& b) { return compared(BinaryOp::eq, a, b, "eq"); }
Tensor ne(const Operand& a, const Operand& b) { return compared(BinaryOp::ne, a, b, "ne"); }
Tensor lt(const Operand& a, const Operand& b) { return compared(BinaryOp::lt, a, b, "lt"); }
Tensor le(const Operand& a, const Operand& b) { return compared(BinaryOp::le, a, b, "le"); }
Tensor gt(const Operand& a, const Operand& b) { return compared(BinaryOp::gt, a, b, "gt"); }
Tensor ge(const Operand& a, const Operand& b) { return compared(BinaryOp::ge, a, b, "ge"); }

Tensor logical_and(const Tensor& a, const Tensor& b, CallSite at) {
  return ops::binary(BinaryOp::logical_and, {a, at}, {b, at}, "logical_and", at);
}

Tensor logical_or(const Tensor& a, const Tensor& b, CallSite at) {
  return ops::binary(BinaryOp::logical_or, {a, at}, {b, at}, "logical_or", at);
}

Tensor logical_not(const Tensor& x, CallSite at) { return ops::unary(UnaryOp::logical_not, x, "logical_not", at); }

// Of all numbers only NaN differs from itself. Integers and bool cannot be compared to an infinity.
Tensor isnan(const Tensor& x, CallSite at) { return ops::binary(BinaryOp::ne, {x, at}, {x, at}, "isnan", at); }

Tensor isinf(const Tensor& x, CallSite at) {
  ops::check_defined(x, "isinf", "x", at);
  if (!is_floating(x.dtype())) return ops::binary(BinaryOp::ne, {x, at}, {x, at}, "isinf", at);
  return ops::binary(BinaryOp::eq, {ops::unary(UnaryOp::abs, x, "isinf", at), at}, {infinity, at}, "isinf", at);
}

Tensor isfinite(const Tensor& x, CallSite at) {
  ops::check_defined(x, "isfinite", "x", at);
  if (!is_floating(x.dtype())) return ops::binary(BinaryOp::eq, {x, at}, {x, at}, "isfinite", at);
  return ops::binary(BinaryOp::lt, {ops::unary(UnaryOp::abs, x, "isfinite", at), at}, {infinity, at}, "isfinite", at);
}

Tensor where(const Tensor& condition, const Operand& a, const Operand& b) {
  if (autograd::meet(a, b)) return where(condition, autograd::wider(a), autograd::wider(b));
  Tensor y = ops::where(condition, a, b, "where", a.at());
  if (Recorder r{"where", a.at(), a, b}) {
    r.record(y, [condition = r.keep(condition)](Back& back) {
      const Tensor chosen = back(condition);
      if (back.wants(0)) back[0] = where(chosen, {back.dy, back.at}, 0);
      if (back.wants(1)) back[1] = where(chosen, {0, back.at}, back.dy);
    });
  }
  return y;
}

}  // namespace weft
