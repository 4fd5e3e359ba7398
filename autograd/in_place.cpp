// The members of Tensor that write in place. None is recorded, so each is refused where a gradient would go wrong
// without a word; tensor/in_place.cpp writes.

#include <cmath>
#include <limits>

#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/step_script.h>

namespace weft {

namespace {

// An in-place write is never recorded, so it is refused where a gradient would go wrong without a word.
void refuse_recorded(const Tensor& target, const Operand& other, const char* name, const char* instead, CallSite at) {
  if (!grad_enabled()) return;
  const bool target_records = autograd::target_of(target) != nullptr;
  if (!target_records && autograd::target_of(other) == nullptr) return;
  throw AutogradError(ErrorCode::in_place_recorded, name,
                      message(target_records ? "this tensor records gradients" : "the argument records gradients",
                              ", and writing in place is never recorded; use ", instead,
                              ", or write inside a weft::NoGrad scope (as an optimiser does)"),
                      at);
}

void in_place(BinaryOp op, const Tensor& x, const Operand& y, const char* name, const char* instead) {
  refuse_recorded(x, y, name, instead, y.at());
  ops::binary_into(op, x, y, name, y.at());
}

}  // namespace

Tensor& Tensor::add_(const Operand& y) { return in_place(BinaryOp::add, *this, y, "add_", "x = x + y"), *this; }
Tensor& Tensor::sub_(const Operand& y) { return in_place(BinaryOp::sub, *this, y, "sub_", "x = x - y"), *this; }
Tensor& Tensor::mul_(const Operand& y) { return in_place(BinaryOp::mul, *this, y, "mul_", "x = x * y"), *this; }
Tensor& Tensor::div_(const Operand& y) { return in_place(BinaryOp::div, *this, y, "div_", "x = x / y"), *this; }
Tensor& Tensor::operator+=(const Operand& y) { return in_place(BinaryOp::add, *this, y, "+=", "x = x + y"), *this; }
Tensor& Tensor::operator-=(const Operand& y) { return in_place(BinaryOp::sub, *this, y, "-=", "x = x - y"), *this; }
Tensor& Tensor::operator*=(const Operand& y) { return in_place(BinaryOp::mul, *this, y, "*=", "x = x * y"), *this; }
Tensor& Tensor::operator/=(const Operand& y) { return in_place(BinaryOp::div, *this, y, "/=", "x = x / y"), *this; }

Tensor& Tensor::copy_(const Tensor& source, CallSite at) {
  refuse_recorded(*this, {source, at}, "copy_", "x = y.clone()", at);
  ops::copy_into(*this, source, "copy_", at);
  return *this;
}

Tensor& Tensor::fill_(backends::Number value, CallSite at) {
  refuse_recorded(*this, {0, at}, "fill_", "x = weft::full(x.shape(), value)", at);
  ops::fill(*this, value, "fill_", at);
  return *this;
}

Tensor& Tensor::zero_(CallSite at) {
  refuse_recorded(*this, {0, at}, "zero_", "x = weft::zeros_like(x)", at);
  ops::fill(*this, 0, "zero_", at);
  return *this;
}

namespace {

void in_place(UnaryOp op, const Tensor& x, const char* name, const char* instead, CallSite at) {
  refuse_recorded(x, {0, at}, name, instead, at);
  ops::unary_into(op, x, name, at);
}

// The target of new random numbers: checked before the generator moves.
void check_redrawn(const Tensor& x, const char* name, const char* instead, CallSite at) {
  ops::check_defined(x, name, "the target", at);
  refuse_recorded(x, {0, at}, name, instead, at);
  ops::check_writable(x, name, at);
  ops::check_floating(x, "the target", name, at);
}

}  // namespace

Tensor& Tensor::neg_(CallSite at) { return in_place(UnaryOp::neg, *this, "neg_", "x = -x", at), *this; }
Tensor& Tensor::abs_(CallSite at) { return in_place(UnaryOp::abs, *this, "abs_", "x = x.abs()", at), *this; }
Tensor& Tensor::exp_(CallSite at) { return in_place(UnaryOp::exp, *this, "exp_", "x = x.exp()", at), *this; }
Tensor& Tensor::log_(CallSite at) { return in_place(UnaryOp::log, *this, "log_", "x = x.log()", at), *this; }
Tensor& Tensor::sqrt_(CallSite at) { return in_place(UnaryOp::sqrt, *this, "sqrt_", "x = x.sqrt()", at), *this; }
Tensor& Tensor::tanh_(CallSite at) { return in_place(UnaryOp::tanh, *this, "tanh_", "x = x.tanh()", at), *this; }
Tensor& Tensor::sigmoid_(CallSite at) {
  return in_place(UnaryOp::sigmoid, *this, "sigmoid_", "x = x.sigmoid()", at), *this;
}
Tensor& Tensor::relu_(CallSite at) { return in_place(UnaryOp::relu, *this, "relu_", "x = x.relu()", at), *this; }

Tensor& Tensor::clamp_(std::optional<backends::Number> low, std::optional<backends::Number> high, CallSite at) {
  constexpr const char* name = "clamp_";
  refuse_recorded(*this, {0, at}, name, "x = weft::clamp(x, low, high)", at);
  ops::check_defined(*this, name, "the target", at);
  const double from = low ? low->real : -std::numeric_limits<double>::infinity();
  const double to = high ? high->real : std::numeric_limits<double>::infinity();
  if (!(from <= to)) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message("low is ", from, ", high is ", to, "; expected low <= high"), at);
  }
  if (high) ops::check_number(*high, dtype(), name, at);  // before the first of two writes
  if (low) ops::binary_into(BinaryOp::maximum, *this, autograd::operand(*low, at), name, at);
  if (high) ops::binary_into(BinaryOp::minimum, *this, autograd::operand(*high, at), name, at);
  return *this;
}

Tensor& Tensor::masked_fill_(const Tensor& mask, backends::Number value, CallSite at) {
  refuse_recorded(*this, {0, at}, "masked_fill_", "x = x.masked_fill(mask, value)", at);
  ops::masked_fill_into(*this, mask, value, "masked_fill_", at);
  return *this;
}

Tensor& Tensor::uniform_(double low, double high, Generator& generator, CallSite at) {
  constexpr const char* name = "uniform_";
  check_redrawn(*this, name, "x = weft::uniform(x.shape(), low, high)", at);
  if (!(low <= high) || !std::isfinite(high - low)) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message("low is ", low, ", high is ", high, "; expected finite numbers with low <= high"), at);
  }
  ops::random_into(RandomKind::uniform, *this, next_key(generator), high - low, low, name, at);
  return *this;
}

Tensor& Tensor::normal_(double mean, double standard_deviation, Generator& generator, CallSite at) {
  constexpr const char* name = "normal_";
  check_redrawn(*this, name, "x = weft::randn(x.shape()) * standard_deviation + mean", at);
  if (!std::isfinite(mean) || !std::isfinite(standard_deviation) || standard_deviation < 0) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message("mean is ", mean, ", standard_deviation is ", standard_deviation,
                             "; expected finite numbers, the second at least 0"),
                     at);
  }
  ops::random_into(RandomKind::normal, *this, next_key(generator), standard_deviation, mean, name, at);
  return *this;
}

Tensor& Tensor::bernoulli_(double p, Generator& generator, CallSite at) {
  constexpr const char* name = "bernoulli_";
  ops::check_defined(*this, name, "the target", at);
  refuse_recorded(*this, {0, at}, name, "x = weft::bernoulli(weft::full(x.shape(), p))", at);
  ops::check_writable(*this, name, at);
  if (!(p >= 0 && p <= 1)) {
    throw ValueError(ErrorCode::value_out_of_range, name, message("p is ", p, "; expected 0 to 1"), at);
  }
  const Tensor u = ops::random(RandomKind::uniform, shape(), {device(), DType::float32}, next_key(generator), name, at);
  ops::copy_into(*this, ops::binary(BinaryOp::lt, {u, at}, {p, at}, name, at), name, at);
  return *this;
}

}  // namespace weft
