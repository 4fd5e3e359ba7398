#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/nn/conv.h>
#include <weft/nn/pool.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

/// All within (-bound, bound), and close to its borders somewhere.
void expect_within(const Tensor& tensor, double bound) {
  double low = 0, high = 0;
  for (const float v : tensor.to_vector<float>()) {
    low = std::min<double>(low, v);
    high = std::max<double>(high, v);
  }
  EXPECT_GE(low, -bound);
  EXPECT_LE(high, bound);
  EXPECT_LT(low, -0.7 * bound);
  EXPECT_GT(high, 0.7 * bound);
}

TEST(ConvLayers, HavePyTorchsLayoutAndInitialisation) {
  manual_seed(3);
  const nn::Conv2d conv(6, 16, {5, 3}, {.groups = 2});
  EXPECT_EQ(conv.weight.shape(), (Shape{16, 3, 5, 3}));
  EXPECT_EQ(conv.bias.shape(), (Shape{16}));
  expect_within(conv.weight, 1 / std::sqrt(45.0));
  expect_within(conv.bias, 1 / std::sqrt(45.0));
  EXPECT_EQ(default_generator().draw(), 2u);
  manual_seed(3);
  EXPECT_TRUE(same_bytes(nn::Conv2d(6, 16, {5, 3}, {.groups = 2}).bias, conv.bias));

  const nn::Conv1d line(4, 40, 7);
  EXPECT_EQ(line.weight.shape(), (Shape{40, 4, 7}));
  expect_within(line.weight, 1 / std::sqrt(28.0));
  const nn::ConvTranspose2d back(8, 12, 4, {.stride = 2, .groups = 4}, false);
  EXPECT_EQ(back.weight.shape(), (Shape{8, 3, 4, 4}));  // (in, out / groups, kernel)
  EXPECT_FALSE(back.bias.defined());
  expect_within(back.weight, 1 / std::sqrt(48.0));  // PyTorch's fan in: weight.size(1) times the window
  EXPECT_EQ(back.parameters().size(), 1u);
}

TEST(ConvLayers, AreTheFunctions) {
  const Tensor x = randn({2, 4, 9, 8}), line = randn({2, 4, 9});
  nn::Conv1d a(4, 6, 3, {.stride = 2, .padding = 1});
  EXPECT_TRUE(same_bytes(a(line), conv1d(line, a.weight, a.bias, {.stride = 2, .padding = 1})));
  nn::Conv2d b(4, 6, 3, {.padding = {1, 0}, .dilation = 2});
  EXPECT_TRUE(same_bytes(b(x), conv2d(x, b.weight, b.bias, {.padding = {1, 0}, .dilation = 2})));
  nn::ConvTranspose2d c(4, 6, 3, {.stride = 2, .output_padding = 1});
  EXPECT_TRUE(same_bytes(c(x), conv_transpose2d(x, c.weight, c.bias, {.stride = 2, .output_padding = 1})));
  EXPECT_EQ(c(x).shape(), (Shape{2, 6, 20, 18}));
  EXPECT_EQ(b(randn({4, 9, 8})).shape(), (Shape{6, 7, 4}));  // one sample
}

TEST(ConvLayers, ComputeWhatIsWorkedOutByHand) {
  nn::Conv2d layer(1, 1, 2);
  layer.load_state_dict({{"weight", tensor({1, 2, 3, 4}).reshape({1, 1, 2, 2})}, {"bias", tensor({10})}});
  const Tensor x = tensor({1, 0, 2, 0, 1, 0, 3, 0, 1}).reshape({1, 1, 3, 3});
  EXPECT_EQ(layer(x).to_vector<float>(), (std::vector<float>{15, 17, 21, 15}));
}

TEST(ConvLayers, SayWhatTheyAre) {
  EXPECT_EQ(nn::Conv2d(1, 6, 5).describe(), "Conv2d(1, 6, kernel=5)");
  EXPECT_EQ(nn::Conv2d(4, 8, {3, 5}, {.stride = 2, .padding = {1, 2}, .groups = 4}, false).describe(),
            "Conv2d(4, 8, kernel=(3, 5), stride=2, padding=(1, 2), groups=4, bias=false)");
  EXPECT_EQ(nn::Conv1d(1, 2, 3, {.dilation = 2}).describe(), "Conv1d(1, 2, kernel=3, dilation=2)");
  EXPECT_EQ(nn::ConvTranspose2d(2, 1, 3, {.stride = 2, .output_padding = 1}).describe(),
            "ConvTranspose2d(2, 1, kernel=3, stride=2, output_padding=1)");
  EXPECT_EQ(nn::MaxPool2d(2).describe(), "MaxPool2d(2)");
  EXPECT_EQ(nn::MaxPool1d(3, {.stride = 2, .padding = 1, .ceil_mode = true}).describe(),
            "MaxPool1d(3, stride=2, padding=1, ceil_mode=true)");
  EXPECT_EQ(nn::AvgPool2d({2, 3}).describe(), "AvgPool2d((2, 3))");
  EXPECT_EQ(nn::AvgPool1d(2).describe(), "AvgPool1d(2)");
  EXPECT_EQ(nn::AdaptiveAvgPool2d(1).describe(), "AdaptiveAvgPool2d(1)");
}

template <class Layer>
void expect_clones(Layer layer, const Tensor& x) {
  const nn::Ptr<Layer> copy = nn::clone(layer);
  EXPECT_EQ(copy->describe(), layer.describe());
  EXPECT_TRUE(same_bytes((*copy)(x), layer(x)));
  for (const Tensor& p : copy->parameters()) EXPECT_FALSE(p.shares_storage(layer.parameters()[0]));
}

TEST(ConvLayers, CloneWithTheirOptions) {
  const Tensor x = randn({2, 4, 9, 8}), line = randn({2, 4, 9});
  expect_clones(nn::Conv1d(4, 6, 3, {.stride = 2, .groups = 2}, false), line);
  expect_clones(nn::Conv2d(4, 6, {3, 2}, {.padding = {1, 0}, .dilation = 2}), x);
  expect_clones(nn::ConvTranspose2d(4, 6, 3, {.stride = 2, .output_padding = 1}), x);
  expect_clones(nn::MaxPool1d(2, {.stride = 1}), line);
  expect_clones(nn::MaxPool2d(3, {.padding = 1, .ceil_mode = true}), x);
  expect_clones(nn::AvgPool1d(2), line);
  expect_clones(nn::AvgPool2d(3, {.padding = 1, .count_include_pad = false}), x);
  expect_clones(nn::AdaptiveAvgPool2d({2, 3}), x);
}

TEST(PoolLayers, AreTheFunctions) {
  const Tensor x = randn({2, 3, 8, 6}), line = randn({2, 3, 9});
  EXPECT_TRUE(same_bytes(nn::MaxPool2d(2)(x), max_pool2d(x, 2)));
  EXPECT_TRUE(
      same_bytes(nn::MaxPool2d(3, {.stride = 2, .padding = 1})(x), max_pool2d(x, 3, {.stride = 2, .padding = 1})));
  EXPECT_TRUE(same_bytes(nn::AvgPool2d(3, {.stride = 1, .padding = 1, .count_include_pad = false})(x),
                         avg_pool2d(x, 3, {.stride = 1, .padding = 1, .count_include_pad = false})));
  EXPECT_TRUE(same_bytes(nn::MaxPool1d(3)(line), max_pool1d(line, 3)));
  EXPECT_TRUE(same_bytes(nn::AvgPool1d(2, {.stride = 1})(line), avg_pool1d(line, 2, {.stride = 1})));
  EXPECT_EQ(nn::AdaptiveAvgPool2d({2, 3})(x).shape(), (Shape{2, 3, 2, 3}));
}

}  // namespace
}  // namespace weft::test
