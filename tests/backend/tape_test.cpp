#include <gtest/gtest.h>

#include <thread>

#include <weft/backends/registry.h>
#include <weft/backends/tape.h>
#include <weft/core/error.h>

#include "backend/contract_support.h"
#include "backend/toy_backend.h"

namespace weft::contract_test {
namespace {

using backends::active;
using backends::active_tape;
using backends::contiguous_view;
using backends::RandomKey;
using backends::Tape;
using backends::TapePtr;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class TapeTest : public OnEveryBackend {};

template <class F>
std::string refusal(F f) {
  try {
    f();
    ADD_FAILURE() << "not refused";
  } catch (const StateError& error) {
    EXPECT_EQ(error.code(), ErrorCode::read_only);
    EXPECT_TRUE(contains(error.what(), "[capture]")) << error.what();
    return error.what();
  }
  return "";
}

TEST_P(TapeTest, RecordingExecutesNothingAndReplayDoes) {
  const Block x(backend(), DType::float32, Array({4}, {1, 2, 3, 4}));
  const TapePtr tape = Tape::make(backend());
  {
    const Tape::Recording recording(*tape);
    EXPECT_EQ(active_tape(), tape.get());
    EXPECT_EQ(&active(backend()), tape.get());
    active(backend()).binary(BinaryOp::mul, x.view(), Number(2.0), x);
    active(backend()).binary(BinaryOp::add, x.view(), Number(1.0), x);
  }
  EXPECT_EQ(active_tape(), nullptr);
  EXPECT_EQ(&active(backend()), &backend());
  EXPECT_EQ(tape->recorded_calls(), 2u);
  EXPECT_TRUE(x.untouched());
  tape->replay(0);
  EXPECT_TRUE(x.untouched());
  tape->replay(1);
  expect_equal(x.read(), Array({4}, {3, 5, 7, 9}));
  tape->replay(2);
  expect_equal(x.read(), Array({4}, {15, 23, 31, 39}));
}

TEST_P(TapeTest, ArgumentsAndSpansAreCopied) {
  const Block p(backend(), DType::float32, Array({2}, {1, 2})), g(backend(), DType::float32, Array({2}, {1, 1}));
  const Block lr(backend(), DType::float64, Array({}, 0.5)), t(backend(), DType::float64, Array({}, 1));
  const Block squares(backend(), DType::float64, Array({}, 0.0));
  const TapePtr tape = Tape::make(backend());
  {
    const Tape::Recording recording(*tape);
    backends::OptimArgs args;
    args.lr = lr;
    args.step = t;
    std::vector<backends::OptimSlot> slots = {{p.view(), g.view(), {}, {}}};
    std::vector<TensorView> views = {p.view(), g.view()};
    active(backend()).optimise(args, slots);
    active(backend()).sum_squares(views, squares);
    args.lr = Number(100.0);  // what was recorded does not see it
    slots.clear();
    views.clear();
  }
  tape->replay(1);
  expect_equal(p.read(), Array({2}, {0.5, 1.5}));
  expect_equal(squares.read(), Array({}, 0.25 + 2.25 + 2));
}

TEST_P(TapeTest, RecordedViewsCarryNoStamp) {
  class Watcher final : public ToyBackend {
   public:
    void copy(const TensorView& in, const TensorView& out) override {
      EXPECT_EQ(in.stamp.storage, 0u);
      EXPECT_EQ(out.stamp.storage, 0u);
      ++copies;
      ToyBackend::copy(in, out);
    }
    int copies = 0;
  } watcher;
  const Block x(watcher, DType::float32, Array({2}, 1)), y(watcher, DType::float32, Shape{2});
  TensorView stamped = x;
  stamped.stamp = {7, 3};
  const TapePtr tape = Tape::make(watcher);
  {
    const Tape::Recording recording(*tape);
    active(watcher).copy(stamped, y);
  }
  tape->replay(2);
  EXPECT_EQ(watcher.copies, 2);
}

TEST_P(TapeTest, WhatWouldFreezeAHostValueIsRefusedByName) {
  const Block x(backend(), DType::float32, Array({2}, 1));
  Backend& other = backends::backend_for(GetParam() == "serial" ? register_toy() : serial());
  const TapePtr tape = Tape::make(backend());
  const Tape::Recording recording(*tape);
  Backend& b = active(backend());
  b.tag({"item", "train.cpp", 9});
  float host = 0;
  const std::string item = refusal([&] { b.copy_out(&host, x.view().data, sizeof host); });
  EXPECT_TRUE(contains(item, "item() inside a captured step")) << item;
  EXPECT_TRUE(contains(item, "train.cpp:9")) << item;
  EXPECT_TRUE(contains(refusal([&] { b.copy_in(x.view().data, &host, sizeof host); }), "from the host"));
  EXPECT_TRUE(contains(refusal([&] { b.copy_in_async(x.view().data, &host, sizeof host); }), "from the host"));
  EXPECT_TRUE(contains(refusal([&] { b.synchronise(); }), "synchronise()"));
  EXPECT_TRUE(contains(refusal([&] { b.wait(nullptr); }), "waiting"));
  EXPECT_TRUE(contains(refusal([&] { b.allocate_pinned(8); }), "pinned"));
  EXPECT_TRUE(contains(refusal([&] { active(other); }), "one step runs on one device"));
  const std::vector<backends::OptimSlot> slots = {{x.view(), x.view(), {}, {}}};
  EXPECT_TRUE(contains(refusal([&] { b.optimise({}, slots); }), "learning rate"));
  const Block lr(other, DType::float64, Shape{});
  backends::OptimArgs args;
  args.lr = lr;
  EXPECT_TRUE(contains(refusal([&] { b.optimise(args, slots); }), "step count"));
  EXPECT_TRUE(contains(refusal([&] { b.random(RandomKind::uniform, RandomKey{1, 2, nullptr}, x); }), "random"));
  EXPECT_TRUE(contains(refusal([&] { b.dropout(0.5, RandomKey{1, 2, nullptr}, x, x); }), "random"));
  EXPECT_TRUE(contains(refusal([&] { tape->replay(1); }), "replay"));
  const TapePtr second = Tape::make(backend());
  EXPECT_TRUE(contains(refusal([&] { const Tape::Recording inner(*second); }), "another"));
  EXPECT_EQ(tape->recorded_calls(), 0u);
  EXPECT_FALSE(b.begin_capture());
  b.tag({});
}

TEST_P(TapeTest, ATapeIsRecordedOnce) {
  const TapePtr tape = Tape::make(backend());
  { const Tape::Recording recording(*tape); }
  EXPECT_TRUE(contains(refusal([&] { const Tape::Recording again(*tape); }), "recorded already"));
  tape->replay(3);  // nothing, three times
}

TEST_P(TapeTest, MemoryOfTheRecordingIsReusedByLifetime) {
  const TapePtr tape = Tape::make(backend());
  const Tape::Recording recording(*tape);
  Backend& b = active(backend());
  void* first = b.allocate(4096);
  b.free(first, 4096);
  void* second = b.allocate(4000);  // fits, and the first is free
  EXPECT_EQ(second, first);
  void* third = b.allocate(4096);  // the first is taken again
  EXPECT_NE(third, first);
  EXPECT_EQ(tape->arena_bytes(), 2 * 4096u);
  b.free(second, 4000);
  void* small = b.allocate(16);  // not out of a block 256 times its size
  EXPECT_NE(small, first);
  b.free(third, 4096);
  b.free(small, 16);
  b.free(nullptr, 0);
}

TEST_P(TapeTest, WhatAnotherThreadFreesIsNotReused) {  // its order among the recorded calls is unknown
  const TapePtr tape = Tape::make(backend());
  const Tape::Recording recording(*tape);
  void* block = active(backend()).allocate(512);
  std::thread([&] { tape->free(block, 512); }).join();
  void* other = active(backend()).allocate(512);
  EXPECT_NE(other, block);
  active(backend()).free(other, 512);
}

TEST_P(TapeTest, WhatIsFreedAfterTheRecordingIsLeftToTheReplays) {
  const TapePtr tape = Tape::make(backend());
  void* block = nullptr;
  {
    const Tape::Recording recording(*tape);
    block = active(backend()).allocate(256);
    active(backend()).fill(contiguous_view(block, DType::float32, {64}), Number(5.0));
  }
  const std::size_t before = tape->arena_bytes();
  tape->free(block, 256);
  EXPECT_EQ(tape->arena_bytes(), before);
  void* eager = tape->allocate(256);  // not recording: the target's own
  EXPECT_NE(eager, block);
  tape->replay(1);  // writes to the block: still the tape's
  tape->free(eager, 256);
}

TEST_P(TapeTest, ABlockOutlivesTheTapePtr) {
  TapePtr tape = Tape::make(backend());
  Tape* raw = tape.get();
  TensorView loss;
  {
    const Tape::Recording recording(*tape);
    loss = contiguous_view(active(backend()).allocate(64), DType::float32, {16});
    active(backend()).fill(loss, Number(3.0));
  }
  tape->replay(1);
  tape.reset();
  EXPECT_EQ(to_host<float>(backend(), loss), std::vector<float>(16, 3.0f));
  raw->free(loss.data, 64);  // the last one: the tape goes with it
}

TEST_P(TapeTest, MemoryFreedWhileRecordingStaysForTheReplays) {
  auto* x = static_cast<float*>(backend().allocate(64));
  backend().fill(contiguous_view(x, DType::float32, {16}), Number(2.0));
  const Block out(backend(), DType::float32, Shape{16});
  const TapePtr tape = Tape::make(backend());
  {
    const Tape::Recording recording(*tape);
    active(backend()).copy(contiguous_view(x, DType::float32, {16}), out);
    active(backend()).free(x, 64);  // the last owner goes, the recorded copy remains
  }
  std::vector<void*> others;
  for (int i = 0; i < 4; ++i) {
    others.push_back(backend().allocate(64));
    EXPECT_NE(others.back(), x);
    backend().fill(contiguous_view(others.back(), DType::float32, {16}), Number(9.0));
  }
  tape->replay(1);
  expect_equal(out.read(), Array({16}, 2));
  for (void* p : others) backend().free(p, 64);
}

TEST_P(TapeTest, OtherThreadsAreNotRecorded) {
  const Block x(backend(), DType::float32, Array({3}, 1));
  const TapePtr tape = Tape::make(backend());
  const Tape::Recording recording(*tape);
  std::thread([&] {
    EXPECT_EQ(active_tape(), nullptr);
    EXPECT_EQ(&active(backend()), &backend());
    tape->binary(BinaryOp::add, x.view(), Number(1.0), x);  // through the tape, but from here: executed
  }).join();
  EXPECT_EQ(tape->recorded_calls(), 0u);
  EXPECT_EQ(&active(backend()), tape.get());
}

TEST_P(TapeTest, ReplaysAdvanceTheDrawsOfEachGenerator) {
  const Block a(backend(), DType::float32, Shape{9}), b(backend(), DType::float32, Shape{9});
  const Block c(backend(), DType::float32, Array({9}, 1));
  const TapePtr tape = Tape::make(backend());
  const std::uint64_t* one = nullptr;
  const std::uint64_t* two = nullptr;
  {
    const Tape::Recording recording(*tape);
    Backend& on = active(backend());
    one = tape->make_draw_base();
    two = tape->make_draw_base();
    on.random(RandomKind::uniform, {5, 100, one}, a);
    on.random(RandomKind::uniform, {5, 101, one}, a);
    on.dropout(0.5, {5, 102, one}, c, b);
    on.dropout(0.5, {5, 102, one}, c, b);  // its backward draws the same again
    on.random(RandomKind::normal, {6, 7, two}, c);
  }
  EXPECT_EQ(tape->draws_per_replay(one), 3u);
  EXPECT_EQ(tape->draws_per_replay(two), 1u);
  EXPECT_EQ(tape->draws_per_replay(nullptr), 0u);
  tape->replay(1);
  const Array first = a.read();
  tape->replay(4);
  const Block eager(backend(), DType::float32, Shape{9});
  backend().random(RandomKind::uniform, {5, 101, nullptr}, eager);
  expect_equal(first, eager.read());
  backend().random(RandomKind::uniform, {5, 101 + 4 * 3, nullptr}, eager);
  expect_equal(a.read(), eager.read());
  backend().random(RandomKind::normal, {6, 7 + 4, nullptr}, eager);
  expect_equal(c.read(), eager.read());
  EXPECT_THROW(tape->make_draw_base(), StateError);
}

TEST_P(TapeTest, ErrorsOfAReplayNameTheRecordedCall) {
  const Block table(backend(), DType::float32, Array({3}, 1)), index(backend(), DType::int64, Array({2}, {0, 7}));
  const Block out(backend(), DType::float32, Shape{2}), behind(backend(), DType::float32, Array({2}, 4));
  const TapePtr tape = Tape::make(backend());
  {
    const Tape::Recording recording(*tape);
    active(backend()).tag({"embedding", "net.cpp", 31});
    active(backend()).gather(table, 0, index, out);
    active(backend()).tag({"fill", "net.cpp", 32});
    active(backend()).fill(behind, Number(0.0));
  }
  backend().tag({"outside", "main.cpp", 1});
  try {
    tape->replay(1);
    backend().synchronise();
    ADD_FAILURE() << "index 7 of 3 was accepted";
  } catch (const IndexError& error) {
    EXPECT_TRUE(contains(error.what(), "[embedding]")) << error.what();
    EXPECT_TRUE(contains(error.what(), "net.cpp:31")) << error.what();
  }
  EXPECT_TRUE(behind.untouched());
  EXPECT_STREQ(backends::current_tag().name, "outside");
  backend().tag({});
}

TEST_P(TapeTest, EveryFunctionOfTheContractIsRecorded) {
  const Shape s = {2, 2};
  const Block x(backend(), DType::float32, Array(s, 1)), y(backend(), DType::float32, Array(s, 1));
  const Block v(backend(), DType::float32, Array({2}, 1)), u(backend(), DType::float32, Array({2}, 1));
  const Block m(backend(), DType::float32, Array({2}, 1)), r(backend(), DType::float32, Array({2}, 1));
  const Block z(backend(), DType::float32, Array({2, 2, 1}, 1)), i(backend(), DType::int64, Array({2}, 0));
  const Block k(backend(), DType::int64, Array(s, 0)), c(backend(), DType::boolean, Array(s, 1));
  const Block column(backend(), DType::float32, Array({2, 1}, 1)), where(backend(), DType::int64, Array({2, 1}, 0));
  const Block lr(backend(), DType::float64, Array({}, 1)), bytes(backend(), DType::uint8, Array(s, 1));
  const TapePtr tape = Tape::make(backend());
  {
    const Tape::Recording recording(*tape);
    Backend& b = active(backend());
    const RandomKey key{1, 2, tape->make_draw_base()};
    b.fill(x, Number(1));
    b.copy(x, y);
    b.unary(UnaryOp::neg, {}, x, y);
    b.binary(BinaryOp::add, x, y, y);
    b.where(c, x, y, y);
    b.reduce(ReduceOp::sum, x, column);
    b.arg_reduce(ArgReduceOp::argmax, x, 1, where);
    b.matmul(x, x, y, false);
    b.gather(x, 0, k, y);
    b.scatter_add(x, 0, k, y);
    b.random(RandomKind::uniform, key, y);
    b.scan(ScanOp::sum, x, 0, y);
    b.topk(x, 1, true, column, where);
    b.softmax(false, x, 1, y);
    b.softmax_backward(false, x, x, 1, y);
    b.cross_entropy({}, x, i, {}, v, y);
    b.layer_norm({}, x, v, u, y, m, r);
    b.layer_norm_backward(x, x, v, m, r, y, v, u);
    b.batch_norm({}, z, v, u, m, r, z, v, u);
    b.batch_norm_backward(z, z, v, m, r, z, v, u);
    b.dropout(0.5, key, x, y);
    b.linear(backends::Activation::relu, x, x, v, y, nullptr);
    b.linear_backward(backends::Activation::none, x, y, nullptr, x, x, backends::Activation::none, nullptr, y, {}, {});
    backends::OptimArgs args;
    args.lr = lr;
    args.step = lr;
    b.optimise(args, std::vector<backends::OptimSlot>{{x, y, {}, {}}});
    b.sum_squares(std::vector<TensorView>{x}, lr);
    b.gather_batch({}, bytes, {}, i, y, {});
    b.conv({}, {}, x, x, y);
    b.pool({}, x, y, {});
    b.pool_backward({}, x, y, y, {}, y);
  }
  EXPECT_EQ(tape->recorded_calls(), 29u);
  for (const Block* block : {&x, &y, &v, &u, &m, &r, &z, &i, &k, &column, &where, &lr}) EXPECT_TRUE(block->untouched());
}

WEFT_ON_EVERY_BACKEND(TapeTest);

}  // namespace
}  // namespace weft::contract_test
