// Captured steps below autograd: what is executed and what is recorded, host counters, versions, refusals.

#include "tensor/tensor_test.h"

#include <weft/backends/router.h>
#include <weft/tensor/capture.h>
#include <weft/tensor/step_script.h>

namespace weft {
namespace {

using namespace weft::testing;

class Capture : public OnEveryBackend {};
WEFT_ON_EVERY_BACKEND(Capture);

Tensor plus(const Tensor& x, double number) {
  return ops::binary(BinaryOp::add, x, Operand(number), "add", CallSite::here());
}

TEST_P(Capture, ExecutesOnceRecordsOnceAndReplays) {
  const Tensor x = counted({3});
  Tensor y;
  int calls = 0;
  CapturedStep step = capture([&] {
    ++calls;
    ops::binary_into(BinaryOp::mul, x, 2.0, "mul_", CallSite::here());
    y = plus(x, 1);
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(values(x), (Floats{0, 2, 4}));
  EXPECT_EQ(step.recorded_calls(), 2u);
  EXPECT_GE(step.memory_bytes(), 12u);
  step.replay();
  EXPECT_EQ(values(x), (Floats{0, 4, 8}));
  EXPECT_EQ(values(y), (Floats{1, 5, 9}));
  step.replay(0);
  step.replay(2);
  EXPECT_EQ(values(x), (Floats{0, 16, 32}));
  EXPECT_EQ(values(y), (Floats{1, 17, 33}));
  EXPECT_EQ(calls, 2);
  CapturedStep moved = std::move(step);
  moved.replay();
  EXPECT_EQ(values(y), (Floats{1, 33, 65}));
  expect_error<StateError>(ErrorCode::state_mismatch, {"[replay]", "moved from"}, [&] { step.replay(); });
  expect_error<ValueError>(ErrorCode::value_out_of_range, {"[replay]", "times is -1"}, [&] { moved.replay(-1); });
}

TEST_P(Capture, ResultsOutliveTheStep) {
  Tensor y;
  {
    const Tensor x = counted({3});
    CapturedStep step = capture([&] { y = plus(x, 1); });
    step.replay();
  }
  EXPECT_EQ(values(y), (Floats{1, 2, 3}));
}

TEST_P(Capture, DrawsGoOnAsIfTheStepWereCalled) {
  Generator eager(5), captured(5);
  std::vector<Floats> expected, actual;
  for (int i = 0; i < 4; ++i) {
    const Floats a = values(rand({9}, on(), eager)), b = values(randn({9}, on(), eager));
    expected.push_back(a);
    expected.push_back(b);
    if (i == 2) eager.next_draw();  // somebody else draws between two steps
  }
  Tensor a, b;
  CapturedStep step = capture([&] {
    a = rand({9}, on(), captured);
    b = randn({9}, on(), captured);
    if (actual.empty()) actual = {values(a), values(b)};  // the executed call
  });
  EXPECT_EQ(captured.draw(), 2u);
  for (int i = 1; i < 4; ++i) {
    step.replay();
    actual.push_back(values(a));
    actual.push_back(values(b));
    if (i == 2) captured.next_draw();
  }
  EXPECT_EQ(actual, expected);
  EXPECT_EQ(captured.draw(), eager.draw());
  captured.manual_seed(6);
  expect_error<StateError>(ErrorCode::state_mismatch, {"[replay]", "had seed 5", "has seed 6"}, [&] { step.replay(); });
  EXPECT_EQ(captured.draw(), 0u);
}

TEST_P(Capture, HostNumbersAreAskedForInOrder) {
  const Tensor x = zeros({1}, on(DType::float64));
  double rate = 1;
  CapturedStep step = capture([&] {
    StepScript* script = StepScript::recording();
    if (script == nullptr) return ops::binary_into(BinaryOp::add, x, rate++, "add_", CallSite::here());
    backends::TensorView word = script->number([&] { return rate; });
    script->act([&] { ++rate; }, [&] { --rate; });
    const backends::TensorView later = script->number([&] { return 100 * rate; });
    word.shape = {1};
    word.strides = {0};
    backends::TensorView second = later;
    second.shape = {1};
    second.strides = {0};
    backends::Backend& backend = ops::begin(x, "test", CallSite::here());
    backend.binary(BinaryOp::add, view_of(x), word, view_of(x));
    backend.binary(BinaryOp::add, view_of(x), second, view_of(x));
  });
  EXPECT_EQ(x.item(), 1);
  step.replay(2);  // 2 + 300, 3 + 400
  EXPECT_EQ(x.item(), 1 + 2 + 300 + 3 + 400);
  EXPECT_EQ(rate, 4);
}

TEST_P(Capture, VersionsRiseWithEveryReplay) {
  const Tensor x = counted({3});
  Tensor y;
  CapturedStep step = capture([&] {
    ops::fill(x, 1, "fill_", CallSite::here());
    y = plus(x, 1);
    ops::fill(y, 2, "fill_", CallSite::here());
  });
  EXPECT_EQ(view_of(y).stamp.storage, 0u);  // nothing may be kept of what replays write
  EXPECT_NE(view_of(x).stamp.storage, 0u);
  const std::uint64_t before = x.version();
  step.replay(3);
  EXPECT_EQ(x.version(), before + 3);
}

TEST_P(Capture, AFailedReplayTakesTheHostPartBack) {
  Generator g(1);
  const Tensor table = counted({4, 2});
  Tensor index = from_vector(std::vector<std::int64_t>{1, 2}, {2}, device());
  Tensor y, u;
  CapturedStep step = capture([&] {
    u = rand({2}, on(), g);
    y = ops::index_select(table, 0, index, "index_select", CallSite::here());
  });
  step.replay();
  EXPECT_EQ(values(y), (Floats{2, 3, 4, 5}));
  const std::uint64_t draw = g.draw();
  index.fill_(4);
  expect_error<IndexError>(ErrorCode::index_out_of_range, {"index_select", "4"}, [&] { step.replay(); });
  EXPECT_EQ(g.draw(), draw);
  index.fill_(0);
  step.replay();
  EXPECT_EQ(values(y), (Floats{0, 1, 0, 1}));
  EXPECT_EQ(g.draw(), draw + 1);
}

TEST_P(Capture, WhatWouldFreezeIsRefused) {
  const Tensor x = counted({3});
  const auto refuses = [&](std::initializer_list<std::string_view> words, const auto& f) {
    int calls = 0;
    expect_error<StateError>(ErrorCode::read_only, words, [&] {
      capture([&] {
        ops::fill(x, 1, "fill_", CallSite::here());
        if (++calls == 2) f();
      });
    });
    EXPECT_EQ(backends::active_tape(), nullptr);
    EXPECT_EQ(StepScript::recording(), nullptr);
  };
  refuses({"[capture]", "item()"}, [&] { return x.select(0, 0).item(); });
  refuses({"[capture]", "host"}, [&] { return from_vector(Floats{1, 2}, {2}, device()); });
  refuses({"[capture]", "host"}, [&] { return randperm(5, device()); });
  refuses({"[capture]", "inside a captured step", "one device"},
          [&] { return zeros({2}, device() == serial() ? cpu() : serial()); });
  refuses({"[capture]", "another"}, [&] { capture([] {}); });
}

TEST(CaptureArguments, AreChecked) {
  expect_error<ValueError>(ErrorCode::value_invalid, {"[capture]", "empty function"}, [] { capture({}); });
  expect_error<ValueError>(ErrorCode::value_invalid, {"[capture]", "no call on any device"}, [] { capture([] {}); });
}

TEST(CaptureArguments, ThrowsOfTheStepArriveAndLeaveNothingBehind) {
  const Tensor x = zeros({1}, serial());
  for (int when : {1, 2}) {
    int calls = 0;
    EXPECT_THROW(capture([&] {
                   ops::fill(x, when, "fill_", CallSite::here());
                   if (++calls == when) throw std::runtime_error("mine");
                 }),
                 std::runtime_error);
    EXPECT_EQ(backends::active_router(), nullptr);
    EXPECT_EQ(x.item(), when);
  }
}

}  // namespace
}  // namespace weft
