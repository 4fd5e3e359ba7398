// Arithmetic of two operands. A gradient that was broadcast is summed back by the engine.

#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

Tensor add(const Operand& a, const Operand& b) {
  Tensor y = ops::binary(BinaryOp::add, a, b, "add", a.at());
  if (Recorder r{"add", a.at(), a, b}) {
    r.record(y, [](Back& back) {
      back[0] = back.dy;
      back[1] = back.dy;
    });
  }
  return y;
}

Tensor sub(const Operand& a, const Operand& b) {
  Tensor y = ops::binary(BinaryOp::sub, a, b, "sub", a.at());
  if (Recorder r{"sub", a.at(), a, b}) {
    r.record(y, [](Back& back) {
      back[0] = back.dy;
      if (back.wants(1)) back[1] = neg(back.dy, back.at);
    });
  }
  return y;
}

Tensor mul(const Operand& a, const Operand& b) {
  Tensor y = ops::binary(BinaryOp::mul, a, b, "mul", a.at());
  if (Recorder r{"mul", a.at(), a, b}) {
    r.record(y, [a = r.keep_for(1, a), b = r.keep_for(0, b)](Back& back) {
      if (back.wants(0)) back[0] = mul({back.dy, back.at}, back(b));
      if (back.wants(1)) back[1] = mul({back.dy, back.at}, back(a));
    });
  }
  return y;
}

// d(a/b)/da = 1/b, d(a/b)/db = -y/b
Tensor div(const Operand& a, const Operand& b) {
  Tensor y = ops::binary(BinaryOp::div, a, b, "div", a.at());
  if (Recorder r{"div", a.at(), a, b}) {
    r.record(y, [b = autograd::SavedOperand(b), y = r.output_for(1, y)](Back& back) {
      if (back.wants(0)) back[0] = div({back.dy, back.at}, back(b));
      if (back.wants(1)) back[1] = neg(mul({back.dy, back.at}, div({back(y), back.at}, back(b))), back.at);
    });
  }
  return y;
}

namespace {

// The gradient of the operand that won, halved at a tie; `beaten` is where the other one won. A NaN compares false with
// everything, so both operands receive the gradient, as in PyTorch.
Tensor winner(const Back& back, const Tensor& beaten, const Tensor& tie) {
  return where(beaten, {0.0, back.at}, where(tie, mul({back.dy, back.at}, 0.5), {back.dy, back.at}));
}

Tensor extreme(BinaryOp op, const Operand& a, const Operand& b, const char* name) {
  Tensor y = ops::binary(op, a, b, name, a.at());
  if (Recorder r{name, a.at(), a, b}) {
    r.record(y, [op, a = autograd::SavedOperand(a), b = autograd::SavedOperand(b)](Back& back) {
      const Operand x = back(a);
      const Operand z = back(b);
      const Tensor tie = eq(x, z);
      if (back.wants(0)) back[0] = winner(back, op == BinaryOp::maximum ? lt(x, z) : gt(x, z), tie);
      if (back.wants(1)) back[1] = winner(back, op == BinaryOp::maximum ? lt(z, x) : gt(z, x), tie);
    });
  }
  return y;
}

}  // namespace

Tensor maximum(const Operand& a, const Operand& b) { return extreme(BinaryOp::maximum, a, b, "maximum"); }
Tensor minimum(const Operand& a, const Operand& b) { return extreme(BinaryOp::minimum, a, b, "minimum"); }

}  // namespace weft
