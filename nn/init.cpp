#include <weft/nn/init.h>

#include <cmath>

#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>

namespace weft::nn::init {
namespace {

/// Floating, and a leaf: what a user writes into here is not the result of something recorded.
void check_target(const Tensor& tensor, const char* op, CallSite at) {
  if (!is_floating(tensor.dtype(at))) {
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     message("the tensor is ", tensor.dtype(), ", random values are floating"), at);
  }
  if (!tensor.is_leaf()) {
    throw AutogradError(ErrorCode::in_place_recorded, op, "the tensor is the result of recorded operations", at);
  }
}

DType drawn_dtype(DType dtype) { return dtype == DType::float64 ? DType::float64 : DType::float32; }

}  // namespace

Fans fans(const Tensor& weight, CallSite at) {
  if (weight.rank(at) < 2) {
    throw ShapeError(ErrorCode::rank_unsupported, "fans",
                     message("fan-in and fan-out need (out, in, ...), the tensor is ", weight.shape()), at);
  }
  std::int64_t window = 1;
  for (int i = 2; i < weight.rank(); ++i) window *= weight.shape()[i];
  return {weight.shape()[1] * window, weight.shape()[0] * window};
}

void constant_(const Tensor& tensor, double value, CallSite at) {
  if (!tensor.is_leaf()) {
    throw AutogradError(ErrorCode::in_place_recorded, "constant_", "the tensor is the result of recorded operations",
                        at);
  }
  ops::fill(tensor, value, "constant_", at);
}

void zeros_(const Tensor& tensor, CallSite at) { constant_(tensor, 0, at); }
void ones_(const Tensor& tensor, CallSite at) { constant_(tensor, 1, at); }

void uniform_(const Tensor& tensor, double low, double high, Generator& generator, CallSite at) {
  check_target(tensor, "uniform_", at);
  if (!std::isfinite(low) || !std::isfinite(high) || low > high) {
    throw ValueError(ErrorCode::value_out_of_range, "uniform_", message("low = ", low, ", high = ", high), at);
  }
  const NoGrad off;
  const TensorOptions options(tensor.device(), drawn_dtype(tensor.dtype()));
  ops::copy_into(tensor, uniform(tensor.shape(), low, high, options, generator, at), "uniform_", at);
}

void normal_(const Tensor& tensor, double mean, double std, Generator& generator, CallSite at) {
  check_target(tensor, "normal_", at);
  if (!std::isfinite(mean) || !std::isfinite(std) || std < 0) {
    throw ValueError(ErrorCode::value_out_of_range, "normal_", message("mean = ", mean, ", std = ", std), at);
  }
  const NoGrad off;
  const TensorOptions options(tensor.device(), drawn_dtype(tensor.dtype()));
  const Tensor drawn = randn(tensor.shape(), options, generator, at);
  ops::binary_into(BinaryOp::mul, drawn, Operand(std, at), "normal_", at);
  ops::binary_into(BinaryOp::add, drawn, Operand(mean, at), "normal_", at);
  ops::copy_into(tensor, drawn, "normal_", at);
}

namespace {

double kaiming_std(const Tensor& tensor, double a, FanMode mode, Nonlinearity nonlinearity, const char* op,
                   CallSite at) {
  check_target(tensor, op, at);
  if (!std::isfinite(a)) throw ValueError(ErrorCode::value_out_of_range, op, message("a = ", a), at);
  const Fans both = fans(tensor, at);
  const std::int64_t fan = mode == FanMode::fan_in ? both.in : both.out;
  return calculate_gain(nonlinearity, a) / std::sqrt(static_cast<double>(fan > 0 ? fan : 1));
}

double xavier_std(const Tensor& tensor, double gain, const char* op, CallSite at) {
  check_target(tensor, op, at);
  if (!std::isfinite(gain) || gain < 0) {
    throw ValueError(ErrorCode::value_out_of_range, op, message("gain = ", gain), at);
  }
  const Fans fan = fans(tensor, at);
  const double sum = static_cast<double>(fan.in) + static_cast<double>(fan.out);
  return gain * std::sqrt(2 / (sum > 0 ? sum : 1));
}

}  // namespace

double calculate_gain(Nonlinearity nonlinearity, double a) noexcept {
  switch (nonlinearity) {
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid:
      return 1;
    case Nonlinearity::tanh:
      return 5.0 / 3;
    case Nonlinearity::relu:
      return std::sqrt(2.0);
    case Nonlinearity::leaky_relu:
      return std::sqrt(2 / (1 + a * a));
    case Nonlinearity::selu:
      return 0.75;
  }
  return 1;
}

void kaiming_uniform_(const Tensor& tensor, double a, Generator& generator, CallSite at) {
  kaiming_uniform_(tensor, a, FanMode::fan_in, Nonlinearity::leaky_relu, generator, at);
}

void kaiming_uniform_(const Tensor& tensor, double a, FanMode mode, Nonlinearity nonlinearity, Generator& generator,
                      CallSite at) {
  const double bound = std::sqrt(3.0) * kaiming_std(tensor, a, mode, nonlinearity, "kaiming_uniform_", at);
  uniform_(tensor, -bound, bound, generator, at);
}

void kaiming_normal_(const Tensor& tensor, double a, Generator& generator, CallSite at) {
  kaiming_normal_(tensor, a, FanMode::fan_in, Nonlinearity::leaky_relu, generator, at);
}

void kaiming_normal_(const Tensor& tensor, double a, FanMode mode, Nonlinearity nonlinearity, Generator& generator,
                     CallSite at) {
  normal_(tensor, 0, kaiming_std(tensor, a, mode, nonlinearity, "kaiming_normal_", at), generator, at);
}

void xavier_uniform_(const Tensor& tensor, double gain, Generator& generator, CallSite at) {
  const double bound = std::sqrt(3.0) * xavier_std(tensor, gain, "xavier_uniform_", at);
  uniform_(tensor, -bound, bound, generator, at);
}

void xavier_normal_(const Tensor& tensor, double gain, Generator& generator, CallSite at) {
  normal_(tensor, 0, xavier_std(tensor, gain, "xavier_normal_", at), generator, at);
}

}  // namespace weft::nn::init
