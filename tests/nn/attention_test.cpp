#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/nn/attention.h>
#include <weft/nn/init.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

using Doubles = std::vector<double>;

Doubles values(const Tensor& x) { return x.detach().contiguous().to_vector<double>(); }

void expect_near(const Tensor& a, const Tensor& b, double limit = 1e-12) {
  ASSERT_EQ(a.shape(), b.shape());
  const Doubles x = values(a), y = values(b);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], limit) << "element " << i;
}

// ---- the function

TEST(Attention, FollowsItsFormulaInPlainLoops) {
  manual_seed(1);
  const Tensor q = randn({3, 4}, DType::float64), k = randn({5, 4}, DType::float64), v = randn({5, 2}, DType::float64);
  const Doubles a = values(q), b = values(k), c = values(v);
  Doubles want;
  for (std::size_t i = 0; i < 3; ++i) {
    Doubles weight(5);
    double total = 0;
    for (std::size_t j = 0; j < 5; ++j) {
      double dot = 0;
      for (std::size_t e = 0; e < 4; ++e) dot += a[i * 4 + e] * b[j * 4 + e];
      total += weight[j] = j <= i ? std::exp(dot / 2) : 0;
    }
    for (std::size_t e = 0; e < 2; ++e) {
      double sum = 0;
      for (std::size_t j = 0; j < 5; ++j) sum += weight[j] / total * c[j * 2 + e];
      want.push_back(sum);
    }
  }
  expect_near(scaled_dot_product_attention(q, k, v, {}, 0, true), from_vector<double>(want, {3, 2}));
}

TEST(Attention, AQueryThatMayLookAtNothingGivesZerosAndZeroGradients) {
  for (const DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16}) {
    for (const bool floating : {false, true}) {
      manual_seed(2);
      Tensor q = randn({2, 3}, dtype).requires_grad_(), k = randn({4, 3}, dtype).requires_grad_();
      Tensor v = randn({4, 2}, dtype).requires_grad_();
      Tensor mask = from_vector<bool>({false, false, false, false, true, true, false, true}, {2, 4});
      if (floating) mask = where(mask, 0.0, -std::numeric_limits<double>::infinity()).to(dtype);
      const Tensor y = scaled_dot_product_attention(q, k, v, mask);
      y.backward(ones({2, 2}, dtype));
      const auto doubles = [](const Tensor& x) { return x.detach().to(DType::float64).to_vector<double>(); };
      EXPECT_EQ(doubles(y.select(0, 0)), (Doubles{0, 0}));
      EXPECT_EQ(doubles(q.grad().select(0, 0)), (Doubles{0, 0, 0}));
      EXPECT_EQ(doubles(k.grad().select(0, 2)), (Doubles{0, 0, 0}));  // nobody looks at it
      EXPECT_EQ(doubles(v.grad().select(0, 2)), (Doubles{0, 0}));
      for (const Tensor& g : {q.grad(), k.grad(), v.grad()}) {
        for (const double value : doubles(g)) EXPECT_TRUE(std::isfinite(value));
      }
    }
  }
}

TEST(Attention, TheWeightsOfNoKeysSumToNothing) {
  const Tensor y = scaled_dot_product_attention(rand({2, 3}), rand({0, 3}), rand({0, 4}));
  EXPECT_EQ(y.to_vector<float>(), std::vector<float>(8, 0.0f));
}

// ---- the module

TEST(MultiheadAttention, HasPyTorchsNamesShapesAndInitialValues) {
  manual_seed(4);
  const nn::MultiheadAttention layer(64, 4);
  std::vector<std::string> names;
  for (const auto& entry : layer.state_dict()) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string>{"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"}));
  EXPECT_EQ(layer.in_proj_weight.shape(), (Shape{192, 64}));
  EXPECT_EQ(layer.in_proj_bias.to_vector<float>(), std::vector<float>(192, 0.0f));
  EXPECT_EQ(layer.out_proj->bias.to_vector<float>(), std::vector<float>(64, 0.0f));
  float largest = 0;
  for (const float w : layer.in_proj_weight.to_vector<float>()) largest = std::max(largest, std::abs(w));
  const double bound = std::sqrt(6.0 / (192 + 64));
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.99 * bound);
  EXPECT_EQ(nn::MultiheadAttention(8, 2, 0, false).state_dict().size(), 2u);
}

TEST(MultiheadAttention, AgreesBetweenLayoutsAndWithOneSample) {
  manual_seed(5);
  nn::MultiheadAttention first(8, 2, 0, true, true, DType::float64), second(8, 2, 0, true, false, DType::float64);
  second.load_state_dict(first.state_dict());
  const Tensor x = randn({3, 5, 8}, DType::float64), memory = randn({3, 4, 8}, DType::float64);
  const Tensor y = first(x);
  EXPECT_EQ(y.shape(), x.shape());
  expect_near(second(x.transpose(0, 1)).transpose(0, 1), y);
  expect_near(first(x.select(0, 1)), y.select(0, 1));
  const Tensor cross = first.forward(x, memory, memory);
  EXPECT_EQ(cross.shape(), x.shape());
  const Tensor turned = memory.transpose(0, 1);
  expect_near(second.forward(x.transpose(0, 1), turned, turned).transpose(0, 1), cross);
  // self-attention in one product is the same as in three
  expect_near(first.forward(x, x.clone(), x.clone()), y);
}

TEST(MultiheadAttention, LeavesOutWhatTheMasksSay) {
  manual_seed(6);
  nn::MultiheadAttention layer(8, 2, 0, true, true, DType::float64);
  const Tensor x = randn({2, 4, 8}, DType::float64);
  // Padded keys are not there.
  nn::AttentionMasks masks;
  masks.key_padding_mask = from_vector<bool>({false, false, false, true, false, false, true, true}, {2, 4});
  const Tensor y = layer.forward(x, x, x, masks);
  expect_near(y.select(0, 0),
              layer.forward(x.select(0, 0), x.select(0, 0).narrow(0, 0, 3), x.select(0, 0).narrow(0, 0, 3)));
  expect_near(y.select(0, 1),
              layer.forward(x.select(0, 1), x.select(0, 1).narrow(0, 0, 2), x.select(0, 1).narrow(0, 0, 2)));
  // Causality: a prefix does not know what follows it. With and without a mask that says the same.
  nn::AttentionMasks causal;
  causal.is_causal = true;
  const Tensor all = layer.forward(x, x, x, causal);
  const Tensor prefix = x.narrow(1, 0, 2);
  expect_near(layer.forward(prefix, prefix, prefix, causal), all.narrow(1, 0, 2));
  nn::AttentionMasks by_mask;
  by_mask.attn_mask = ones({4, 4}).triu(1) > 0;
  expect_near(layer.forward(x, x, x, by_mask), all);
  // Everything left out: out_proj's bias, no NaN.
  nn::AttentionMasks none;
  none.key_padding_mask = ones({2, 4}, DType::boolean);
  nn::init::uniform_(layer.out_proj->bias);
  expect_near(layer.forward(x, x, x, none), layer.out_proj->bias.detach().expand({2, 4, 8}));
}

TEST(MultiheadAttention, ClonesWithoutDrawing) {
  Generator generator(9);
  nn::MultiheadAttention layer(8, 2, 0.5, true, true, DType::float64, generator);
  const std::uint64_t draws = generator.draw();
  const nn::Ptr<nn::MultiheadAttention> copy = nn::clone(layer);
  EXPECT_EQ(generator.draw(), draws);
  EXPECT_EQ(copy->describe(), layer.describe());
  const Tensor x = rand({2, 4, 8}, DType::float64);
  layer.eval();
  copy->eval();
  EXPECT_EQ(values(copy(x)), values(layer(x)));
}

TEST(MultiheadAttention, DropsWeightsWhileTraining) {
  Generator generator(9);
  nn::MultiheadAttention layer(8, 2, 0.5, true, true, {}, generator);
  const std::uint64_t draws = generator.draw();
  const Tensor x = rand({2, 4, 8});
  EXPECT_NE(layer(x).to_vector<float>(), layer(x).to_vector<float>());
  EXPECT_EQ(generator.draw(), draws + 2);
  layer.eval();
  EXPECT_EQ(layer(x).to_vector<float>(), layer(x).to_vector<float>());
  EXPECT_EQ(generator.draw(), draws + 2);
}

}  // namespace
}  // namespace weft::test
