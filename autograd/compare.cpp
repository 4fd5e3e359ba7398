// Comparisons, which have no gradient, and the choice they drive.

#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

Tensor eq(const Operand& a, const Operand& b) { return ops::binary(BinaryOp::eq, a, b, "eq", a.at()); }
Tensor ne(const Operand& a, const Operand& b) { return ops::binary(BinaryOp::ne, a, b, "ne", a.at()); }
Tensor lt(const Operand& a, const Operand& b) { return ops::binary(BinaryOp::lt, a, b, "lt", a.at()); }
Tensor le(const Operand& a, const Operand& b) { return ops::binary(BinaryOp::le, a, b, "le", a.at()); }
Tensor gt(const Operand& a, const Operand& b) { return ops::binary(BinaryOp::gt, a, b, "gt", a.at()); }
Tensor ge(const Operand& a, const Operand& b) { return ops::binary(BinaryOp::ge, a, b, "ge", a.at()); }

Tensor logical_and(const Tensor& a, const Tensor& b, CallSite at) {
  return ops::binary(BinaryOp::logical_and, {a, at}, {b, at}, "logical_and", at);
}

Tensor logical_or(const Tensor& a, const Tensor& b, CallSite at) {
  return ops::binary(BinaryOp::logical_or, {a, at}, {b, at}, "logical_or", at);
}

Tensor logical_not(const Tensor& x, CallSite at) { return ops::unary(UnaryOp::logical_not, x, "logical_not", at); }

Tensor where(const Tensor& condition, const Operand& a, const Operand& b) {
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
