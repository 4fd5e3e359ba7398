// Activations beyond relu, tanh and sigmoid (unary.cpp). Under create_graph the derivative is composed; otherwise gelu
// and silu, whose derivatives take ten passes that way, use one fused call.

#include <cmath>
#include <numbers>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

Tensor leaky_relu(const Tensor& x, double negative_slope, CallSite at) {
  Tensor y = ops::unary(UnaryOp::leaky_relu, x, "leaky_relu", at, {negative_slope, 0});
  if (Recorder r{"leaky_relu", at, x}) {
    r.record(y, [negative_slope, x = r.keep(x)](Back& back) {
      back[0] = where(gt({back(x), back.at}, 0), {back.dy, back.at}, mul({back.dy, back.at}, negative_slope));
    });
  }
  return y;
}

// alpha e^x on the left; the exponent is held at 0 on the right, where an overflow would meet a zero on the way back
// from the second gradient.
Tensor elu(const Tensor& x, double alpha, CallSite at) {
  Tensor y = ops::unary(UnaryOp::elu, x, "elu", at, {alpha, 0});
  if (Recorder r{"elu", at, x}) {
    r.record(y, [alpha, x = r.keep(x)](Back& back) {
      const Tensor in = back(x);
      const Tensor slope = mul(exp(minimum({in, back.at}, 0), back.at), alpha);
      back[0] = where(gt({in, back.at}, 0), {back.dy, back.at}, mul({back.dy, back.at}, slope));
    });
  }
  return y;
}

namespace autograd {

// s + x s (1 - s) 2u' with s = 1 / (1 + e^-2u), 2u = 2 sqrt(2 / pi) (x + 0.044715 x^3)
Tensor gelu_tanh_slope(const Tensor& x, CallSite at) {
  const double scale = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi, cubic = 0.044715;
  const Tensor squared = square(x, at);
  const Tensor s = sigmoid(mul(mul({x, at}, add(mul({squared, at}, cubic), 1)), scale), at);
  const Tensor inner = mul(add(mul({squared, at}, 3 * cubic), 1), scale);
  return mul({s, at}, add(mul(mul({x, at}, sub({1, at}, s)), inner), 1));
}

}  // namespace autograd

namespace {

// Phi(x) + x phi(x)
Tensor gelu_slope(const Tensor& x, CallSite at) {
  const Tensor doubled = add(erf(mul({x, at}, std::numbers::sqrt2 / 2), at), 1);
  const Tensor bell = exp(mul({square(x, at), at}, -0.5), at);
  const Tensor density = mul(mul({x, at}, bell), std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return add(mul({doubled, at}, 0.5), density);
}

// s (1 + x (1 - s))
Tensor silu_slope(const Tensor& x, CallSite at) {
  const Tensor s = sigmoid(x, at);
  return mul({s, at}, add(mul({x, at}, sub({1, at}, s)), 1));
}

Tensor gated(UnaryOp op, BinaryOp backward, Tensor (*slope)(const Tensor&, CallSite), const Tensor& x, const char* name,
             CallSite at) {
  Tensor y = ops::unary(op, x, name, at);
  if (Recorder r{name, at, x}) {
    r.record(y, [=, x = r.keep(x)](Back& back) {
      const Tensor in = back(x);
      if (grad_enabled()) {
        back[0] = mul({back.dy, back.at}, slope(in, back.at));
      } else {
        back[0] = ops::binary(backward, {back.dy, back.at}, {in, back.at}, name, back.at);
      }
    });
  }
  return y;
}

}  // namespace

Tensor gelu(const Tensor& x, Approximate approximate, CallSite at) {
  if (approximate == Approximate::none) {
    return gated(UnaryOp::gelu, BinaryOp::gelu_backward, gelu_slope, x, "gelu", at);
  }
  return gated(UnaryOp::gelu_tanh, BinaryOp::gelu_tanh_backward, autograd::gelu_tanh_slope, x, "gelu", at);
}

Tensor silu(const Tensor& x, CallSite at) {
  return gated(UnaryOp::silu, BinaryOp::silu_backward, silu_slope, x, "silu", at);
}

// The logistic function of beta x, and 1 beyond the threshold.
Tensor softplus(const Tensor& x, double beta, double threshold, CallSite at) {
  if (const autograd::In32 in; in) return softplus(in(x, at), beta, threshold, at);
  if (!std::isfinite(beta) || beta == 0) {
    throw ValueError(ErrorCode::value_out_of_range, "softplus", message("beta must be finite and not 0, not ", beta),
                     at);
  }
  Tensor y = ops::unary(UnaryOp::softplus, x, "softplus", at, {beta, threshold});
  if (Recorder r{"softplus", at, x}) {
    r.record(y, [beta, threshold, x = r.keep(x)](Back& back) {
      const Tensor u = mul({back(x), back.at}, beta);
      const Tensor slope = where(gt({u, back.at}, threshold), {1, back.at}, sigmoid(u, back.at));
      back[0] = mul({back.dy, back.at}, slope);
    });
  }
  return y;
}

}  // namespace weft
