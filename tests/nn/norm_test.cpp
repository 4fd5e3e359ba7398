// Normalisation layers and Embedding: parameters and buffers under PyTorch's names, modes, and what is left unchanged
// by a call that throws. The mathematics is in the op-case table and the comparison with LibTorch.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/nn/embedding.h>
#include <weft/nn/norm.h>
#include <weft/nn/sequential.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

std::vector<std::string> names(const nn::StateDict& state) {
  std::vector<std::string> found;
  for (const auto& entry : state) found.push_back(entry.name);
  return found;
}

using Doubles = std::vector<double>;

TEST(BatchNorm, HasPyTorchsNamesAndInitialValues) {
  const nn::BatchNorm2d layer(2);
  EXPECT_EQ(names(layer.state_dict()),
            (std::vector<std::string>{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}));
  EXPECT_EQ(layer.weight.to_vector<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(layer.bias.to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ(layer.running_mean.to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ(layer.running_var.to_vector<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(layer.num_batches_tracked.dtype(), DType::int64);
  EXPECT_EQ(layer.num_batches_tracked.shape(), Shape{});
  EXPECT_EQ(layer.parameters().size(), 2u);
  EXPECT_EQ(layer.describe(), "BatchNorm2d(2, eps=1e-05, momentum=0.1)");
}

TEST(BatchNorm, UpdatesTheRunningStatisticsWhileTraining) {
  nn::BatchNorm1d layer(1, {.momentum = 0.25}, DType::float64);
  const Tensor x = tensor({1, 2, 3, 6}, DType::float64).reshape({4, 1});  // mean 3, unbiased variance 14 / 3
  layer(x);
  EXPECT_DOUBLE_EQ(layer.running_mean.item<double>(), 0.75);
  EXPECT_DOUBLE_EQ(layer.running_var.item<double>(), 0.75 + 0.25 * 14 / 3);
  EXPECT_EQ(layer.num_batches_tracked.item<std::int64_t>(), 1);
  layer.eval();
  const Doubles y = layer(x).to_vector<double>();
  EXPECT_EQ(layer.num_batches_tracked.item<std::int64_t>(), 1);
  EXPECT_DOUBLE_EQ(layer.running_mean.item<double>(), 0.75);
  EXPECT_NEAR(y[0], (1 - 0.75) / std::sqrt(0.75 + 0.25 * 14 / 3 + 1e-5), 1e-14);
}

TEST(BatchNorm, WithoutMomentumAveragesOverAllBatches) {
  nn::BatchNorm1d layer(1, {.momentum = std::nullopt}, DType::float64);
  layer(tensor({1, 3}, DType::float64).reshape({2, 1}));
  layer(tensor({4, 8}, DType::float64).reshape({2, 1}));
  layer(tensor({0, 1}, DType::float64).reshape({2, 1}));
  EXPECT_NEAR(layer.running_mean.item<double>(), (2 + 6 + 0.5) / 3, 1e-14);
  EXPECT_NEAR(layer.running_var.item<double>(), (2 + 8 + 0.5) / 3, 1e-14);
}

TEST(BatchNorm, WithoutTrackingUsesTheBatchAlsoInEvalMode) {
  nn::BatchNorm1d layer(3, {.affine = false, .track_running_stats = false});
  EXPECT_TRUE(layer.state_dict().empty());
  const Tensor x = rand({5, 3});
  const Tensor trained = layer(x);
  layer.eval();
  EXPECT_TRUE(same_bytes(layer(x), trained));
}

TEST(BatchNorm, IsUnchangedByACallThatThrows) {
  nn::BatchNorm1d layer(3);
  layer(rand({4, 3}));
  const std::vector<float> mean = layer.running_mean.to_vector<float>(), var = layer.running_var.to_vector<float>();
  error_of<ValueError>([&] { layer(rand({1, 3})); }, ErrorCode::value_invalid);
  error_of<ShapeError>([&] { layer(rand({4, 2})); }, ErrorCode::shape_mismatch);
  error_of<ShapeError>([&] { layer(rand({4, 3, 2, 2})); }, ErrorCode::rank_unsupported);
  error_of<DTypeError>([&] { layer(rand({4, 3}, DType::float64)); }, ErrorCode::dtype_mismatch);
  EXPECT_EQ(layer.running_mean.to_vector<float>(), mean);
  EXPECT_EQ(layer.running_var.to_vector<float>(), var);
  EXPECT_EQ(layer.num_batches_tracked.item<std::int64_t>(), 1);
}

TEST(BatchNorm, MovesItsBuffersAndTrainsInHalfPrecision) {
  nn::BatchNorm1d layer(3);
  layer.to(serial(), DType::bfloat16);
  EXPECT_EQ(layer.running_var.dtype(), DType::bfloat16);
  EXPECT_EQ(layer.running_var.device(), serial());
  EXPECT_EQ(layer.num_batches_tracked.dtype(), DType::int64);
  const Tensor y = layer(rand({64, 3}, {serial(), DType::bfloat16}));
  EXPECT_EQ(y.dtype(), DType::bfloat16);
  EXPECT_NEAR(y.to(DType::float32).mean().item(), 0, 0.02);
  EXPECT_NE(layer.running_mean.to(DType::float32).to_vector<float>(), (std::vector<float>{0, 0, 0}));
}

// A second forward before the backward of the first: the running statistics changed, the saved ones did not.
TEST(BatchNorm, BackwardAfterAnotherForward) {
  nn::BatchNorm1d layer(3, {}, DType::float64);
  Tensor x = rand({4, 3}, DType::float64).requires_grad_();
  layer(x).sum().backward();
  const Doubles alone = x.grad().to_vector<double>();
  x.zero_grad();
  const Tensor y = layer(x);
  layer(rand({4, 3}, DType::float64));
  y.sum().backward();
  EXPECT_EQ(x.grad().to_vector<double>(), alone);
  layer.eval();
  x.zero_grad();
  const Tensor z = layer(x);
  layer.train();
  layer(rand({4, 3}, DType::float64));
  z.sum().backward();  // by the statistics as they were
}

TEST(LayerNorm, HasTheShapeItNormalises) {
  nn::LayerNorm layer({2, 3});
  EXPECT_EQ(names(layer.state_dict()), (std::vector<std::string>{"weight", "bias"}));
  EXPECT_EQ(layer.weight.shape(), (Shape{2, 3}));
  const Tensor x = rand({5, 2, 3});
  EXPECT_TRUE(same_bytes(layer(x), layer_norm(x, {2, 3}, layer.weight, layer.bias)));
  EXPECT_EQ(names(nn::LayerNorm({4}, 1e-5, true, false).state_dict()), (std::vector<std::string>{"weight"}));
  EXPECT_TRUE(nn::LayerNorm({4}, 1e-5, false).state_dict().empty());
  EXPECT_EQ(layer.describe(), "LayerNorm((2, 3), eps=1e-05)");
}

TEST(GroupNorm, IsTheFunction) {
  nn::GroupNorm layer(2, 4);
  const Tensor x = rand({3, 4, 5});
  EXPECT_TRUE(same_bytes(layer(x), group_norm(x, 2, layer.weight, layer.bias)));
  EXPECT_EQ(names(layer.state_dict()), (std::vector<std::string>{"weight", "bias"}));
  error_of<ShapeError>([&] { layer(rand({3, 2, 5})); }, ErrorCode::shape_mismatch);
}

TEST(NormLayers, RefuseWhatTheyCannotBe) {
  error_of<ValueError>([] { nn::BatchNorm1d(0); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([] { nn::BatchNorm2d(3, {.eps = 0}); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([] { nn::BatchNorm2d(3, {.momentum = 2}); }, ErrorCode::value_out_of_range);
  error_of<DTypeError>([] { nn::BatchNorm2d(3, {}, DType::int64); }, ErrorCode::dtype_unsupported);
  error_of<ValueError>([] { nn::LayerNorm(Shape{}); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([] { nn::LayerNorm({4, 0}); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([] { nn::LayerNorm({4}, std::nan("")); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([] { nn::GroupNorm(3, 4); }, ErrorCode::value_out_of_range);
}

// Another object with the same values, also after they moved to another device and dtype.
TEST(NormLayers, CloneWithTheirStatistics) {
  nn::Sequential model{nn::BatchNorm1d(6, {.momentum = std::nullopt}), nn::GroupNorm(3, 6), nn::LayerNorm({6}, 0.1)};
  model(rand({8, 6}));
  model.to(serial(), DType::float64);
  model.eval();
  const nn::Ptr<nn::Sequential> copy = nn::clone(model);
  const Tensor x = rand({5, 6}, {serial(), DType::float64});
  EXPECT_TRUE(same_bytes(copy(x), model(x)));
  EXPECT_EQ(to_string(*copy), to_string(model));
  model.train();
  model(x);
  EXPECT_NE(model.buffers()[0].to_vector<double>(), copy->buffers()[0].to_vector<double>());
  nn::BatchNorm2d plain(2, {.affine = false, .track_running_stats = false});
  EXPECT_EQ(nn::clone(plain)->describe(), plain.describe());
  nn::Embedding table(4, 3, 1);
  EXPECT_TRUE(same_bytes(nn::clone(table)->weight, table.weight));
  EXPECT_EQ(nn::clone(table)->describe(), table.describe());
}

TEST(Embedding, LooksUpRowsAndSparesThePadding) {
  manual_seed(3);
  nn::Embedding table(4, 2, -1);
  EXPECT_EQ(names(table.state_dict()), (std::vector<std::string>{"weight"}));
  EXPECT_EQ(table.weight.select(0, 3).to_vector<float>(), (std::vector<float>{0, 0}));
  const Tensor indices = from_vector<std::int64_t>({0, 3, 2, 0}, {2, 2});
  const Tensor y = table(indices);
  EXPECT_EQ(y.shape(), (Shape{2, 2, 2}));
  EXPECT_TRUE(same_bytes(y.select(0, 0).select(0, 0), table.weight.select(0, 0)));
  y.sum().backward();
  EXPECT_EQ(table.weight.grad().to_vector<float>(), (std::vector<float>{2, 2, 0, 0, 1, 1, 0, 0}));
  error_of<IndexError>([&] { table(from_vector<std::int64_t>({4}, {1})); }, ErrorCode::index_out_of_range);
  EXPECT_EQ(table.describe(), "Embedding(4, 2, padding_idx=3)");
}

TEST(Embedding, IsNormalAndRefusesWhatItCannotBe) {
  manual_seed(3);
  const nn::Embedding table(300, 100, {}, DType::float64);
  const Doubles values = table.weight.to_vector<double>();
  double mean = 0, square = 0;
  for (const double v : values) {
    mean += v / 30000;
    square += v * v / 30000;
  }
  EXPECT_NEAR(mean, 0, 5 / std::sqrt(30000.0));
  EXPECT_NEAR(square, 1, 5 * std::sqrt(2 / 30000.0));
  error_of<ValueError>([] { nn::Embedding(0, 3); }, ErrorCode::value_out_of_range);
  error_of<IndexError>([] { nn::Embedding(3, 3, 3); }, ErrorCode::index_out_of_range);
  error_of<DTypeError>([] { nn::Embedding(3, 3, {}, DType::int32); }, ErrorCode::dtype_unsupported);
}

}  // namespace
}  // namespace weft::test
