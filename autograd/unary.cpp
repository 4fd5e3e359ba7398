// Elementwise functions of one tensor. Where the derivative is a function of the result, the result is what is saved.

#include <weft/autograd/record.h>

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
  Tensor y = ops::unary(UnaryOp::exp, x, "exp", at);
  if (Recorder r{"exp", at, x}) {
    r.record(y, [y = r.output(y)](Back& back) { back[0] = mul({back.dy, back.at}, back(y)); });
  }
  return y;
}

Tensor log(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::log, x, "log", at);
  if (Recorder r{"log", at, x}) {
    r.record(y, [x = r.keep(x)](Back& back) { back[0] = div({back.dy, back.at}, back(x)); });
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

// 1 - y^2
Tensor tanh(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::tanh, x, "tanh", at);
  if (Recorder r{"tanh", at, x}) {
    r.record(y, [y = r.output(y)](Back& back) {
      const Tensor out = back(y);
      if (grad_enabled()) {
        back[0] = mul({back.dy, back.at}, sub({1, back.at}, mul({out, back.at}, out)));
      } else {
        back[0] = ops::binary(BinaryOp::tanh_backward, back.dy, out, "tanh", back.at);
      }
    });
  }
  return y;
}

// y (1 - y)
Tensor sigmoid(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::sigmoid, x, "sigmoid", at);
  if (Recorder r{"sigmoid", at, x}) {
    r.record(y, [y = r.output(y)](Back& back) {
      const Tensor out = back(y);
      if (grad_enabled()) {
        back[0] = mul(mul({back.dy, back.at}, out), sub({1, back.at}, out));
      } else {
        back[0] = ops::binary(BinaryOp::sigmoid_backward, back.dy, out, "sigmoid", back.at);
      }
    });
  }
  return y;
}

Tensor relu(const Tensor& x, CallSite at) {
  Tensor y = ops::unary(UnaryOp::relu, x, "relu", at);
  if (Recorder r{"relu", at, x}) {
    r.record(y, [y = r.output(y)](Back& back) {
      const Tensor out = back(y);
      if (grad_enabled()) {
        back[0] = where(gt({out, back.at}, 0), {back.dy, back.at}, 0);
      } else {
        back[0] = ops::binary(BinaryOp::relu_backward, back.dy, out, "relu", back.at);
      }
    });
  }
  return y;
}

}  // namespace weft
