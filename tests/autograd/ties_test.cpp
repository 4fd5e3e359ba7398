// Where a derivative is a matter of choice, the documented one.

#include <cmath>
#include <limits>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

Values gradient_of(const std::function<Tensor(const Tensor&)>& f, std::initializer_list<double> at) {
  Tensor x = leaf_of(at);
  f(x).sum().backward();
  return values(x.grad());
}

TEST(Ties, AbsSignReluAtZero) {
  EXPECT_EQ(gradient_of([](const Tensor& x) { return abs(x); }, {-2, 0, 3}), (Values{-1, 0, 1}));
  EXPECT_EQ(gradient_of([](const Tensor& x) { return sign(x); }, {-2, 0, 3}), (Values{0, 0, 0}));
  EXPECT_EQ(gradient_of([](const Tensor& x) { return relu(x); }, {-2, 0, 3}), (Values{0, 0, 1}));
}

TEST(Ties, MaximumAndMinimumHalve) {
  Tensor a = leaf_of({1, 2, 3}), b = leaf_of({1, 5, 0});
  maximum(a, b).sum().backward();
  EXPECT_EQ(values(a.grad()), (Values{0.5, 0, 1}));
  EXPECT_EQ(values(b.grad()), (Values{0.5, 1, 0}));
  a.zero_grad(), b.zero_grad();
  minimum(a, b).sum().backward();
  EXPECT_EQ(values(a.grad()), (Values{0.5, 1, 0}));
  EXPECT_EQ(values(b.grad()), (Values{0.5, 0, 1}));
  EXPECT_EQ(gradient_of([](const Tensor& x) { return maximum(x, 0); }, {-1, 0, 1}), (Values{0, 0.5, 1}));
}

TEST(Ties, ExtremesShareEqually) {
  EXPECT_EQ(gradient_of([](const Tensor& x) { return max(x); }, {4, 1, 4, 4, 0}),
            (Values{1.0 / 3, 0, 1.0 / 3, 1.0 / 3, 0}));
  EXPECT_EQ(gradient_of([](const Tensor& x) { return min(x); }, {4, 1, 4, 1}), (Values{0, 0.5, 0, 0.5}));
}

TEST(Ties, NotANumberInMaximumSendsTheGradientToBoth) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Tensor a = leaf_of({nan, 1}), b = leaf_of({2, nan});
  maximum(a, b).sum().backward();
  EXPECT_EQ(values(a.grad()), (Values{1, 1}));
  EXPECT_EQ(values(b.grad()), (Values{1, 1}));
}

TEST(Ties, MeanOfNothing) {
  Tensor x = leaf({0});
  const Tensor y = mean(x);
  EXPECT_TRUE(std::isnan(y.item<double>()));
  EXPECT_NO_THROW(y.backward());
  EXPECT_EQ(x.grad().shape(), Shape{0});
}

TEST(Ties, MeanOfManyHalvesStaysInRange) {
  const Tensor x = full({70000}, 3.0, {serial(), DType::float16});
  EXPECT_EQ(mean(x).item(), 3.0);
}

}  // namespace
