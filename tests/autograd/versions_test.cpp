// In-place writes: refused where a gradient would be lost, found out where a saved value was overwritten.

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

// ---- refused while gradients are on

TEST(InPlace, RefusedOnWhatRecords) {
  Tensor leaf = leaf_of({1, 2});
  Tensor result = leaf * 2.0;
  for (Tensor x : {leaf, result}) {
    const std::uint64_t version = x.version();
    const Values before = values(x);
    expect_error<AutogradError>([&] { x.add_(1); }, ErrorCode::in_place_recorded,
                                {"add_", "x = x + y", "NoGrad", "versions_test"});
    expect_error<AutogradError>([&] { x.sub_(1); }, ErrorCode::in_place_recorded, {"x = x - y"});
    expect_error<AutogradError>([&] { x.mul_(1); }, ErrorCode::in_place_recorded, {"x = x * y"});
    expect_error<AutogradError>([&] { x.div_(1); }, ErrorCode::in_place_recorded, {"x = x / y"});
    expect_error<AutogradError>([&] { x += 1; }, ErrorCode::in_place_recorded, {"+="});
    expect_error<AutogradError>([&] { x -= 1; }, ErrorCode::in_place_recorded);
    expect_error<AutogradError>([&] { x *= 2; }, ErrorCode::in_place_recorded);
    expect_error<AutogradError>([&] { x /= 2; }, ErrorCode::in_place_recorded);
    expect_error<AutogradError>([&] { x.copy_(normal({2})); }, ErrorCode::in_place_recorded, {"clone()"});
    expect_error<AutogradError>([&] { x.fill_(0); }, ErrorCode::in_place_recorded, {"full"});
    expect_error<AutogradError>([&] { x.zero_(); }, ErrorCode::in_place_recorded, {"zeros_like"});
    EXPECT_EQ(x.version(), version);
    EXPECT_EQ(values(x), before);
  }
}

TEST(InPlace, RefusedWithAnArgumentThatRecords) {
  Tensor x = normal({2});
  const Values before = values(x);
  const Tensor w = leaf_of({1, 2});
  expect_error<AutogradError>([&] { x.add_(w); }, ErrorCode::in_place_recorded, {"argument"});
  expect_error<AutogradError>([&] { x.copy_(w); }, ErrorCode::in_place_recorded, {"argument"});
  EXPECT_EQ(values(x), before);
}

TEST(InPlace, WritesThroughAViewOfALeafAreRefused) {
  Tensor x = leaf_of({1, 2, 3});
  Tensor part = x.slice(0, {0, 2, 1});
  expect_error<AutogradError>([&] { part.zero_(); }, ErrorCode::in_place_recorded);
}

TEST(InPlace, DoneOtherwise) {
  Tensor x = tensor({1, 2}, f64());
  x.add_(1).mul_(tensor({2, 3}, f64())).sub_(1).div_(2);
  EXPECT_EQ(values(x), (Values{1.5, 4}));
  x += 0.5;
  x *= 2;
  x -= tensor({1}, f64());
  x /= 1;
  EXPECT_EQ(values(x), (Values{3, 8}));
  EXPECT_EQ(values(x.copy_(tensor({7}, f64()))), (Values{7, 7}));
  EXPECT_EQ(values(x.fill_(2.5)), (Values{2.5, 2.5}));
  EXPECT_EQ(values(x.zero_()), (Values{0, 0}));
}

TEST(InPlace, EveryWriteRaisesTheVersion) {
  Tensor x = tensor({1, 2}, f64());
  std::uint64_t version = x.version();
  const auto raised = [&] { return x.version() > std::exchange(version, x.version()); };
  x.add_(1);
  EXPECT_TRUE(raised());
  x.copy_(normal({2}));
  EXPECT_TRUE(raised());
  x.fill_(1);
  EXPECT_TRUE(raised());
  x.slice(0, {0, 1, 1}).zero_();
  EXPECT_TRUE(raised());
  x.mutable_data<double>();
  EXPECT_TRUE(raised());
  (void)(x + 1);
  EXPECT_FALSE(raised());
}

TEST(InPlace, ALeafIsUpdatedInsideNoGrad) {
  Tensor w = leaf_of({1, 2});
  (w * w).sum().backward();
  {
    const NoGrad off;
    w.add_(w.grad() * -0.5);
  }
  EXPECT_EQ(values(w), (Values{0, 0}));
  EXPECT_TRUE(w.requires_grad());
  EXPECT_TRUE(w.is_leaf());
}

TEST(InPlace, DetachSharesStorageAndVersion) {
  Tensor x = leaf_of({1, 2});
  Tensor d = x.detach();
  EXPECT_TRUE(d.shares_storage(x));
  const std::uint64_t version = x.version();
  d.add_(1);
  EXPECT_EQ(x.version(), version + 1);
  EXPECT_EQ(values(x), (Values{2, 3}));
}

// ---- found out at the backward

TEST(Versions, AnOverwrittenArgumentIsFound) {
  Tensor x = leaf_of({1, 2});
  Tensor factor = normal({2});
  const Tensor y = x * factor;
  factor.add_(1);
  expect_error<AutogradError>([&] { y.sum().backward(); }, ErrorCode::version_conflict,
                              {"[mul]", "versions_test.cpp", "argument", "version 0", "version 1"});
  EXPECT_FALSE(x.grad().defined());
}

TEST(Versions, AnOverwrittenResultIsFound) {
  Tensor x = leaf_of({1, 2});
  Tensor y = exp(x);
  {
    const NoGrad off;
    y.mul_(2);
  }
  expect_error<AutogradError>([&] { y.sum().backward(); }, ErrorCode::version_conflict, {"[exp]", "result"});
}

TEST(Versions, AWriteThroughAViewIsFound) {
  Tensor x = leaf_of({1, 2, 3});
  Tensor base = normal({2, 3});
  const Tensor y = x * base[0];
  base.slice(1, {0, 1, 1}).zero_();
  expect_error<AutogradError>([&] { y.sum().backward(); }, ErrorCode::version_conflict, {"[mul]"});
}

TEST(Versions, AWriteToTheBaseOfASavedViewIsFound) {
  Tensor w = leaf({3, 2});
  Tensor x = normal({3, 4});
  const Tensor y = matmul(x.t(), w);
  x.fill_(0);
  expect_error<AutogradError>([&] { y.sum().backward(); }, ErrorCode::version_conflict, {"[matmul]"});
}

TEST(Versions, AWriteToADetachedAliasIsFound) {
  Tensor x = leaf_of({1, 2});
  const Tensor y = x * x;
  x.detach().add_(1);
  expect_error<AutogradError>([&] { y.sum().backward(); }, ErrorCode::version_conflict, {"[mul]"});
}

TEST(Versions, ALeafUpdatedBetweenForwardAndBackwardIsFound) {
  Tensor w = leaf({2, 3});
  Tensor x = leaf({4, 3});
  const Tensor y = linear(x, w);
  {
    const NoGrad off;
    w.sub_(0.1);
  }
  expect_error<AutogradError>([&] { y.sum().backward(); }, ErrorCode::version_conflict, {"[linear]"});
}

TEST(Versions, WhatNoFormulaNeedsMayBeOverwritten) {
  Tensor x = leaf_of({1, 2});
  Tensor other = normal({2});
  const Tensor y = (x + other).sum();
  other.zero_();
  EXPECT_NO_THROW(y.backward());
  Tensor z = x * 3.0;  // its result is saved by nobody
  const Tensor total = z.sum();
  z.detach().zero_();
  EXPECT_NO_THROW(total.backward());
}

TEST(Versions, AWriteBeforeTheForwardIsNoConflict) {
  Tensor x = leaf_of({1, 2});
  Tensor factor = normal({2});
  factor.add_(1);
  EXPECT_NO_THROW((x * factor).sum().backward());
}

TEST(Versions, LabelsAndIndicesAreWatchedToo) {
  Tensor x = leaf({3, 2});
  Tensor index = tensor({0, 2}, TensorOptions(serial(), DType::int64));
  const Tensor y = index_select(x, 0, index);
  index.fill_(1);
  expect_error<AutogradError>([&] { y.sum().backward(); }, ErrorCode::version_conflict, {"[index_select]"});
}

}  // namespace
