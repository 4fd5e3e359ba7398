// The initialisers that compute on the host, in float64: drawn on the serial backend, so the values are the same for
// every device.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/init.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>

namespace weft::nn::init {
namespace {

void check_target(const Tensor& tensor, const char* op, CallSite at) {
  if (!is_floating(tensor.dtype(at))) {
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     message("the tensor is ", tensor.dtype(), ", random values are floating"), at);
  }
  if (!tensor.is_leaf()) {
    throw AutogradError(ErrorCode::in_place_recorded, op, "the tensor is the result of recorded operations", at);
  }
}

void write(const Tensor& tensor, const std::vector<double>& values, const char* op, CallSite at) {
  Tensor made = from_vector(values, tensor.shape(), serial(), at);
  made = ops::cast(made, tensor.dtype(), op, at);
  ops::copy_into(tensor, tensor.device() == serial() ? made : ops::to_device(made, tensor.device(), op, at), op, at);
}

/// The share of a standard normal distribution above x; exact far out, where 1 - (the share below) is not.
double above(double x) { return std::erfc(x / std::sqrt(2.0)) / 2; }

/// The x with above(x) = share, between low and high: Newton's steps, bisection where one would leave the bracket.
double quantile(double share, double low, double high) {
  constexpr double root_two_pi = 2.50662827463100050242;
  double x = low + (high - low) / 2;
  for (int i = 0; i < 200; ++i) {
    const double error = above(x) - share;
    (error > 0 ? low : high) = x;
    double next = x + error * root_two_pi * std::exp(x * x / 2);
    if (!(next > low && next < high)) next = low + (high - low) / 2;
    if (std::abs(next - x) <= 1e-15 * std::abs(x) || next == x) return next;
    x = next;
  }
  return x;
}

}  // namespace

void trunc_normal_(const Tensor& tensor, double mean, double std, double low, double high, Generator& generator,
                   CallSite at) {
  const char* op = "trunc_normal_";
  check_target(tensor, op, at);
  const bool finite = std::isfinite(mean) && std::isfinite(std) && std::isfinite(low) && std::isfinite(high);
  if (!finite || std <= 0 || low >= high) {
    throw ValueError(ErrorCode::value_out_of_range, op,
                     message("mean = ", mean, ", std = ", std, ", low = ", low, ", high = ", high), at);
  }
  // In standard deviations, turned so that most of the range lies above 0, where above() is exact.
  double from = (low - mean) / std, to = (high - mean) / std;
  const bool turned = from + to < 0;
  if (turned) from = -std::exchange(to, -from);
  const double most = above(from), least = above(to);
  if (!(most > least)) {
    throw ValueError(ErrorCode::value_out_of_range, op,
                     message("between low = ", low, " and high = ", high, " a normal distribution with mean = ", mean,
                             ", std = ", std, " has nothing to give"),
                     at);
  }
  const NoGrad off;
  std::vector<double> values = rand(tensor.shape(), {serial(), DType::float64}, generator, at).to_vector<double>(at);
  for (double& value : values) {
    const double x = quantile(most + value * (least - most), from, to);
    value = std::clamp(mean + std * (turned ? -x : x), low, high);
  }
  write(tensor, values, op, at);
}

// Rows are made orthogonal one after the other, each twice (Giraud, Langou, Rozloznik, 2005: twice is enough), which is
// the QR decomposition of the transpose with a positive diagonal.
void orthogonal_(const Tensor& tensor, double gain, Generator& generator, CallSite at) {
  const char* op = "orthogonal_";
  check_target(tensor, op, at);
  if (!std::isfinite(gain)) throw ValueError(ErrorCode::value_out_of_range, op, message("gain = ", gain), at);
  if (tensor.rank() < 2) {
    throw ShapeError(ErrorCode::rank_unsupported, op,
                     message("a matrix or more, (out, ...), is needed, the tensor is ", tensor.shape()), at);
  }
  const NoGrad off;
  const auto size = static_cast<std::size_t>(tensor.numel());
  const auto out = static_cast<std::size_t>(tensor.shape()[0]);
  std::vector<double> drawn = randn(tensor.shape(), {serial(), DType::float64}, generator, at).to_vector<double>(at);
  if (size == 0) return;
  const std::size_t rest = size / out, rows = std::min(out, rest), width = std::max(out, rest);
  const bool across = out > rest;  // more rows than columns: the columns are made orthogonal
  std::vector<double> v(size);
  for (std::size_t i = 0; i < out; ++i) {
    for (std::size_t j = 0; j < rest; ++j) v[across ? j * width + i : i * width + j] = drawn[i * rest + j];
  }
  const auto dot = [&](std::size_t a, std::size_t b) {
    double sum = 0;
    for (std::size_t j = 0; j < width; ++j) sum += v[a * width + j] * v[b * width + j];
    return sum;
  };
  for (std::size_t i = 0; i < rows; ++i) {
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t k = 0; k < i; ++k) {
        const double along = dot(i, k);
        for (std::size_t j = 0; j < width; ++j) v[i * width + j] -= along * v[k * width + j];
      }
    }
    const double length = std::sqrt(dot(i, i));
    for (std::size_t j = 0; j < width; ++j) v[i * width + j] /= length;
  }
  for (std::size_t i = 0; i < out; ++i) {
    for (std::size_t j = 0; j < rest; ++j) drawn[i * rest + j] = gain * v[across ? j * width + i : i * width + j];
  }
  write(tensor, drawn, op, at);
}

}  // namespace weft::nn::init
