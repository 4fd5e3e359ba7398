#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "tensor/tensor_test.h"

#include <weft/core/philox.h>

namespace weft {
namespace {

using namespace weft::testing;

class Random : public OnEveryBackend {};
WEFT_ON_EVERY_BACKEND(Random);

TEST(Generator, CountsItsDraws) {
  Generator g(7);
  EXPECT_EQ(g.seed(), 7u);
  EXPECT_EQ(g.draw(), 0u);
  EXPECT_EQ(g.next_draw(), 0u);
  EXPECT_EQ(g.next_draw(), 1u);
  EXPECT_EQ(g.draw(), 2u);
  g.manual_seed(8);
  EXPECT_EQ(g.seed(), 8u);
  EXPECT_EQ(g.draw(), 0u);
  g.set_state(3, 9);
  EXPECT_EQ(g.next_draw(), 9u);
}

TEST(Generator, TheDefaultOneIsSeededByManualSeed) {
  manual_seed(5);
  const Floats a = values(rand({4}, serial()));
  EXPECT_EQ(default_generator().draw(), 1u);
  const Floats b = values(rand({4}, serial()));
  manual_seed(5);
  EXPECT_EQ(values(rand({4}, serial())), a);
  EXPECT_NE(a, b);
  manual_seed(0);
}

TEST_P(Random, UniformAndNormalArePhilox) {
  Generator g(42);
  g.set_state(42, 3);
  const Floats u = values(rand({10}, on(), g));
  const Floats n = values(randn({10}, on(), g));
  for (std::uint64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(u[i], philox_uniform_f32(42, 3, i));
    EXPECT_EQ(n[i], philox_normal_f32(42, 4, i));
  }
  const auto wide = rand({5}, on(DType::float64), g).to_vector<double>();
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(wide[i], philox_uniform_f64(42, 5, i));
  EXPECT_EQ(g.draw(), 6u);
}

TEST_P(Random, UniformIsScaled) {
  Generator g(1), same(1);
  const Floats u = values(rand({1000}, on(), same));
  const Floats x = values(uniform({1000}, -2, 3, on(), g));
  for (std::size_t i = 0; i < u.size(); ++i) EXPECT_EQ(x[i], u[i] * 5.0f + -2.0f);
  EXPECT_GE(*std::min_element(x.begin(), x.end()), -2.0f);
  EXPECT_LT(*std::max_element(x.begin(), x.end()), 3.0f);
}

TEST_P(Random, NormalHasMeanZeroAndVarianceOne) {
  Generator g(3);
  const auto x = randn({100000}, on(DType::float64), g).to_vector<double>();
  const double n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double square = 0;
  for (const double v : x) square += (v - mean) * (v - mean);
  EXPECT_LT(std::fabs(mean), 4 / std::sqrt(n));  // four standard errors
  EXPECT_LT(std::fabs(square / n - 1), 4 * std::sqrt(2 / n));
}

TEST_P(Random, RandintDrawsEveryValueAboutEquallyOften) {
  Generator g(11);
  const auto x = randint(-3, 4, {70000}, on(DType::int64), g).to_vector<std::int64_t>();
  std::vector<int> counts(7);
  for (const std::int64_t v : x) {
    ASSERT_GE(v, -3);
    ASSERT_LT(v, 4);
    ++counts[static_cast<std::size_t>(v + 3)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 10000, 5 * 93);  // standard deviation sqrt(10000 * 6 / 7)
  EXPECT_EQ(g.draw(), 1u);
}

TEST_P(Random, RandintIsTheDocumentedFunctionOfTheUniform) {
  Generator g(19);
  const std::int64_t low = -5, high = std::int64_t{1} << 50;
  const auto x = randint(low, high, {64}, on(DType::int64), g).to_vector<std::int64_t>();
  for (std::uint64_t i = 0; i < 64; ++i) {
    const double u = philox_uniform_f64(19, 0, i);
    EXPECT_EQ(x[i], low + static_cast<std::int64_t>(u * static_cast<double>(high - low)));
  }
}

TEST_P(Random, RandintInOtherDTypes) {
  Generator g(2);
  EXPECT_EQ(randint(0, 256, {100}, on(DType::uint8), g).dtype(), DType::uint8);
  EXPECT_EQ(randint(0, 2, {100}, on(DType::boolean), g).dtype(), DType::boolean);
  const Floats f = values(randint(0, 10, {100}, on(), g));
  for (const float v : f) EXPECT_EQ(v, std::trunc(v));
  // the two ends of the widest range
  const std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(randint(lowest, lowest + 1, {}, on(DType::int64), g).item<std::int64_t>(), lowest);
}

TEST_P(Random, RandpermIsAPermutationAndTheSameEverywhere) {
  for (const std::int64_t n : {0, 1, 2, 17, 1000}) {
    Generator g(4), again(4);
    auto p = randperm(n, device(), g).to_vector<std::int64_t>();
    EXPECT_EQ(p, randperm(n, serial(), again).to_vector<std::int64_t>());
    if (n == 1000) {
      std::int64_t fixed = 0;
      for (std::int64_t i = 0; i < n; ++i) fixed += p[static_cast<std::size_t>(i)] == i ? 1 : 0;
      EXPECT_LT(fixed, 10);
    }
    std::sort(p.begin(), p.end());
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(p[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(g.draw(), 1u);
  }
}

TEST(Randperm, EveryOrderIsEquallyLikely) {
  Generator g(6);
  std::vector<int> counts(24);
  constexpr int rounds = 24000;
  for (int i = 0; i < rounds; ++i) {
    const Ints p = randperm(4, serial(), g).to_vector<std::int64_t>();
    std::size_t code = 0;  // the order's number in the factorial system
    for (std::size_t a = 0; a < 4; ++a) {
      std::size_t smaller = 0;
      for (std::size_t b = a + 1; b < 4; ++b) smaller += p[b] < p[a] ? 1 : 0;
      code = code * (4 - a) + smaller;
    }
    ++counts[code];
  }
  double chi = 0;
  for (const int count : counts) chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi, 50);  // 23 degrees of freedom: 49.7 is passed once in a thousand
}

TEST_P(Random, ARefusedCallTakesNoDraw) {
  Generator g(1);
  EXPECT_THROW(rand({-1}, on(), g), ShapeError);
  EXPECT_THROW(rand({2}, on(DType::int64), g), DTypeError);
  EXPECT_THROW(randint(3, 3, {2}, on(DType::int64), g), ValueError);
  EXPECT_THROW(randint(0, 300, {2}, on(DType::uint8), g), ValueError);
  EXPECT_THROW(randint(0, (std::int64_t{1} << 53) + 1, {2}, on(DType::int64), g), ValueError);
  EXPECT_THROW(uniform({2}, 1, 0, on(), g), ValueError);
  EXPECT_THROW(uniform({2}, 0, INFINITY, on(), g), ValueError);
  EXPECT_THROW(uniform({2}, std::nan(""), 1, on(), g), ValueError);
  EXPECT_THROW(randperm(-1, device(), g), ShapeError);
  EXPECT_EQ(g.draw(), 0u);
}

TEST_P(Random, DropoutKeepsWhatTheUniformSays) {
  const Tensor x = full({1000}, 3.0, on());
  const backends::RandomKey key{17, 5, nullptr};
  const Floats y = values(ops::dropout(x, 0.25, key, "dropout", here));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const float expected = philox_uniform_f32(17, 5, i) >= 0.25f ? 4.0f : 0.0f;
    EXPECT_FLOAT_EQ(y[i], expected) << i;
  }
  EXPECT_EQ(values(ops::dropout(x, 0, key, "dropout", here)), values(x));
  EXPECT_EQ(values(ops::dropout(x, 1, key, "dropout", here)), Floats(1000, 0.0f));
  EXPECT_EQ(ops::dropout(zeros({0}, on()), 0.5, key, "dropout", here).numel(), 0);
}

}  // namespace
}  // namespace weft
