// What a profile counts, and that watching changes nothing.

#include <algorithm>

#include "tensor/tensor_test.h"

#include <weft/backends/router.h>
#include <weft/tensor/capture.h>
#include <weft/tensor/profiler.h>

namespace weft {
namespace {

using namespace weft::testing;

constexpr MachinePeaks fast = {1e15, 1e15};

class Profile : public OnEveryBackend {};
WEFT_ON_EVERY_BACKEND(Profile);

const ProfileRow& row_of(const std::vector<ProfileRow>& rows, const std::string& operation) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const ProfileRow& row) { return row.operation == operation; });
  if (found == rows.end()) throw std::runtime_error("no row " + operation);
  return *found;
}

TEST_P(Profile, CountsCallsArithmeticAndBytes) {
  const Tensor a = counted({8, 16}), b = counted({16, 4}), bias = counted({4});
  Tensor product, sum;
  Profiler profiler(fast);
  for (int i = 0; i < 3; ++i) product = ops::matmul(a, b, "matmul", CallSite::here());
  sum = ops::binary(BinaryOp::add, product, bias, "add", CallSite::here());
  ops::linear_backward(product, a, counted({4, 16}), {true, true, false}, "linear", CallSite::here());
  profiler.stop();
  const Tensor after = ops::matmul(a, b, "matmul", CallSite::here());  // no longer watched
  profiler.stop();

  const std::vector<ProfileRow> rows = profiler.rows();
  const ProfileRow& matmul = row_of(rows, "matmul");
  EXPECT_EQ(matmul.calls, 3);
  EXPECT_EQ(matmul.flops, 3 * 2.0 * 8 * 16 * 4);
  EXPECT_EQ(matmul.bytes, 3 * 4.0 * (8 * 16 + 16 * 4 + 8 * 4));
  EXPECT_GT(matmul.seconds, 0);
  const ProfileRow& add = row_of(rows, "add");
  EXPECT_EQ(add.calls, 1);
  EXPECT_EQ(add.flops, 32);
  EXPECT_EQ(add.bytes, 4.0 * (32 + 4 + 32));  // the repeated bias is read once
  EXPECT_EQ(row_of(rows, "linear, backward").flops, 2 * 2.0 * 8 * 16 * 4);
  EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end(), [](const auto& x, const auto& y) { return x.share > y.share; }));

  const ProfileSummary summary = profiler.summary();
  double shares = 0;
  for (const ProfileRow& row : rows) shares += row.share;
  EXPECT_LE(shares, 1.0);
  EXPECT_NEAR(shares, summary.operations / summary.seconds, 1e-9);
  EXPECT_NEAR(summary.operations + summary.waiting + summary.between, summary.seconds, 1e-9);
  EXPECT_EQ(values(after), values(product));
}

TEST_P(Profile, WhatWasMadeWhileWatchedOutlivesTheProfiler) {
  Tensor x;
  {
    Profiler profiler(fast);
    x = zeros({1000}, on());
    x.fill_(3);
  }
  EXPECT_EQ(backends::active_router(), nullptr);
  EXPECT_EQ(values(x), Floats(1000, 3));
  EXPECT_NE(view_of(x).stamp.storage, 0u);
}

TEST_P(Profile, ProfilersNest) {
  Profiler outer(fast);
  {
    Profiler inner(fast);
    zeros({4}, on());
    inner.stop();
    EXPECT_EQ(row_of(inner.rows(), "zeros").calls, 1);
  }
  zeros({4}, on());
  outer.stop();
  EXPECT_EQ(row_of(outer.rows(), "zeros").calls, 1);  // the inner one had the other
}

TEST(ProfileVerdicts, FollowThePeaks) {
  const Tensor a = ones({200, 200}, serial()), big = ones({1 << 20}, serial());
  const auto bound = [&](MachinePeaks peaks, const char* operation) {
    Profiler profiler(peaks);
    ops::matmul(a, a, "matmul", CallSite::here());
    ops::clone(big, "clone", CallSite::here());
    profiler.stop();
    return row_of(profiler.rows(), operation).bound;
  };
  EXPECT_EQ(bound({1e3, 1e15}, "matmul"), Bound::compute);
  EXPECT_EQ(bound({1e15, 1e3}, "clone"), Bound::memory);
  EXPECT_EQ(bound({1e18, 1e18}, "matmul"), Bound::overhead);
  Profiler waiting(fast);
  zeros({4}, serial());
  waiting.add_wait(1000);
  waiting.stop();
  EXPECT_EQ(waiting.summary().bound, Bound::loader);
}

TEST(ProfileVerdicts, PeaksAreMeasuredWhenNotGiven) {
  Profiler profiler;
  ops::matmul(ones({64, 64}, cpu()), ones({64, 64}, cpu()), "matmul", CallSite::here());
  profiler.stop();
  EXPECT_GT(profiler.summary().peaks.flops_per_second, 1e8);
  EXPECT_GT(profiler.summary().peaks.bytes_per_second, 1e8);
  const std::string report = profiler.report();
  for (const char* words : {"operation", "matmul", "GFLOP/s", "between calls", "As a whole: ", "-bound", "Peaks"}) {
    EXPECT_NE(report.find(words), std::string::npos) << words << "\n" << report;
  }
}

TEST(ProfileVerdicts, NotInsideACapturedStep) {
  Tensor x = zeros({1}, serial());
  int calls = 0;
  expect_error<StateError>(ErrorCode::read_only, {"[Profiler]", "captured step"}, [&] {
    capture([&] {
      x.fill_(1);
      if (++calls == 2) Profiler profiler(fast);
    });
  });
}

}  // namespace
}  // namespace weft
