#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tensor/tensor_test.h"

#include <weft/backends/tape.h>

namespace weft {
namespace {

using namespace weft::testing;

std::size_t live_bytes() { return backends::backend_for(serial()).memory().live; }

TEST(Lifetime, CopiesAreTheSameTensor) {
  const Tensor a = zeros({2, 3}, serial());
  const Tensor b = a;  // NOLINT(performance-unnecessary-copy-initialization)
  EXPECT_TRUE(a.is_same(b));
  EXPECT_TRUE(a.shares_storage(b));
  EXPECT_EQ(a.impl()->refs.load(), 2u);
}

TEST(Lifetime, MovedFromIsUndefined) {
  Tensor a = zeros({2}, serial());
  const Tensor b = std::move(a);
  EXPECT_FALSE(a.defined());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(b.impl()->refs.load(), 1u);
}

TEST(Lifetime, AssignmentToItselfKeepsTheTensor) {
  Tensor a = ones({2}, serial());
  Tensor& same = a;
  a = same;
  EXPECT_EQ(a.impl()->refs.load(), 1u);
  a = std::move(same);
  ASSERT_TRUE(a.defined());
  EXPECT_EQ(values(a), (Floats{1, 1}));
}

TEST(Lifetime, AViewKeepsTheStorage) {
  const std::size_t before = live_bytes();
  Tensor row;
  {
    const Tensor x = from_vector(Floats{1, 2, 3, 4}, {2, 2}, serial());
    row = ops::select(x, 0, 1, "select", here);
    EXPECT_TRUE(row.shares_storage(x));
    EXPECT_FALSE(row.is_same(x));
    EXPECT_EQ(x.impl()->storage->refs.load(), 2u);
  }
  EXPECT_EQ(row.impl()->storage->refs.load(), 1u);
  EXPECT_EQ(values(row), (Floats{3, 4}));
  EXPECT_EQ(live_bytes() - before, 4 * sizeof(float));
  row = {};
  EXPECT_EQ(live_bytes(), before);
}

TEST(Lifetime, AssigningOverATensorFreesIt) {
  const std::size_t before = live_bytes();
  Tensor a = zeros({1000}, serial());
  a = zeros({10}, serial());
  EXPECT_EQ(live_bytes() - before, 10 * sizeof(float));
}

TEST(Lifetime, NothingLeaksWhenAFamilyThrows) {
  const std::size_t before = live_bytes();
  const Tensor x = from_vector(Floats{1, 2, 3}, {3}, serial());
  const Tensor index = from_vector(Ints{0, 9}, {2}, serial());
  for (int i = 0; i < 10; ++i) {
    EXPECT_THROW(ops::index_select(x, 0, index, "index_select", here), IndexError);
  }
  EXPECT_EQ(live_bytes() - before, 3 * sizeof(float) + 2 * sizeof(std::int64_t));
}

TEST(Lifetime, MetaDiesWithTheTensor) {
  struct Meta : AutogradMeta {
    explicit Meta(int* count) : died(count) {}
    ~Meta() override { ++*died; }
    int* died;
  };
  int died = 0;
  {
    Tensor a = zeros({1}, serial());
    a.impl()->meta = std::make_unique<Meta>(&died);
    const Tensor b = a;
    a = {};
    EXPECT_EQ(died, 0);
  }
  EXPECT_EQ(died, 1);
}

TEST(Lifetime, StorageIdsAreNeverTheSame) {
  const Tensor a = zeros({1}, serial());
  std::uint64_t last = a.impl()->storage->id;
  EXPECT_NE(last, 0u);
  for (int i = 0; i < 100; ++i) {
    const Tensor b = zeros({1}, serial());
    EXPECT_GT(b.impl()->storage->id, last);
    last = b.impl()->storage->id;
  }
}

TEST(Lifetime, NothingIsAllocatedForNoElements) {
  const std::size_t before = live_bytes();
  const Tensor a = zeros({0, 5}, serial());
  EXPECT_EQ(live_bytes(), before);
  EXPECT_EQ(a.data<float>(), nullptr);
  EXPECT_TRUE(values(a).empty());
}

// Copies, views and drops from several threads on one storage: the counts must come out even (and TSan be content).
TEST(Lifetime, CountsAreSafeFromSeveralThreads) {
  const std::size_t before = live_bytes();
  {
    const Tensor shared = from_vector(Floats{1, 2, 3, 4}, {2, 2}, serial());
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 2000; ++i) {
          Tensor copy = shared;
          const Tensor row = ops::select(copy, 0, i % 2, "select", here);
          copy = {};
          const Tensor sum = ops::reduce(ReduceOp::sum, row, {}, false, "sum", here);
          if (sum.item<float>() != (i % 2 == 0 ? 3.0f : 7.0f)) ++wrong;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong.load(), 0);
    EXPECT_EQ(shared.impl()->refs.load(), 1u);
    EXPECT_EQ(shared.impl()->storage->refs.load(), 1u);
  }
  EXPECT_EQ(live_bytes(), before);
}

// The last reference goes away on another thread than the one that made the tensor.
TEST(Lifetime, ATensorMayDieOnAnotherThread) {
  const std::size_t before = live_bytes();
  for (int i = 0; i < 100; ++i) {
    Tensor x = zeros({16}, serial());
    Tensor other = x;
    std::thread thread([moved = std::move(x)]() mutable { moved = {}; });
    other = {};
    thread.join();
  }
  EXPECT_EQ(live_bytes(), before);
}

TEST(Lifetime, ATensorMadeWhileRecordingOutlivesTheTape) {
  const std::size_t before = live_bytes();
  {
    const Tensor x = from_vector(Floats{1, 2, 3}, {3}, serial());
    Tensor sum, later;
    {
      backends::TapePtr tape = backends::Tape::make(backends::backend_for(serial()));
      {
        const backends::Tape::Recording recording(*tape);
        Tensor squares = ops::binary(BinaryOp::mul, x, x, "mul", here);
        sum = ops::reduce(ReduceOp::sum, squares, {}, false, "sum", here);
        expect_error<StateError>(ErrorCode::read_only, {"item"}, [&] { (void)sum.item<float>(); });
      }
      tape->replay(1);
      EXPECT_EQ(sum.item<float>(), 14.0f);
      later = ops::binary(BinaryOp::mul, sum, 2, "mul", here);  // belongs to the backend, not to the tape
    }
    EXPECT_EQ(sum.item<float>(), 14.0f);
    sum = {};
    EXPECT_EQ(later.item<float>(), 28.0f);
    EXPECT_EQ(later.impl()->storage->owner, &backends::backend_for(serial()));
  }
  EXPECT_EQ(live_bytes(), before);
}

TEST(Lifetime, ATensorDroppedWhileRecordingIsKeptForTheReplay) {
  const std::size_t before = live_bytes();
  {
    Tensor x = from_vector(Floats{1, 2, 3}, {3}, serial());
    Tensor twice;
    backends::TapePtr tape = backends::Tape::make(backends::backend_for(serial()));
    {
      const backends::Tape::Recording recording(*tape);
      twice = ops::binary(BinaryOp::mul, x, 2, "mul", here);
      x = {};
    }
    const Tensor other = full({3}, 99, serial());  // would be given x's memory
    tape->replay(1);
    EXPECT_EQ(values(twice), (Floats{2, 4, 6}));
  }
  EXPECT_EQ(live_bytes(), before);
}

}  // namespace
}  // namespace weft
