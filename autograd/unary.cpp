// Elementwise functions of one tensor. Where the derivative is a function of the result, the result is what is saved.

#include <cmath>
#include <numbers>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

Tensor neg(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::neg, x, "neg", at);
  if (Recorder r{"neg", at, x}) {
    r.record(y, [](Back& back) { back[0] = neg(back.dy, back.at); });
  }
  return y;
}

Tensor abs(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::abs, x, "abs", at);
  if (Recorder r{"abs", at, x}) {
    r.record(y, [x = r.keep(x)](Back& back) { back[0] = mul({back.dy, back.at}, sign(back(x), back.at)); });
  }
  return y;
}

Tensor sign(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::sign, x, "sign", at);
  if (Recorder r{"sign", at, x}) {
    r.record(y, [](Back& back) { back[0] = zeros_like(back.dy, back.at); });
  }
  return y;
}

Tensor exp(const Tensor& x, CallSite at) {
  if (const autograd::In32 in; in) return exp(in(x, at), at);
  Tensor y = ops::unary(UnaryOp::exp, x, "exp", at);
  if (Recorder r{"exp", at, x}) {
    r.record(y, [y = r.output(y)](Back& back) { back[0] = mul({back.dy, back.at}, back(y)); });
  }
  return y;
}

// e^x = y + 1
Tensor expm1(const Tensor& x, CallSite at) {
  if (const autograd::In32 in; in) return expm1(in(x, at), at);
  Tensor y = ops::unary(UnaryOp::expm1, x, "expm1", at);
  if (Recorder r{"expm1", at, x}) {
    r.record(y, [y = r.output(y)](Back& back) { back[0] = mul({back.dy, back.at}, add({back(y), back.at}, 1)); });
  }
  return y;
}

Tensor log(const Tensor& x, CallSite at) {
  if (const autograd::In32 in; in) return log(in(x, at), at);
  Tensor y = ops::unary(UnaryOp::log, x, "log", at);
  if (Recorder r{"log", at, x}) {
    r.record(y, [x = r.keep(x)](Back& back) { back[0] = div({back.dy, back.at}, back(x)); });
  }
  return y;
}

Tensor log1p(const Tensor& x, CallSite at) {
  if (const autograd::In32 in; in) return log1p(in(x, at), at);
  Tensor y = ops::unary(UnaryOp::log1p, x, "log1p", at);
  if (Recorder r{"log1p", at, x}) {
    r.record(y, [x = r.keep(x)](Back& back) { back[0] = div({back.dy, back.at}, add({back(x), back.at}, 1)); });
  }
  return y;
}

// 1 / (2 sqrt(x))
Tensor sqrt(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::sqrt, x, "sqrt", at);
  if (Recorder r{"sqrt", at, x}) {
    r.record(y, [y = r.output(y)](Back& back) { back[0] = div(mul({back.dy, back.at}, 0.5), back(y)); });
  }
  return y;
}

// -y^3 / 2
Tensor rsqrt(const Tensor& x, CallSite at) {
  if (const autograd::In32 in; in) return rsqrt(in(x, at), at);
  Tensor y = ops::unary(UnaryOp::rsqrt, x, "rsqrt", at);
  if (Recorder r{"rsqrt", at, x}) {
    r.record(y, [y = r.output(y)](Back& back) {
      const Tensor out = back(y);
      back[0] = mul(mul({back.dy, back.at}, -0.5), mul(mul({out, back.at}, out), out));
    });
  }
  return y;
}

Tensor square(const Tensor& x, CallSite at) {
  Tensor y = ops::binary(BinaryOp::mul, {x, at}, {x, at}, "square", at);
  if (Recorder r{"square", at, x}) {
    r.record(y, [x = r.keep(x)](Back& back) { back[0] = mul(mul({back.dy, back.at}, 2), back(x)); });
  }
  return y;
}

Tensor sin(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::sin, x, "sin", at);
  if (Recorder r{"sin", at, x}) {
    r.record(y, [x = r.keep(x)](Back& back) { back[0] = mul({back.dy, back.at}, cos(back(x), back.at)); });
  }
  return y;
}

Tensor cos(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::cos, x, "cos", at);
  if (Recorder r{"cos", at, x}) {
    r.record(y, [x = r.keep(x)](Back& back) {
      back[0] = neg(mul({back.dy, back.at}, sin(back(x), back.at)), back.at);
    });
  }
  return y;
}

// 2 / sqrt(pi) e^(-x^2)
Tensor erf(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::erf, x, "erf", at);
  if (Recorder r{"erf", at, x}) {
    r.record(y, [x = r.keep(x)](Back& back) {
      const Tensor bell = exp(neg(square(back(x), back.at), back.at), back.at);
      back[0] = mul(mul({back.dy, back.at}, 2 * std::numbers::inv_sqrtpi), bell);
    });
  }
  return y;
}

namespace {

// Constant between jumps.
Tensor to_whole(UnaryOp op, const Tensor& x, CallSite at) {
  Tensor y = ops::unary(op, x, name(op), at);
  if (Recorder r{name(op), at, x}) {
    r.record(y, [](Back& back) { back[0] = zeros_like(back.dy, back.at); });
  }
  return y;
}

}  // namespace

Tensor floor(const Tensor& x, CallSite at) { return to_whole(UnaryOp::floor, x, at); }
Tensor ceil(const Tensor& x, CallSite at) { return to_whole(UnaryOp::ceil, x, at); }
Tensor round(const Tensor& x, CallSite at) { return to_whole(UnaryOp::round, x, at); }

Tensor clamp(const Tensor& x, std::optional<backends::Number> min, std::optional<backends::Number> max, CallSite at) {
  ops::check_defined(x, "clamp", "x", at);
  if (!min && !max) {
    throw ValueError(ErrorCode::value_invalid, "clamp", "needs a bound: min, max or both", at);
  }
  const auto is_nan = [](const std::optional<backends::Number>& bound) {
    return bound && !bound->is_integer && std::isnan(bound->real);
  };
  const bool reversed =
      min && max && (min->is_integer && max->is_integer ? min->integer > max->integer : min->real > max->real);
  if (is_nan(min) || is_nan(max) || reversed) {
    const auto text = [](const std::optional<backends::Number>& bound) {
      return bound ? bound->is_integer ? message(bound->integer) : message(bound->real) : std::string("absent");
    };
    throw ValueError(ErrorCode::value_out_of_range, "clamp",
                     message("bounds must be ordered numbers; min is ", text(min), ", max is ", text(max)), at);
  }
  const auto bounded = [at](BinaryOp op, const Tensor& t, backends::Number bound) {
    return ops::binary(op, {t, at}, autograd::operand(bound, at), "clamp", at);
  };
  Tensor y = min ? bounded(BinaryOp::maximum, x, *min) : x;
  if (max) y = bounded(BinaryOp::minimum, y, *max);
  if (Recorder r{"clamp", at, x}) {
    r.record(y, [min, max, x = r.keep(x)](Back& back) {
      const Tensor in = back(x);
      Tensor dx = back.dy;
      if (min) dx = where(ge({in, back.at}, autograd::operand(*min, back.at)), {dx, back.at}, 0);
      if (max) dx = where(le({in, back.at}, autograd::operand(*max, back.at)), {dx, back.at}, 0);
      back[0] = dx;
    });
  }
  return y;
}

namespace autograd {

Tensor through(Activation activation, const Tensor& dy, const Tensor& y, const char* name, CallSite at) {
  if (activation == Activation::none) return dy;
  if (!grad_enabled()) return ops::binary(derivative_of(activation), {dy, at}, {y, at}, name, at);
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      return where(gt({y, at}, 0), {dy, at}, 0);
    case Activation::tanh:
      return mul({dy, at}, sub({1, at}, mul({y, at}, y)));
    case Activation::sigmoid:
      return mul(mul({dy, at}, y), sub({1, at}, y));
    case Activation::gelu_tanh:
      return mul({dy, at}, gelu_tanh_slope(y, at));
  }
  return dy;
}

}  // namespace autograd

namespace {

// Where the derivative follows from the result, the next layer may have multiplied by it. The result is looked at in
// any case: overwritten, it was wrong for the next layer too.
Tensor activated(Activation activation, const Tensor& x, CallSite at) {
  const char* const what = name(activation);
  Tensor y = ops::unary(function_of(activation), x, what, at);
  if (Recorder r{what, at, x}) {
    autograd::Node& node = r.record(y, [activation, what, y = r.output(y)](Back& back) {
      const Tensor out = back(y);
      back[0] = back.is_multiplied() ? back.dy : autograd::through(activation, back.dy, out, what, back.at);
    });
    node.activation = activation;
  }
  return y;
}

}  // namespace

Tensor relu(const Tensor& x, CallSite at) { return activated(Activation::relu, x, at); }
Tensor tanh(const Tensor& x, CallSite at) { return activated(Activation::tanh, x, at); }
Tensor sigmoid(const Tensor& x, CallSite at) { return activated(Activation::sigmoid, x, at); }

}  // namespace weft
