#include <limits>
#include <optional>

#include "tensor/tensor_test.h"

namespace weft {
namespace {

using namespace weft::testing;

class Views : public OnEveryBackend {};
WEFT_ON_EVERY_BACKEND(Views);

TEST_P(Views, PermuteAndTransposeMoveStrides) {
  const Tensor x = counted({2, 3, 4});
  const Tensor p = ops::permute(x, {2, 0, -2}, "permute", here);
  EXPECT_EQ(p.shape(), (Shape{4, 2, 3}));
  EXPECT_EQ(p.strides(), (Strides{1, 12, 4}));
  EXPECT_TRUE(p.shares_storage(x));
  EXPECT_EQ(values(p)[1 * 6 + 1 * 3 + 2], 12.0f + 8 + 1);
  const Tensor t = ops::transpose(counted({2, 3}), 0, -1, "transpose", here);
  EXPECT_EQ(values(t), (Floats{0, 3, 1, 4, 2, 5}));
  EXPECT_FALSE(t.is_contiguous());
  EXPECT_EQ(ops::permute(scalar(1, on()), {}, "permute", here).rank(), 0);
}

TEST_P(Views, ReshapeIsAViewWherePossible) {
  const Tensor x = counted({2, 3, 4});
  const Tensor flat = ops::reshape(x, {6, -1}, "reshape", here);
  EXPECT_EQ(flat.shape(), (Shape{6, 4}));
  EXPECT_TRUE(flat.shares_storage(x));
  const Tensor turned = ops::transpose(x, 0, 1, "transpose", here);  // (3, 2, 4) with strides (4, 12, 1)
  const Tensor split = ops::reshape(turned, {3, 1, 2, 2, 2}, "reshape", here);
  EXPECT_TRUE(split.shares_storage(x));
  EXPECT_EQ(values(split), values(turned));
  const Tensor copied = ops::reshape(turned, {6, 4}, "reshape", here);
  EXPECT_FALSE(copied.shares_storage(x));
  EXPECT_EQ(values(copied), values(turned));
  EXPECT_EQ(ops::reshape(scalar(3, on()), {1, 1}, "reshape", here).shape(), (Shape{1, 1}));
  EXPECT_EQ(ops::reshape(counted({1}), {}, "reshape", here).rank(), 0);
  EXPECT_EQ(ops::reshape(counted({0, 4}), {2, 0}, "reshape", here).shape(), (Shape{2, 0}));
  EXPECT_EQ(ops::reshape(counted({0, 4}), {-1, 4}, "reshape", here).shape(), (Shape{0, 4}));
}

// Every reshape of every transposed (2, 3, 4): a view or a copy, the elements and their order are the same.
TEST_P(Views, ReshapeKeepsTheOrderOfElements) {
  const Shape targets[] = {{24},      {4, 6},    {6, 4},     {2, 12},   {12, 2},     {3, 8},
                           {2, 3, 4}, {4, 3, 2}, {1, 24, 1}, {2, 2, 6}, {2, 2, 2, 3}};
  const Axes orders[] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  int views = 0;
  for (const Axes& order : orders) {
    for (const Shape& target : targets) {
      const Tensor x = ops::permute(counted({2, 3, 4}), order, "permute", here);
      const Tensor y = ops::reshape(x, target, "reshape", here);
      EXPECT_EQ(y.shape(), target);
      EXPECT_EQ(values(y), values(x)) << to_string(x.shape()) << to_string(target);
      views += y.shares_storage(x) ? 1 : 0;
    }
  }
  EXPECT_GT(views, 11);  // more than the contiguous ones alone
  EXPECT_LT(views, 6 * 11);
}

TEST_P(Views, ReshapeOfReversedAndExpandedTensors) {
  const Tensor reversed = ops::slice(counted({6}), 0, {{}, {}, -1}, "slice", here);
  const Tensor matrix = ops::reshape(reversed, {2, 3}, "reshape", here);
  EXPECT_TRUE(matrix.shares_storage(reversed));
  EXPECT_EQ(values(matrix), (Floats{5, 4, 3, 2, 1, 0}));
  const Tensor repeated = ops::expand(counted({2, 1}), {2, 3}, "expand", here);
  const Tensor flat = ops::reshape(repeated, {6}, "reshape", here);
  EXPECT_FALSE(flat.shares_storage(repeated));
  EXPECT_EQ(values(flat), (Floats{0, 0, 0, 1, 1, 1}));
}

// Axes that follow each other evenly are one axis, also backwards and with gaps; an axis of extent 1 is in nobody's
// way.
TEST_P(Views, ReshapeMergesEvenStrides) {
  const Tensor x = counted({2, 3});
  const Tensor turned =
      ops::slice(ops::slice(x, 0, {{}, {}, -1}, "slice", here), 1, {{}, {}, -1}, "slice", here);  // strides (-3, -1)
  const Tensor flat = ops::reshape(turned, {6}, "reshape", here);
  EXPECT_TRUE(flat.shares_storage(x));
  EXPECT_EQ(values(flat), (Floats{5, 4, 3, 2, 1, 0}));
  const Tensor gaps = ops::slice(counted({2, 8}), 1, {0, 6, 2}, "slice", here);  // strides (8, 2)
  EXPECT_FALSE(ops::reshape(gaps, {6}, "reshape", here).shares_storage(gaps));
  const Tensor row = ops::narrow(gaps, 0, 1, 1, "narrow", here);
  const Tensor three = ops::reshape(row, {3}, "reshape", here);
  EXPECT_TRUE(three.shares_storage(gaps));
  EXPECT_EQ(values(three), (Floats{8, 10, 12}));
}

TEST_P(Views, ExpandRepeatsWithStrideZero) {
  const Tensor x = counted({3, 1});
  const Tensor e = ops::expand(x, {2, -1, 4}, "expand", here);
  EXPECT_EQ(e.shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(e.strides(), (Strides{0, 1, 0}));
  EXPECT_EQ(values(ops::select(e, 0, 1, "select", here)), (Floats{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}));
  EXPECT_EQ(ops::expand(scalar(1, on()), {2, 2}, "expand", here).shape(), (Shape{2, 2}));
  EXPECT_EQ(ops::expand(x, {3, 0}, "expand", here).numel(), 0);
}

TEST_P(Views, SqueezeAndUnsqueeze) {
  const Tensor x = counted({2, 3});
  EXPECT_EQ(ops::unsqueeze(x, 0, "unsqueeze", here).shape(), (Shape{1, 2, 3}));
  EXPECT_EQ(ops::unsqueeze(x, -1, "unsqueeze", here).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(ops::unsqueeze(x, 1, "unsqueeze", here).shape(), (Shape{2, 1, 3}));
  EXPECT_TRUE(ops::unsqueeze(x, 1, "unsqueeze", here).is_contiguous());
  EXPECT_EQ(ops::unsqueeze(scalar(1, on()), 0, "unsqueeze", here).shape(), (Shape{1}));
  const Tensor u = ops::unsqueeze(x, 1, "unsqueeze", here);
  EXPECT_EQ(ops::squeeze(u, 1, "squeeze", here).shape(), (Shape{2, 3}));
  EXPECT_EQ(ops::squeeze(u, 0, "squeeze", here).shape(), (Shape{2, 1, 3}));  // extent 2: unchanged
}

// Against the definition: Python's start:stop:step over 0 .. n-1.
TEST_P(Views, SliceFollowsPython) {
  const std::int64_t n = 5;
  const Tensor x = counted({n});
  const std::optional<std::int64_t> bounds[] = {{}, -100, -6, -5, -4, -1, 0, 1, 3, 4, 5, 6, 100};
  int cases = 0;
  for (const auto& start : bounds) {
    for (const auto& stop : bounds) {
      for (const std::int64_t step : {-100, -5, -3, -2, -1, 1, 2, 3, 5, 100}) {
        const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
        const auto place = [&](const std::optional<std::int64_t>& bound, std::int64_t missing) {
          if (!bound) return missing;
          const std::int64_t b = *bound < 0 ? *bound + n : *bound;
          return b < low ? low : b > high ? high : b;
        };
        Floats expected;
        const std::int64_t first = place(start, step > 0 ? 0 : n - 1), end = place(stop, step > 0 ? n : -1);
        for (std::int64_t i = first; step > 0 ? i < end : i > end; i += step) expected.push_back(static_cast<float>(i));
        EXPECT_EQ(values(ops::slice(x, 0, {start, stop, step}, "slice", here)), expected);
        ++cases;
      }
    }
  }
  EXPECT_EQ(cases, 13 * 13 * 10);
}

TEST_P(Views, SliceWithExtremeSteps) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Tensor x = counted({5});
  EXPECT_EQ(values(ops::slice(x, 0, {{}, {}, most}, "slice", here)), (Floats{0}));
  EXPECT_EQ(values(ops::slice(x, 0, {{}, {}, -most - 1}, "slice", here)), (Floats{4}));
  EXPECT_EQ(values(ops::slice(x, 0, {-most - 1, most, 1}, "slice", here)), values(x));
  EXPECT_EQ(ops::slice(counted({2, 0}), 1, {{}, {}, -1}, "slice", here).shape(), (Shape{2, 0}));
}

TEST_P(Views, SlicesOfSlices) {
  const Tensor x = counted({4, 6});
  const Tensor a = ops::slice(x, 1, {5, {}, -2}, "slice", here);  // columns 5, 3, 1
  const Tensor b = ops::slice(a, 0, {1, 4, 2}, "slice", here);    // rows 1, 3
  EXPECT_EQ(b.strides(), (Strides{12, -2}));
  EXPECT_EQ(values(b), (Floats{11, 9, 7, 23, 21, 19}));
  EXPECT_EQ(values(ops::slice(b, 1, {{}, {}, -1}, "slice", here)), (Floats{7, 9, 11, 19, 21, 23}));
}

TEST_P(Views, NarrowAndSelect) {
  const Tensor x = counted({3, 4});
  EXPECT_EQ(values(ops::narrow(x, 1, 1, 2, "narrow", here)), (Floats{1, 2, 5, 6, 9, 10}));
  EXPECT_EQ(values(ops::narrow(x, 0, -1, 1, "narrow", here)), (Floats{8, 9, 10, 11}));
  EXPECT_EQ(ops::narrow(x, 0, 3, 0, "narrow", here).shape(), (Shape{0, 4}));
  EXPECT_EQ(values(ops::select(x, 1, -1, "select", here)), (Floats{3, 7, 11}));
  EXPECT_EQ(ops::select(x, 0, 0, "select", here).shape(), (Shape{4}));
  EXPECT_EQ(ops::select(counted({2}), 0, 1, "select", here).item<float>(), 1.0f);
}

TEST_P(Views, WritingThroughAViewIsSeenByTheOthers) {
  const Tensor x = zeros({2, 3}, on());
  ops::fill(ops::select(ops::transpose(x, 0, 1, "t", here), 0, 1, "select", here), 9, "fill_", here);
  EXPECT_EQ(values(x), (Floats{0, 9, 0, 0, 9, 0}));
  EXPECT_EQ(x.impl()->storage->version.load(), 1u);
}

TEST_P(Views, ContiguousAndCloneOfViews) {
  const Tensor x = counted({2, 3});
  EXPECT_TRUE(ops::contiguous(x, "contiguous", here).is_same(x));
  const Tensor t = ops::transpose(x, 0, 1, "transpose", here);
  const Tensor c = ops::contiguous(t, "contiguous", here);
  EXPECT_TRUE(c.is_contiguous());
  EXPECT_FALSE(c.shares_storage(x));
  EXPECT_EQ(values(c), values(t));
  EXPECT_FALSE(ops::clone(x, "clone", here).shares_storage(x));
  EXPECT_TRUE(ops::transpose(counted({0, 3}), 0, 1, "t", here).is_contiguous());
  EXPECT_TRUE(ops::transpose(counted({1, 3}), 0, 1, "t", here).is_contiguous());
}

TEST_P(Views, CatAlongEveryAxis) {
  const Tensor a = counted({2, 2}), b = ops::binary(BinaryOp::add, counted({2, 1}), 10, "add", here);
  const Tensor along[] = {a, b, a};
  EXPECT_EQ(values(ops::cat(along, 1, "cat", here)), (Floats{0, 1, 10, 0, 1, 2, 3, 11, 2, 3}));
  const Tensor rows[] = {a, ops::transpose(a, 0, 1, "t", here)};
  EXPECT_EQ(values(ops::cat(rows, 0, "cat", here)), (Floats{0, 1, 2, 3, 0, 2, 1, 3}));
  EXPECT_EQ(ops::cat(rows, -2, "cat", here).shape(), (Shape{4, 2}));
  const Tensor with_empty[] = {counted({0, 2}), a, counted({0, 2})};
  EXPECT_EQ(values(ops::cat(with_empty, 0, "cat", here)), values(a));
  const Tensor nothing[] = {counted({0, 2}), counted({0, 2})};
  EXPECT_EQ(ops::cat(nothing, 0, "cat", here).shape(), (Shape{0, 2}));
  EXPECT_EQ(ops::cat(nothing, 1, "cat", here).shape(), (Shape{0, 4}));
}

}  // namespace
}  // namespace weft
