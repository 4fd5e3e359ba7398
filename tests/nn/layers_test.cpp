#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <weft/autograd/anomaly.h>
#include <weft/autograd/functions.h>
#include <weft/nn/activations.h>
#include <weft/nn/dropout.h>
#include <weft/nn/flatten.h>
#include <weft/nn/init.h>
#include <weft/nn/linear.h>
#include <weft/nn/loss.h>
#include <weft/nn/sequential.h>
#include <weft/tensor/profiler.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

struct Statistics {
  double mean = 0, deviation = 0, low = 0, high = 0;
};

Statistics statistics(const Tensor& tensor) {
  const std::vector<double> values = tensor.to(DType::float64).to_vector<double>();
  Statistics s;
  const double n = static_cast<double>(values.size());
  s.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  for (double v : values) s.deviation += (v - s.mean) * (v - s.mean);
  s.deviation = std::sqrt(s.deviation / n);
  s.low = *std::min_element(values.begin(), values.end());
  s.high = *std::max_element(values.begin(), values.end());
  return s;
}

/// Uniform in (-bound, bound), to about five standard errors of n draws.
void expect_uniform(const Tensor& tensor, double bound) {
  const Statistics s = statistics(tensor);
  const double n = static_cast<double>(tensor.numel());
  EXPECT_GE(s.low, -bound);
  EXPECT_LE(s.high, bound);
  EXPECT_LT(s.low, -bound * (1 - 20 / n));
  EXPECT_GT(s.high, bound * (1 - 20 / n));
  EXPECT_NEAR(s.mean, 0, 5 * bound / std::sqrt(3 * n));
  EXPECT_NEAR(s.deviation, bound / std::sqrt(3.0), 3 * bound / std::sqrt(n));
}

TEST(Linear, HasPyTorchsLayoutAndInitialisation) {
  manual_seed(7);
  const nn::Linear layer(784, 512);
  EXPECT_EQ(layer.weight.shape(), (Shape{512, 784}));
  EXPECT_EQ(layer.bias.shape(), (Shape{512}));
  expect_uniform(layer.weight, 1 / std::sqrt(784.0));
  expect_uniform(layer.bias, 1 / std::sqrt(784.0));
  EXPECT_EQ(default_generator().draw(), 2u);

  // The seed decides; the order is weight, then bias; another dtype draws the same distribution.
  manual_seed(7);
  EXPECT_TRUE(same_bytes(nn::Linear(784, 512).bias, layer.bias));
  Generator generator(11);
  const nn::Linear wide(100, 300, true, {serial(), DType::float64}, generator);
  expect_uniform(wide.weight, 0.1);
  EXPECT_EQ(wide.weight.device(), serial());
  EXPECT_EQ(generator.draw(), 2u);
}

TEST(Linear, ComputesXTimesWTransposedPlusB) {
  nn::Linear layer(2, 3, true, {serial(), DType::float64});
  layer.load_state_dict({{"weight", from_vector<double>({1, 2, 3, 4, 5, 6}, {3, 2}, serial())},
                         {"bias", from_vector<double>({10, 20, 30}, {3}, serial())}});
  const Tensor x = from_vector<double>({1, -1, 0.5, 2}, {2, 2}, serial());
  EXPECT_EQ(layer(x).to_vector<double>(), (std::vector<double>{9, 19, 29, 14.5, 29.5, 44.5}));
  EXPECT_EQ(layer(x.reshape({1, 2, 2})).shape(), (Shape{1, 2, 3}));
  EXPECT_EQ(layer.describe(), "Linear(2, 3)");
}

TEST(Linear, RefusesExtentsBelowOneAndIntegers) {
  const std::string what = error_of<ValueError>([] { nn::Linear(0, 3); }, ErrorCode::value_out_of_range);
  EXPECT_EQ(what.rfind("[Linear] in = 0, out = 3", 0), 0u) << what;
  error_of<ValueError>([] { nn::Linear(3, -1); }, ErrorCode::value_out_of_range);
  error_of<DTypeError>([] { nn::Linear(3, 1, true, DType::int64); }, ErrorCode::dtype_unsupported);
  error_of<ShapeError>([] { nn::Linear(std::int64_t{1} << 40, std::int64_t{1} << 40); }, ErrorCode::shape_overflow);
}

TEST(Activations, AreTheFunctions) {
  const Tensor x = tensor({-2, -0.5, 0, 0.5, 2});
  EXPECT_TRUE(same_bytes(nn::ReLU()(x), relu(x)));
  EXPECT_TRUE(same_bytes(nn::Tanh()(x), tanh(x)));
  EXPECT_TRUE(same_bytes(nn::Sigmoid()(x), sigmoid(x)));
  EXPECT_TRUE(same_bytes(nn::LeakyReLU(0.2)(x), leaky_relu(x, 0.2)));
  EXPECT_TRUE(same_bytes(nn::ELU(0.5)(x), elu(x, 0.5)));
  EXPECT_TRUE(same_bytes(nn::GELU()(x), gelu(x)));
  EXPECT_TRUE(same_bytes(nn::GELU(Approximate::tanh)(x), gelu(x, Approximate::tanh)));
  EXPECT_TRUE(same_bytes(nn::SiLU()(x), silu(x)));
  EXPECT_TRUE(same_bytes(nn::Softplus(2, 3)(x), softplus(x, 2, 3)));
  EXPECT_TRUE(same_bytes(nn::Softmax(0)(x), softmax(x, 0)));
  EXPECT_TRUE(same_bytes(nn::LogSoftmax(-1)(x), log_softmax(x, -1)));
  EXPECT_EQ(nn::LeakyReLU(0.2).describe(), "LeakyReLU(0.2)");
  EXPECT_EQ(nn::Softplus(2, 3).describe(), "Softplus(2, 3)");
  EXPECT_EQ(nn::GELU(Approximate::tanh).describe(), "GELU(tanh)");
  const std::string what = error_of<ValueError>([] { nn::Softplus(0); }, ErrorCode::value_out_of_range);
  EXPECT_EQ(what.rfind("[Softplus] beta", 0), 0u) << what;
}

TEST(Dropout, DrawsOncePerCallWhileTraining) {
  Generator generator(5);
  nn::Dropout layer(0.25, generator);
  const Tensor x = ones({200, 100});
  const std::vector<float> y = layer(x).to_vector<float>();
  EXPECT_EQ(generator.draw(), 1u);
  const auto zeroed = std::count(y.begin(), y.end(), 0.0f);
  EXPECT_NEAR(static_cast<double>(zeroed), 5000, 5 * std::sqrt(20000 * 0.25 * 0.75));
  EXPECT_EQ(std::count(y.begin(), y.end(), 1.0f / 0.75f) + zeroed, 20000);
  EXPECT_NE(layer(x).to_vector<float>(), y);
  layer.eval();
  EXPECT_TRUE(layer(x).is_same(x));
  EXPECT_EQ(generator.draw(), 2u);
  error_of<ValueError>([] { nn::Dropout(1.5); }, ErrorCode::value_out_of_range);
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  error_of<ValueError>([] { const nn::Dropout refused(nan); }, ErrorCode::value_out_of_range);
}

TEST(Flatten, JoinsAllButTheBatch) {
  EXPECT_EQ(nn::Flatten()(zeros({3, 1, 4, 5})).shape(), (Shape{3, 20}));
  EXPECT_EQ(nn::Flatten(0, 1)(zeros({3, 2, 4})).shape(), (Shape{6, 4}));
}

TEST(Sequential, AppliesInOrder) {
  nn::Sequential model;
  const Tensor x = tensor({-1, 2});
  EXPECT_TRUE(model(x).is_same(x));
  model.push_back(nn::ReLU()).push_back("squash", nn::Tanh());
  EXPECT_TRUE(same_bytes(model(x), tanh(relu(x))));
  EXPECT_EQ(model.size(), 2u);
  EXPECT_EQ(model.at(1).describe(), "Tanh()");
  EXPECT_EQ(model.named_modules()[2].first, "squash");
  error_of<IndexError>([&] { model.at(2); }, ErrorCode::index_out_of_range);
  nn::Sequential outer;
  outer.push_back(nn::Sequential{nn::ReLU()});
  EXPECT_EQ(outer.named_modules().size(), 3u);
}

// One call of linear() with its activation, where nobody can tell.
struct Doubled : nn::ReLU {
  Tensor forward(const Tensor& x) override { return x * 2; }
};

std::vector<std::string> operations_of(nn::Sequential& model, const Tensor& x) {
  Profiler profiler({1e9, 1e9});
  static_cast<void>(model(x));
  profiler.stop();
  std::vector<std::string> names;
  for (const ProfileRow& row : profiler.rows()) names.push_back(row.operation);
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Sequential, JoinsALinearWithTheActivationBehindIt) {
  using Names = std::vector<std::string>;
  manual_seed(3);
  const Tensor x = randn({5, 4});
  const auto check = [&](auto activation, const char* name, const char* joined) {
    nn::Sequential model{nn::Linear(4, 6), std::move(activation), nn::Linear(6, 3)};
    EXPECT_EQ(operations_of(model, x), (Names{"linear", joined}));
    Tensor apart = x;
    for (std::size_t i = 0; i < model.size(); ++i) apart = model.at(i)(apart);
    EXPECT_TRUE(same_bytes(model(x), apart)) << joined;

    // hooks of either see their own module's argument and result
    for (const std::size_t i : {0u, 1u}) {
      int calls = 0;
      nn::HookHandle hook =
          model.at(i).register_forward_hook([&](nn::Module& module, const Tensor& in, const Tensor& out) {
            ++calls;
            EXPECT_TRUE(same_bytes(module.forward(in), out));
          });
      EXPECT_TRUE(same_bytes(model(x), apart));
      EXPECT_EQ(calls, 1) << joined << i;
      hook.remove();
    }
    EXPECT_EQ(operations_of(model, x), (Names{"linear", joined})) << "again, when the hooks are gone";
    const DetectAnomaly on;
    Names single = {"linear", name};
    std::sort(single.begin(), single.end());
    EXPECT_EQ(operations_of(model, x), single);
  };
  check(nn::ReLU(), "relu", "linear_relu");
  check(nn::Tanh(), "tanh", "linear_tanh");
  check(nn::Sigmoid(), "sigmoid", "linear_sigmoid");
  check(nn::GELU(Approximate::tanh), "gelu", "linear_gelu_tanh");

  nn::Sequential others{nn::Linear(4, 6), Doubled(), nn::Linear(6, 6), nn::GELU(), nn::Linear(6, 2)};
  EXPECT_EQ(operations_of(others, x), (Names{"gelu", "linear", "mul"}));
}

TEST(Sequential, AnErrorInAJoinedLayerNamesTheLinear) {
  nn::Sequential model{nn::Flatten(), nn::Linear(4, 6), nn::ReLU()};
  const std::string text = error_of<ShapeError>([&] { model(zeros({2, 5})); }, ErrorCode::shape_mismatch);
  EXPECT_NE(text.find("[linear]"), std::string::npos) << text;
  EXPECT_NE(text.find("layer \"1\" (Linear(4, 6))"), std::string::npos) << text;
  EXPECT_NE(text.find("layers_test.cpp"), std::string::npos) << text;
}

TEST(CrossEntropyLoss, IsTheFunction) {
  const Tensor logits = tensor({1, 2, 3, 0, 0, 5}).reshape({2, 3});
  const Tensor labels = from_vector<std::int64_t>({2, 0}, {2});
  EXPECT_TRUE(same_bytes(nn::CrossEntropyLoss()(logits, labels), cross_entropy(logits, labels)));
  EXPECT_EQ(nn::CrossEntropyLoss(Reduction::none)(logits, labels).shape(), (Shape{2}));
  CrossEntropyOptions options;
  options.weight = tensor({1, 2, 3});
  options.label_smoothing = 0.1;
  EXPECT_TRUE(same_bytes(nn::CrossEntropyLoss(options)(logits, labels), cross_entropy(logits, labels, options)));
}

TEST(Losses, AreTheFunctions) {
  const Tensor x = tensor({1, 2, 3, 0, 0, 5}).reshape({2, 3}), y = tensor({1, 0, 4, 0.5, 1, 2}).reshape({2, 3});
  const Tensor labels = from_vector<std::int64_t>({2, 0}, {2});
  NllLossOptions nll;
  nll.weight = tensor({1, 2, 3});
  BceOptions bce;
  bce.pos_weight = tensor({1, 2, 3});
  EXPECT_TRUE(same_bytes(nn::NLLLoss()(x, labels), nll_loss(x, labels)));
  EXPECT_TRUE(same_bytes(nn::NLLLoss(nll)(x, labels), nll_loss(x, labels, nll)));
  EXPECT_TRUE(same_bytes(nn::MSELoss(Reduction::sum)(x, y), mse_loss(x, y, Reduction::sum)));
  EXPECT_TRUE(same_bytes(nn::L1Loss()(x, y), l1_loss(x, y)));
  EXPECT_TRUE(same_bytes(nn::SmoothL1Loss(Reduction::none, 0.5)(x, y), smooth_l1_loss(x, y, Reduction::none, 0.5)));
  EXPECT_TRUE(same_bytes(nn::BCEWithLogitsLoss()(x, y), bce_with_logits(x, y)));
  EXPECT_TRUE(same_bytes(nn::BCEWithLogitsLoss(bce)(x, y), bce_with_logits(x, y, bce)));
}

// ---- init

TEST(Init, FollowsItsFormulas) {
  manual_seed(1);
  const Tensor w = empty({300, 200});
  nn::init::kaiming_uniform_(w);
  expect_uniform(w, std::sqrt(6.0 / 200));
  nn::init::xavier_uniform_(w, 2);
  expect_uniform(w, 2 * std::sqrt(6.0 / 500));
  nn::init::uniform_(w, -0.5, 0.5);
  expect_uniform(w, 0.5);
  nn::init::kaiming_normal_(w);
  EXPECT_NEAR(statistics(w).deviation, std::sqrt(2.0 / 200), 0.01 * std::sqrt(2.0 / 200));
  nn::init::xavier_normal_(w);
  EXPECT_NEAR(statistics(w).deviation, std::sqrt(2.0 / 500), 0.01 * std::sqrt(2.0 / 500));
  nn::init::normal_(w, 3, 0.5);
  EXPECT_NEAR(statistics(w).deviation, 0.5, 0.01);
  EXPECT_NEAR(statistics(w).mean, 3, 0.02);
  nn::init::constant_(w, 0.25);
  EXPECT_EQ(statistics(w).low, 0.25);
  EXPECT_EQ(statistics(w).high, 0.25);
}

TEST(Init, CountsWindowsInTheFans) {
  const nn::init::Fans fans = nn::init::fans(zeros({8, 3, 5, 5}));
  EXPECT_EQ(fans.in, 75);
  EXPECT_EQ(fans.out, 200);
  error_of<ShapeError>([] { nn::init::kaiming_uniform_(zeros({8})); }, ErrorCode::rank_unsupported);
}

TEST(Init, WritesParametersInPlaceWithoutRecording) {
  nn::Linear layer(4, 4);
  const std::uint64_t version = layer.weight.version();
  nn::init::constant_(layer.weight, 1);
  nn::init::uniform_(layer.weight);
  EXPECT_TRUE(layer.weight.is_leaf());
  EXPECT_TRUE(layer.weight.requires_grad());
  EXPECT_GT(layer.weight.version(), version);
  error_of<AutogradError>([&] { nn::init::uniform_(layer.weight * 2); }, ErrorCode::in_place_recorded);
}

TEST(Init, RefusesWhatItCannotDo) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor w = zeros({2, 2});
  error_of<DTypeError>([] { nn::init::uniform_(zeros({2}, DType::int64)); }, ErrorCode::dtype_unsupported);
  error_of<ValueError>([&] { nn::init::uniform_(w, 1, 0); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::init::uniform_(w, nan, 0); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::init::normal_(w, 0, -1); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::init::xavier_uniform_(w, nan); }, ErrorCode::value_out_of_range);
}

}  // namespace
}  // namespace weft::test
