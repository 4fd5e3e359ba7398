// Arithmetic of two operands. A gradient that was broadcast is summed back by the engine.

#include <cmath>
#include <limits>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/tensor/checks.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

Tensor add(const Operand& a, const Operand& b) {
  if (autograd::meet(a, b)) return add(autograd::wider(a), autograd::wider(b));
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
  if (autograd::meet(a, b)) return sub(autograd::wider(a), autograd::wider(b));
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
  if (autograd::meet(a, b)) return mul(autograd::wider(a), autograd::wider(b));
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
  if (autograd::meet(a, b)) return div(autograd::wider(a), autograd::wider(b));
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
  if (autograd::meet(a, b)) return extreme(op, autograd::wider(a), autograd::wider(b), name);
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

namespace {

double real(const Operand& x) {
  return x.number().is_integer ? static_cast<double>(x.number().integer) : x.number().real;
}

// b a^(b-1), which is 0 at a = b = 0, where a^(b-1) is not finite.
Tensor power_slope(const Operand& a, const Operand& b, CallSite at) {
  if (b.is_number()) {
    const double n = real(b);
    if (n == 0) return zeros_like(a.tensor(), at);
    return mul({pow(a, {n - 1, at}), at}, n);
  }
  if (a.is_number()) return {};  // never asked for
  const Tensor both_zero = logical_and(eq(a, 0), eq(b, 0), at);
  return mul(pow({where(both_zero, {1, at}, a), at}, {sub(b, 1), at}), b);
}

// a^b log(a), with 0 for log(0) where b is not negative.
Tensor power_exponent_slope(const Tensor& y, const Operand& a, const Operand& b, CallSite at) {
  if (a.is_number()) {
    const double base = real(a);
    if (base != 0) return mul({y, at}, {std::log(base), at});
    return where(ge(b, 0), {0.0, at}, {mul({y, at}, -std::numeric_limits<double>::infinity()), at});
  }
  Tensor none = eq(a, 0);
  if (!b.is_number()) {
    none = logical_and(none, ge(b, 0), at);
  } else if (!(real(b) >= 0)) {
    return mul({y, at}, log(a.tensor(), at));
  }
  return mul({y, at}, log(where(none, {1, at}, a), at));
}

}  // namespace

Tensor pow(const Operand& a, const Operand& b) {
  if (const autograd::In32 in; in) return pow(in(a), in(b));
  const bool squares = b.is_number() && !a.is_number() && real(b) == 2;  // exact to one rounding, and quick
  if (squares) {                                                         // the product alone would take integers
    ops::check_defined(a.tensor(), "pow", "a", a.at());
    ops::check_floating(a.tensor(), "a", "pow", a.at());
  }
  Tensor y = ops::binary(squares ? BinaryOp::mul : BinaryOp::pow, a, squares ? a : b, "pow", a.at());
  if (Recorder r{"pow", a.at(), a, b}) {
    r.record(y, [a = autograd::SavedOperand(a), b = autograd::SavedOperand(b), y = r.output_for(1, y)](Back& back) {
      const Operand base = back(a);
      const Operand exponent = back(b);
      if (back.wants(0)) back[0] = mul({back.dy, back.at}, power_slope(base, exponent, back.at));
      if (back.wants(1)) {
        back[1] = mul({back.dy, back.at}, power_exponent_slope(back(y), base, exponent, back.at));
      }
    });
  }
  return y;
}

// From the nearer end, so that weights 0 and 1 return the ends themselves.
Tensor lerp(const Tensor& start, const Tensor& end, const Operand& weight) {
  const CallSite at = weight.at();
  ops::check_defined(start, "lerp", "start", at);
  ops::check_floating(start, "start", "lerp", at);
  const Tensor way = sub({end, at}, {start, at});
  const auto from_start = [&] { return add({start, at}, {mul({way, at}, weight), at}); };
  const auto from_end = [&] { return sub({end, at}, {mul({way, at}, {sub({1, at}, weight), at}), at}); };
  if (!weight.is_number()) {
    return where(lt({abs(weight.tensor(), at), at}, {0.5, at}), {from_start(), at}, {from_end(), at});
  }
  const double w = real(weight);
  if (std::fabs(w) < 0.5) return from_start();
  return sub({end, at}, {mul({way, at}, {1 - w, at}), at});
}

Tensor maximum(const Operand& a, const Operand& b) { return extreme(BinaryOp::maximum, a, b, "maximum"); }
Tensor minimum(const Operand& a, const Operand& b) { return extreme(BinaryOp::minimum, a, b, "minimum"); }

}  // namespace weft
