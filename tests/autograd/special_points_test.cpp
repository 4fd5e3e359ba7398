// Values and gradients where formulas like to break: zeros in a product, rows of -infinity, tails, kinks and ignored
// labels. The ordinary points are the op-case table's.

#include <cmath>
#include <limits>

#include <weft/autograd/gradcheck.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Values gradient_of(const Tensor& x, const std::function<Tensor(const Tensor&)>& f) {
  Tensor leaf = x.detach().clone().requires_grad_();
  sum(f(leaf)).backward();
  return values(leaf.grad());
}

TEST(Prod, GradientIsRightAtZeros) {
  const auto product = [](const Tensor& x) { return prod(x); };
  EXPECT_EQ(gradient_of(tensor({2, 3, 5}, f64()), product), (Values{15, 10, 6}));
  EXPECT_EQ(gradient_of(tensor({2, 0, 5}, f64()), product), (Values{0, 10, 0}));
  EXPECT_EQ(gradient_of(tensor({0, 3, 0}, f64()), product), (Values{0, 0, 0}));
  EXPECT_EQ(gradient_of(tensor({7}, f64()), product), (Values{1}));
  EXPECT_EQ(gradient_of(zeros({0}, f64()), product), (Values{}));
  EXPECT_EQ(gradient_of(zeros({0, 2}, f64()), product), (Values{}));
}

TEST(Prod, SecondGradientIsRightAtZerosAlongAnyAxes) {
  for (const Axes& axes : {Axes{}, Axes{0}, Axes{1}, Axes{2, 0}}) {
    const Tensor x = tensor({2, 0, 5, 0, 0, 3, 1.5, -2, 0.5, 4, 0, 0}, f64()).reshape({2, 3, 2}).requires_grad_();
    const auto f = [&](const std::vector<Tensor>& in) { return prod(in[0], axes, true); };
    const GradcheckResult first = gradcheck(f, {x}), second = gradgradcheck(f, {x});
    EXPECT_TRUE(first.ok) << first.message;
    EXPECT_TRUE(second.ok) << second.message;
  }
}

TEST(Std, GradientIsZeroWhereNothingDeviates) {
  EXPECT_EQ(gradient_of(tensor({3, 3, 3}, f64()), [](const Tensor& x) { return weft::std(x); }), (Values{0, 0, 0}));
}

TEST(Var, IsStableFarFromZeroAndNanWithoutFreedom) {
  const Tensor x = tensor({1e8 + 1, 1e8 + 2, 1e8 + 3}, f64());
  EXPECT_EQ(var(x).item(), 1);
  EXPECT_EQ(var(x, {}, 0).item(), 2.0 / 3);
  EXPECT_TRUE(std::isnan(var(x, {}, 3).item()));
  EXPECT_TRUE(std::isnan(var(x, {}, 4).item()));
  EXPECT_TRUE(std::isnan(weft::std(tensor({1}, f64())).item()));
  EXPECT_TRUE(std::isnan(var(zeros({0}, f64()), {}, 0).item()));
}

TEST(Norm, HasTheValuesAndGradientsOfItsDefinitionAtZero) {
  const Tensor x = tensor({3, 0, -4}, f64());
  EXPECT_EQ(norm(x).item(), 5);
  EXPECT_EQ(norm(x, 1).item(), 7);
  EXPECT_EQ(norm(x, inf).item(), 4);
  EXPECT_EQ(norm(x, -inf).item(), 0);
  EXPECT_EQ(norm(x, 0).item(), 2);
  EXPECT_DOUBLE_EQ(norm(x, 3).item(), std::cbrt(91.0));
  for (const double p : {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, inf}) {
    EXPECT_EQ(gradient_of(zeros({3}, f64()), [p](const Tensor& t) { return norm(t, p); }), (Values{0, 0, 0})) << p;
  }
  EXPECT_EQ(gradient_of(x, [](const Tensor& t) { return norm(t, inf); }), (Values{0, 0, -1}));
  EXPECT_EQ(gradient_of(x, [](const Tensor& t) { return norm(t); }), (Values{0.6, 0, -0.8}));
}

TEST(Logsumexp, NeitherOverflowsNorTurnsEmptyRowsToNan) {
  const Tensor x = tensor({1000, 1000, -inf, -inf, -inf, 5, inf, 1}, f64()).reshape({4, 2});
  EXPECT_EQ(values(logsumexp(x, 1)), (Values{1000 + std::log(2.0), -inf, 5, inf}));
  const Values d = gradient_of(x.narrow(0, 0, 3), [](const Tensor& t) { return logsumexp(t, 1); });
  const Values expected = {0.5, 0.5, 0, 0, 0, 1};
  for (std::size_t i = 0; i < d.size(); ++i) EXPECT_NEAR(d[i], expected[i], 1e-12) << i;  // 1000 takes ten bits
  EXPECT_EQ(logsumexp(zeros({0}, f64())).item(), -inf);
}

TEST(Activations, TakeTheirLimitsAtInfinity) {
  const Tensor ends = tensor({-inf, inf, nan}, f64());
  for (const Device device : {serial(), cpu()}) {
    for (const DType dtype : {DType::float64, DType::float32, DType::float16}) {
      const Tensor x = ends.to(device).to(dtype);
      const auto at_ends = [&](const Tensor& y) { return values(y.to(serial()).to(DType::float64)); };
      const auto expect = [&](const Tensor& y, double low, double high) {
        const Values got = at_ends(y);
        EXPECT_EQ(got[0], low);
        EXPECT_EQ(got[1], high);
        EXPECT_TRUE(std::isnan(got[2]));
      };
      expect(gelu(x), 0, inf);
      expect(gelu(x, Approximate::tanh), 0, inf);
      expect(silu(x), 0, inf);
      expect(softplus(x), 0, inf);
      expect(elu(x), -1, inf);
      expect(erf(x), -1, 1);
      expect(expm1(x), -1, inf);
      for (const auto& f : std::vector<std::function<Tensor(const Tensor&)>>{
               [](const Tensor& t) { return gelu(t); }, [](const Tensor& t) { return gelu(t, Approximate::tanh); },
               [](const Tensor& t) { return silu(t); }}) {
        Tensor leaf = x.clone().requires_grad_();
        f(leaf).backward(ones_like(leaf));
        expect(leaf.grad(), 0, 1);
      }
    }
  }
}

TEST(Pow, HasTheGradientsOfItsDefinitionAtZero) {
  const auto power = [](double n) { return [n](const Tensor& x) { return pow(x, n); }; };
  EXPECT_EQ(gradient_of(tensor({0, -2}, f64()), power(0)), (Values{0, 0}));
  EXPECT_EQ(gradient_of(tensor({0, -2}, f64()), power(1)), (Values{1, 1}));
  EXPECT_EQ(gradient_of(tensor({0, -2}, f64()), power(2)), (Values{0, -4}));
  EXPECT_EQ(gradient_of(tensor({0, -2}, f64()), power(3)), (Values{0, 12}));
  const Tensor base = tensor({0, 0, 2}, f64());
  EXPECT_EQ(gradient_of(tensor({0, 2, 0}, f64()), [&](const Tensor& n) { return pow(base, n); }),
            (Values{0, 0, std::log(2.0)}));
  EXPECT_EQ(gradient_of(tensor({0, 2}, f64()), [](const Tensor& n) { return pow(0, n); }), (Values{0, 0}));
  EXPECT_EQ(gradient_of(base, [](const Tensor& x) { return pow(x, tensor({0, 1, 2}, f64())); }), (Values{0, 1, 4}));
}

TEST(Clamp, PassesTheGradientOnAtItsBounds) {
  EXPECT_EQ(gradient_of(tensor({-2, -1, 0, 1, 2}, f64()), [](const Tensor& x) { return clamp(x, -1, 1); }),
            (Values{0, 1, 1, 1, 0}));
  EXPECT_TRUE(std::isnan(clamp(tensor({nan}, f64()), 0, 1).item()));
}

TEST(Lerp, IsExactAtBothEnds) {
  const Tensor a = tensor({0.1, 1e16}, f64()), b = tensor({0.7, 1}, f64());
  EXPECT_EQ(values(lerp(a, b, 0)), values(a));
  EXPECT_EQ(values(lerp(a, b, 1)), values(b));
  EXPECT_EQ(values(lerp(a, b, tensor({1, 0}, f64()))), (Values{0.7, 1e16}));
}

TEST(Finite, TellsTheKindsOfNumbersApart) {
  const Tensor x = tensor({1, inf, -inf, nan}, f64());
  EXPECT_EQ(isnan(x).to_vector<bool>(), (std::vector<bool>{false, false, false, true}));
  EXPECT_EQ(isinf(x).to_vector<bool>(), (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(isfinite(x).to_vector<bool>(), (std::vector<bool>{true, false, false, false}));
}

TEST(TopK, SendsTheGradientToTheChosen) {
  const Tensor x = tensor({1, 4, 2, 3, 9, 8}, f64()).reshape({2, 3});
  const TopK found = topk(x, 2);
  EXPECT_EQ(values(found.values), (Values{4, 2, 9, 8}));
  EXPECT_EQ(found.indices.to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, 2, 1, 2}));
  EXPECT_EQ(gradient_of(x,
                        [](const Tensor& t) {
                          return topk(t, 2).values * tensor({10, 1}, f64());
                        }),
            (Values{0, 10, 1, 0, 10, 1}));
}

TEST(Argmax, CountsOverAllElementsWithoutAnAxis) {
  const Tensor x = tensor({1, 4, 2, 9, 3, 8}, f64()).reshape({2, 3});
  EXPECT_EQ(argmax(x).item<std::int64_t>(), 3);
  EXPECT_EQ(argmax(x.transpose(0, 1)).item<std::int64_t>(), 1);
  EXPECT_EQ(argmin(x, {}, true).shape(), (Shape{1, 1}));
}

TEST(CrossEntropy, DividesByTheWeightsOfTheRowsKept) {
  const Tensor logits = zeros({3, 2}, f64());
  const Tensor labels = from_vector<std::int64_t>({0, -100, 1}, {3}, serial());
  const double row = std::log(2.0);
  EXPECT_DOUBLE_EQ(cross_entropy(logits, labels).item(), row);
  EXPECT_DOUBLE_EQ(cross_entropy(logits, labels, Reduction::sum).item(), 2 * row);
  CrossEntropyOptions options;
  options.weight = tensor({3, 1}, f64());
  options.reduction = Reduction::sum;
  EXPECT_DOUBLE_EQ(cross_entropy(logits, labels, options).item(), 4 * row);
  options.reduction = Reduction::mean;
  EXPECT_DOUBLE_EQ(cross_entropy(logits, labels, options).item(), row);
  const Tensor ignored = from_vector<std::int64_t>({-100, -100, -100}, {3}, serial());
  EXPECT_TRUE(std::isnan(cross_entropy(logits, ignored).item()));
  EXPECT_TRUE(std::isnan(nll_loss(logits, ignored).item()));
  EXPECT_EQ(cross_entropy(logits, ignored, Reduction::sum).item(), 0);
}

TEST(NllLoss, IgnoredRowsMayHoldAnything) {
  const Tensor x = tensor({-inf, nan, 0, -1}, f64()).reshape({2, 2});
  const Tensor labels = from_vector<std::int64_t>({-100, 1}, {2}, serial());
  EXPECT_EQ(nll_loss(x, labels).item(), 1);
  EXPECT_EQ(gradient_of(x, [&](const Tensor& t) { return nll_loss(t, labels); }), (Values{0, 0, 0, -1}));
}

TEST(BceWithLogits, NeitherOverflowsNorCancels) {
  const Tensor x = tensor({1000, -1000, 50}, f64()), y = tensor({0, 1, 1}, f64());
  const Values loss = values(bce_with_logits(x, y, Reduction::none));
  EXPECT_EQ(loss[0], 1000);
  EXPECT_EQ(loss[1], 1000);
  EXPECT_DOUBLE_EQ(loss[2], std::exp(-50.0));
}

}  // namespace
