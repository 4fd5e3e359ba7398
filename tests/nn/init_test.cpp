// The initialisers that layers_test.cpp does not reach.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/nn/init.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

constexpr TensorOptions wide(serial(), DType::float64);

double deviation(const Tensor& tensor) {
  const std::vector<double> values = tensor.to(DType::float64).to_vector<double>();
  double squares = 0;
  for (const double v : values) squares += v * v;
  return std::sqrt(squares / static_cast<double>(values.size()));
}

double largest(const Tensor& tensor) { return abs(tensor.to(DType::float64)).max().item(); }

TEST(Init, ZerosAndOnes) {
  const Tensor x = empty({3}, DType::int64);
  nn::init::ones_(x);
  EXPECT_EQ(x.to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, 1, 1}));
  nn::init::zeros_(x);
  EXPECT_EQ(x.to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 0, 0}));
}

TEST(Init, GainsArePyTorchs) {
  using N = nn::init::Nonlinearity;
  EXPECT_EQ(nn::init::calculate_gain(N::linear), 1);
  EXPECT_EQ(nn::init::calculate_gain(N::sigmoid), 1);
  EXPECT_DOUBLE_EQ(nn::init::calculate_gain(N::tanh), 5.0 / 3);
  EXPECT_DOUBLE_EQ(nn::init::calculate_gain(N::relu), std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(nn::init::calculate_gain(N::leaky_relu), std::sqrt(2 / (1 + 1e-4)));
  EXPECT_DOUBLE_EQ(nn::init::calculate_gain(N::leaky_relu, 0.2), std::sqrt(2 / 1.04));
  EXPECT_EQ(nn::init::calculate_gain(N::selu), 0.75);
}

TEST(Init, KaimingTakesTheFanAndTheGainAskedFor) {
  using nn::init::FanMode;
  using nn::init::Nonlinearity;
  Generator generator(3);
  const Tensor w = empty({50, 20, 10}, wide);  // fan-in 200, fan-out 500
  nn::init::kaiming_normal_(w, 0, FanMode::fan_out, Nonlinearity::relu, generator);
  EXPECT_NEAR(deviation(w), std::sqrt(2.0 / 500), 0.002);
  nn::init::kaiming_normal_(w, 0, FanMode::fan_in, Nonlinearity::tanh, generator);
  EXPECT_NEAR(deviation(w), 5.0 / 3 / std::sqrt(200.0), 0.004);
  nn::init::kaiming_uniform_(w, 1, FanMode::fan_out, Nonlinearity::leaky_relu, generator);
  const double bound = std::sqrt(3.0 / 500);
  EXPECT_LE(largest(w), bound);
  EXPECT_GT(largest(w), 0.99 * bound);
  // The short form is fan-in and a leaky ReLU, with the same numbers.
  const Tensor v = empty({50, 20, 10}, wide);
  Generator one(8), two(8);
  nn::init::kaiming_uniform_(w, 0.5, one);
  nn::init::kaiming_uniform_(v, 0.5, FanMode::fan_in, Nonlinearity::leaky_relu, two);
  EXPECT_TRUE(same_bytes(w, v));
}

/// Probability below x.
double share_below(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }

// The empirical distribution function against the exact one: Kolmogorov's statistic below 1.95 / sqrt(n) (probability
// of failing by chance 0.1 %, for one fixed seed).
void expect_truncated(double mean, double std, double low, double high) {
  const int n = 20000;
  Generator generator(5);
  const Tensor x = empty({n}, wide);
  nn::init::trunc_normal_(x, mean, std, low, high, generator);
  std::vector<double> values = x.to_vector<double>();
  std::sort(values.begin(), values.end());
  EXPECT_GE(values.front(), low);
  EXPECT_LE(values.back(), high);
  // Mirrored where the range lies above the mean, so that differences of small shares are exact.
  const bool above = (low + high) / 2 > mean;
  const double sign = above ? -1 : 1;
  const double a = share_below(sign * (low - mean) / std), b = share_below(sign * (high - mean) / std);
  double worst = 0;
  for (int i = 0; i < n; ++i) {
    const double expected = (share_below(sign * (values[static_cast<std::size_t>(i)] - mean) / std) - a) / (b - a);
    worst = std::max(worst, std::abs(expected - (i + 0.5) / n));
  }
  EXPECT_LT(worst, 1.95 / std::sqrt(n)) << mean << ' ' << std << ' ' << low << ' ' << high;
}

TEST(Init, TruncatedNormal) {
  expect_truncated(0, 1, -2, 2);
  expect_truncated(1, 0.5, 0, 1.25);
  expect_truncated(0, 1, 5, 9);  // far out
  expect_truncated(0, 1, -12, -10);
  expect_truncated(3, 2, -50, 50);
  const Tensor half = empty({100}, DType::bfloat16);
  nn::init::trunc_normal_(half, 0, 0.02);
  EXPECT_NEAR(deviation(half), 0.02, 0.006);
}

TEST(Init, OrthogonalRowsOrColumns) {
  for (const Shape& shape : {Shape{8, 8}, Shape{4, 9}, Shape{9, 4}, Shape{6, 2, 5}, Shape{1, 3}, Shape{3, 1}}) {
    Generator generator(4);
    const Tensor w = empty(shape, wide);
    nn::init::orthogonal_(w, 1.5, generator);
    const Tensor m = w.reshape({shape[0], -1});
    const bool tall = m.size(0) > m.size(1);
    const Tensor product = tall ? matmul(m.t(), m) : matmul(m, m.t());
    const Tensor expected = eye(product.size(0), wide) * 2.25;
    EXPECT_LT(abs(product - expected).max().item(), 1e-13) << to_string(shape);
  }
  Generator one(4), two(4);
  const Tensor a = empty({5, 5}, serial()), b = empty({5, 5}, cpu());
  nn::init::orthogonal_(a, 1, one);
  nn::init::orthogonal_(b, 1, two);
  EXPECT_EQ(a.to_vector<float>(), b.to_vector<float>());
  nn::init::orthogonal_(empty({0, 4}, wide));
}

TEST(Init, RefusesWhatMeansNothing) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = empty({4}, wide), integers = empty({4, 4}, DType::int64);
  error_of<ValueError>([&] { nn::init::trunc_normal_(x, 0, 0); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::init::trunc_normal_(x, 0, 1, 2, 2); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::init::trunc_normal_(x, nan, 1); }, ErrorCode::value_out_of_range);
  const std::string what =
      error_of<ValueError>([&] { nn::init::trunc_normal_(x, 0, 1, 50, 60); }, ErrorCode::value_out_of_range);
  EXPECT_NE(what.find("nothing to give"), std::string::npos) << what;
  error_of<ShapeError>([&] { nn::init::orthogonal_(x); }, ErrorCode::rank_unsupported);
  error_of<ValueError>([&] { nn::init::orthogonal_(empty({2, 2}, wide), nan); }, ErrorCode::value_out_of_range);
  error_of<DTypeError>([&] { nn::init::orthogonal_(integers); }, ErrorCode::dtype_unsupported);
  error_of<DTypeError>([&] { nn::init::trunc_normal_(integers); }, ErrorCode::dtype_unsupported);
  Tensor leaf = ones({2, 2}, wide).requires_grad_();
  error_of<AutogradError>([&] { nn::init::orthogonal_(leaf * 2); }, ErrorCode::in_place_recorded);
  nn::init::orthogonal_(leaf);  // a parameter is what they are for
}

}  // namespace
}  // namespace weft::test
