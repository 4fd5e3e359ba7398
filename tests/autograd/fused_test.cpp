// A plain backward may run a fused formula, a recorded one runs the composed formula of the same node: both must agree.

#include <algorithm>
#include <cmath>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

struct Fused {
  std::string name;
  std::function<Tensor(const std::vector<Tensor>&)> fn;
  std::vector<Shape> shapes;  // of the float inputs
};

std::ostream& operator<<(std::ostream& out, const Fused& f) { return out << f.name; }

Tensor labels(std::int64_t batch, std::int64_t classes) {
  Generator generator(3);
  return randint(0, classes, {batch}, {serial(), DType::int64}, generator);
}

Tensor with_options(const Tensor& logits, Reduction reduction) {
  CrossEntropyOptions options;
  options.weight = tensor({0.5, 2, 1, 3}, f64()).to(logits.dtype());
  options.ignore_index = 1;
  options.label_smoothing = 0.3;
  options.reduction = reduction;
  return cross_entropy(logits, labels(6, 4), options);
}

std::vector<Fused> all() {
  using In = std::vector<Tensor>;
  return {
      {"relu", [](const In& in) { return relu(in[0]); }, {{5, 7}}},
      {"tanh", [](const In& in) { return tanh(in[0]); }, {{5, 7}}},
      {"sigmoid", [](const In& in) { return sigmoid(in[0]); }, {{5, 7}}},
      {"gelu", [](const In& in) { return gelu(in[0]); }, {{5, 7}}},
      {"gelu_tanh", [](const In& in) { return gelu(in[0], Approximate::tanh); }, {{5, 7}}},
      {"silu", [](const In& in) { return silu(in[0]); }, {{5, 7}}},
      {"softmax", [](const In& in) { return softmax(in[0], 1); }, {{5, 7}}},
      {"softmax_first_axis", [](const In& in) { return softmax(in[0], 0); }, {{5, 7}}},
      {"log_softmax", [](const In& in) { return log_softmax(in[0], -1); }, {{5, 7}}},
      {"log_softmax_middle", [](const In& in) { return log_softmax(in[0], 1); }, {{3, 5, 2}}},
      {"linear", [](const In& in) { return linear(in[0], in[1], in[2]); }, {{6, 4}, {3, 4}, {3}}},
      {"linear_no_bias", [](const In& in) { return linear(in[0], in[1]); }, {{6, 4}, {3, 4}}},
      {"linear_batch", [](const In& in) { return linear(in[0], in[1], in[2]); }, {{2, 3, 4}, {3, 4}, {3}}},
      {"linear_row", [](const In& in) { return linear(in[0], in[1], in[2]); }, {{4}, {3, 4}, {3}}},
      {"linear_no_rows", [](const In& in) { return linear(in[0], in[1], in[2]); }, {{0, 4}, {3, 4}, {3}}},
      {"layer_norm", [](const In& in) { return layer_norm(in[0], {4}, in[1], in[2]); }, {{6, 4}, {4}, {4}}},
      {"layer_norm_two_axes",
       [](const In& in) {
         return layer_norm(in[0], {3, 4});
       },
       {{5, 3, 4}}},
      {"batch_norm", [](const In& in) { return batch_norm(in[0], {}, {}, in[1], in[2], true); }, {{6, 4}, {4}, {4}}},
      {"batch_norm_image",
       [](const In& in) { return batch_norm(in[0], {}, {}, in[1], in[2], true); },
       {{3, 2, 4, 5}, {2}, {2}}},
      {"batch_norm_plain", [](const In& in) { return batch_norm(in[0], {}, {}, {}, {}, true); }, {{3, 2, 9}}},
      {"group_norm", [](const In& in) { return group_norm(in[0], 2, in[1], in[2]); }, {{3, 4, 5}, {4}, {4}}},
      {"cross_entropy_mean", [](const In& in) { return cross_entropy(in[0], labels(6, 4)); }, {{6, 4}}},
      {"cross_entropy_sum", [](const In& in) { return cross_entropy(in[0], labels(6, 4), Reduction::sum); }, {{6, 4}}},
      {"cross_entropy_options", [](const In& in) { return with_options(in[0], Reduction::mean); }, {{6, 4}}},
      {"cross_entropy_options_none", [](const In& in) { return with_options(in[0], Reduction::none); }, {{6, 4}}},
      {"cross_entropy_none",
       [](const In& in) { return cross_entropy(in[0], labels(6, 4), Reduction::none); },
       {{6, 4}}},
  };
}

class FusedFormulas : public ::testing::TestWithParam<Fused> {};

TEST_P(FusedFormulas, AgreeWithTheComposedOnes) {
  for (const DType dtype : {DType::float64, DType::float32}) {
    std::vector<Tensor> in;
    for (std::size_t i = 0; i < GetParam().shapes.size(); ++i) {
      in.push_back(normal(GetParam().shapes[i], 10 + i).to(dtype).requires_grad_());
    }
    const Tensor y = GetParam().fn(in);
    const Tensor dy = normal(y.shape(), 99).to(dtype);
    const std::vector<Tensor> fused = grad(std::span(&y, 1), in, std::span(&dy, 1), true, false);
    const std::vector<Tensor> composed = grad(std::span(&y, 1), in, std::span(&dy, 1), true, true);
    for (std::size_t i = 0; i < in.size(); ++i) {
      EXPECT_FALSE(fused[i].requires_grad());
      const Values a = values(fused[i].to(DType::float64)), b = values(composed[i].detach().to(DType::float64));
      ASSERT_EQ(a.size(), b.size());
      double scale = 1e-30, distance = 0;
      for (std::size_t k = 0; k < a.size(); ++k) {
        scale = std::max(scale, std::abs(b[k]));
        distance = std::max(distance, std::abs(a[k] - b[k]));
      }
      EXPECT_LE(distance / scale, dtype == DType::float64 ? 1e-14 : 1e-6) << "input " << i << ' ' << name(dtype);
    }
  }
}

// Asking for fewer gradients changes none of those that are left.
TEST_P(FusedFormulas, GiveTheSameWhenFewerAreWanted) {
  std::vector<Tensor> in;
  for (std::size_t i = 0; i < GetParam().shapes.size(); ++i) in.push_back(leaf(GetParam().shapes[i], 10 + i));
  const Tensor y = GetParam().fn(in);
  const Tensor dy = normal(y.shape(), 99);
  const std::vector<Tensor> together = grad(std::span(&y, 1), in, std::span(&dy, 1), true);
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::vector<Tensor> alone = grad(std::span(&y, 1), std::span(&in[i], 1), std::span(&dy, 1), true);
    EXPECT_EQ(values(alone[0]), values(together[i])) << "input " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, FusedFormulas, ::testing::ValuesIn(all()),
                         [](const ::testing::TestParamInfo<Fused>& row) { return row.param.name; });

TEST(Dropout, BackwardDrawsTheSameMask) {
  Generator generator(5);
  Tensor x = ones({1000}, f64()).requires_grad_();
  const Tensor y = dropout(x, 0.3, true, generator);
  EXPECT_EQ(generator.draw(), 1u);
  y.sum().backward();
  EXPECT_EQ(generator.draw(), 1u);
  EXPECT_EQ(values(x.grad()), values(y));
  const Values v = values(y);
  const auto dropped = std::count(v.begin(), v.end(), 0.0);
  EXPECT_NEAR(static_cast<double>(dropped), 300, 60);
  EXPECT_DOUBLE_EQ(*std::max_element(v.begin(), v.end()), 1 / 0.7);
}

TEST(Dropout, OneDrawPerCallAndNoneWhenRefused) {
  Generator generator(5);
  const Tensor x = ones({100}, f64());
  const Tensor first = dropout(x, 0.5, true, generator);
  const Tensor second = dropout(x, 0.5, true, generator);
  EXPECT_NE(values(first), values(second));
  EXPECT_THROW(dropout(x, 1.5, true, generator), ValueError);
  EXPECT_THROW(dropout(x, std::nan(""), true, generator), ValueError);
  EXPECT_TRUE(dropout(x, 0.5, false, generator).is_same(x));
  EXPECT_EQ(generator.draw(), 2u);
}

TEST(CrossEntropy, ReductionsAgree) {
  Tensor x = leaf({4, 3});
  const Tensor target = labels(4, 3);
  const Values rows = values(cross_entropy(x, target, Reduction::none));
  double total = 0;
  for (double loss : rows) total += loss;
  EXPECT_NEAR(cross_entropy(x, target, Reduction::sum).item<double>(), total, 1e-12);
  EXPECT_NEAR(cross_entropy(x, target).item<double>(), total / 4, 1e-12);
}

TEST(CrossEntropy, IsMinusTheLogOfTheSoftmaxAtTheLabel) {
  Tensor x = leaf({4, 3});
  const Tensor target = labels(4, 3);
  const Values log_p = values(log_softmax(x, 1)), rows = values(cross_entropy(x, target, Reduction::none));
  const std::vector<std::int64_t> at = target.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(rows[i], -log_p[i * 3 + static_cast<std::size_t>(at[i])], 1e-14);
}

TEST(CrossEntropy, RefusesABatchOfNothing) {
  expect_error<ValueError>([] { cross_entropy(leaf({0, 3}), labels(0, 3)); }, ErrorCode::value_invalid, {"samples"});
}

}  // namespace
