// What the harness makes of kernels that are right, in every order, and of the same kernels with a bug in them. A bug
// that AddressSanitizer finds ends the program, so it is looked for in a child process; the others are collected.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "cuda_on_cpu/harness_kernels.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/watch.h"

namespace weft_harness::test {
namespace {

/// Memory on the device, filled from the host and read back.
template <class T>
class Array {
 public:
  Array(cudaStream_t stream, std::size_t n) : stream_(stream), n_(n) {
    void* p = nullptr;
    EXPECT_EQ(cudaMallocAsync(&p, n * sizeof(T), stream), cudaSuccess);
    data_ = static_cast<T*>(p);
  }
  Array(cudaStream_t stream, const std::vector<T>& values) : Array(stream, values.size()) {
    EXPECT_EQ(cudaMemcpyAsync(data_, values.data(), n_ * sizeof(T), cudaMemcpyHostToDevice, stream), cudaSuccess);
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { cudaFreeAsync(data_, stream_); }
  T* data() const { return data_; }
  std::vector<T> read() const {
    std::vector<T> values(n_);
    EXPECT_EQ(cudaMemcpyAsync(values.data(), data_, n_ * sizeof(T), cudaMemcpyDeviceToHost, stream_), cudaSuccess);
    return values;
  }

 private:
  cudaStream_t stream_;
  T* data_ = nullptr;
  std::size_t n_;
};

class Kernels : public testing::TestWithParam<Order> {
 protected:
  void SetUp() override {
    settings().order = GetParam();
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  }
  void TearDown() override {
    cudaStreamDestroy(stream);
    settings().order = Order::forward;
  }
  cudaStream_t stream = nullptr;
};

std::vector<int> counted(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

TEST_P(Kernels, ThatAreRightGiveTheRightResult) {
  Array<int> a(stream, counted(100));
  launch_reverse(a.data(), 100, 0, stream);
  std::vector<int> expected = counted(100);
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(a.read(), expected);

  const std::vector<float> x(1000, 1.5f);
  Array<float> in(stream, x), sum(stream, 1);
  launch_block_sum(in.data(), sum.data(), 1000, 0, stream);
  EXPECT_EQ(sum.read()[0], 1500);

  std::vector<float> matrix(16 * 48);
  std::iota(matrix.begin(), matrix.end(), 0.f);
  Array<float> from(stream, matrix), to(stream, matrix.size());
  launch_tile(from.data(), to.data(), 48, 0, stream);
  const std::vector<float> turned = to.read();
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 48; ++j) ASSERT_EQ(turned[j * 16 + i], matrix[i * 48 + j]);
  }

  std::vector<int> marks(300);
  for (std::size_t i = 0; i < marks.size(); ++i) marks[i] = static_cast<int>(i % 4);
  Array<int> values(stream, marks), bins(stream, std::vector<int>(4, 0));
  launch_histogram(values.data(), bins.data(), 300, 0, stream);
  EXPECT_EQ(bins.read(), std::vector<int>(4, 150));  // two blocks count the same

  Array<int> exchanged(stream, 32);
  launch_warp_exchange(exchanged.data(), 0, stream);
  EXPECT_EQ(exchanged.read()[3], 28);

  Array<int> four(stream, std::vector<int>{1, 2, 3, 4}), partial(stream, 4), total(stream, 1);
  Array<unsigned> ticket(stream, std::vector<unsigned>{0});
  launch_last_block_sums(four.data(), partial.data(), ticket.data(), total.data(), 0, stream);
  EXPECT_EQ(total.read()[0], 10);

  Array<unsigned> votes(stream, 7);
  launch_votes(votes.data(), stream);
  EXPECT_EQ(votes.read(), (std::vector<unsigned>{0xAAAAAAAAu, 0xFF00u, 5, 1, 0, 8, 2}));
}

INSTANTIATE_TEST_SUITE_P(Orders, Kernels, testing::Values(Order::forward, Order::reverse, Order::random),
                         [](const auto& p) {
                           return p.param == Order::forward   ? "forward"
                                  : p.param == Order::reverse ? "reverse"
                                                              : "random";
                         });

/// Runs `work` with a stream and returns whether the harness reported `part`. With AddressSanitizer a bad access ends
/// the program: `traps` says what it prints.
class Bugs : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess); }
  template <class F>
  void expect_report(const std::string& part, F&& work) {
    Collect collect;
    work();
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    EXPECT_TRUE(collect.has(part)) << "no report has '" << part << "'; the first of " << collect.reports().size()
                                   << ": " << (collect.reports().empty() ? "none" : collect.reports()[0]);
  }
  /// Only the race hooks see it, and what it does depends on the order.
  template <class F>
  void expect_race(F&& work) {
    if (!race_hooks) GTEST_SKIP() << "the race hooks are in the build cuda-on-cpu-races";
    expect_report("race: ", work);
  }
  /// A bad access: ended by AddressSanitizer, or reported by the hooks.
  template <class F>
  void expect_bad_access(const std::string& part, F&& work) {
    if (race_hooks) return expect_report(part, work);
    if (!address_sanitizer) GTEST_SKIP() << "neither AddressSanitizer nor the race hooks are in this build";
    EXPECT_DEATH(
        {
          work();
          cudaStreamSynchronize(stream);
        },
        "AddressSanitizer|runtime error: ");
  }
  cudaStream_t stream = nullptr;
};

TEST_F(Bugs, DivergentBarrier) {
  Array<int> a(stream, 32);
  expect_report("divergent barrier: thread (0, 0, 0) waits at harness_kernels.cu",
                [&] { launch_divergent(a.data(), 1, stream); });
}

TEST_F(Bugs, EarlyExit) {
  Array<int> a(stream, 32);
  expect_report("early exit: 1 of 32 threads (thread (3, 0, 0) is one) have returned",
                [&] { launch_divergent(a.data(), 2, stream); });
}

TEST_F(Bugs, DivergentWarp) {
  Array<int> a(stream, 32);
  expect_report("divergent warp: thread (0, 0, 0) waits at harness_kernels.cu",
                [&] { launch_divergent(a.data(), 3, stream); });
}

TEST_F(Bugs, LaneNotInItsMask) {
  Array<float> x(stream, std::vector<float>(256, 1)), y(stream, 1);
  expect_report("is not in its own mask", [&] { launch_block_sum(x.data(), y.data(), 256, 2, stream); });
}

TEST_F(Bugs, MissingBarrierGivesAnotherResultInSomeOrder) {
  int wrong = 0;
  for (const Order order : {Order::forward, Order::reverse, Order::random}) {
    settings().order = order;
    const Collect quiet;  // the hooks see it as a race
    Array<int> a(stream, counted(64));
    launch_reverse(a.data(), 64, 1, stream);
    std::vector<int> expected = counted(64);
    std::reverse(expected.begin(), expected.end());
    wrong += a.read() != expected ? 1 : 0;
  }
  settings().order = Order::forward;
  EXPECT_GT(wrong, 0);
}

TEST_F(Bugs, RaceBeforeTheBarrier) {
  Array<float> x(stream, std::vector<float>(16 * 32, 1)), y(stream, 16 * 32);
  expect_race([&] { launch_tile(x.data(), y.data(), 32, 1, stream); });
}

TEST_F(Bugs, RaceBehindTheBarrier) {
  Array<float> x(stream, std::vector<float>(16 * 32, 1)), y(stream, 16 * 32);
  expect_race([&] { launch_tile(x.data(), y.data(), 32, 2, stream); });
}

TEST_F(Bugs, LostUpdate) {
  Array<int> x(stream, std::vector<int>(200, 1)), bins(stream, std::vector<int>(4, 0));
  expect_race([&] { launch_histogram(x.data(), bins.data(), 200, 1, stream); });
}

TEST_F(Bugs, MissingSyncwarp) {
  Array<int> a(stream, 32);
  expect_race([&] { launch_warp_exchange(a.data(), 1, stream); });
}

TEST_F(Bugs, TwoBlocksWriteOneElement) {
  Array<int> a(stream, 4);
  expect_race([&] { launch_blocks_write(a.data(), 1, stream); });
}

TEST_F(Bugs, MissingFenceBeforeTheTicket) {
  Array<int> four(stream, std::vector<int>{1, 2, 3, 4}), partial(stream, 4), total(stream, 1);
  Array<unsigned> ticket(stream, std::vector<unsigned>{0});
  expect_race([&] { launch_last_block_sums(four.data(), partial.data(), ticket.data(), total.data(), 1, stream); });
}

TEST_F(Bugs, WriteBehindTheBlock) {
  Array<float> x(stream, std::vector<float>(64, 1)), y(stream, 63);
  expect_bad_access("out of bounds: write of 4 bytes at 0 bytes behind block",
                    [&] { launch_saxpy(x.data(), y.data(), 64, 0, stream); });
}

TEST_F(Bugs, WriteBeforeTheBlock) {
  Array<float> x(stream, std::vector<float>(64, 1)), y(stream, 64);
  expect_bad_access("4 bytes before block", [&] { launch_saxpy(x.data(), y.data(), 64, 2, stream); });
}

TEST_F(Bugs, ReadBehindSharedMemory) {
  Array<float> x(stream, std::vector<float>(16 * 16, 1)), y(stream, 16 * 16);
  expect_bad_access("of the block's shared memory", [&] { launch_tile(x.data(), y.data(), 16, 3, stream); });
}

TEST_F(Bugs, DynamicSharedMemoryTooShort) {
  Array<int> a(stream, 1);
  expect_bad_access("of the block's shared memory", [&] { launch_dynamic(a.data(), 100, 99 * sizeof(int), stream); });
}

TEST_F(Bugs, UseAfterFree) {
  int* p = nullptr;
  ASSERT_EQ(cudaMallocAsync(reinterpret_cast<void**>(&p), 64, stream), cudaSuccess);
  Array<int> a(stream, 1);
  expect_bad_access("(freed)", [&] {
    cudaFreeAsync(p, stream);
    launch_touch(p, a.data(), stream);
  });
}

TEST_F(Bugs, NullPointer) {
  Array<float> y(stream, 64);
  if (race_hooks) {
    EXPECT_DEATH(
        {
          launch_saxpy(y.data(), y.data(), 64, 3, stream);
          cudaStreamSynchronize(stream);
        },
        "null pointer: a kernel touches address");
  } else {
    EXPECT_DEATH(
        {
          launch_saxpy(y.data(), y.data(), 64, 3, stream);
          cudaStreamSynchronize(stream);
        },
        "");
  }
}

TEST_F(Bugs, UninitialisedMemory) {
  if (!race_hooks) GTEST_SKIP() << "the race hooks are in the build cuda-on-cpu-races";
  Array<int> from(stream, 4), to(stream, 1);
  expect_report("uninitialised: read of 4 bytes at byte 0 of block",
                [&] { launch_touch(from.data(), to.data(), stream); });
}

TEST_F(Bugs, UninitialisedMemoryIsPoisoned) {
  Array<int> from(stream, 4);
  EXPECT_EQ(from.read()[0], -1);
}

TEST_F(Bugs, KernelReadsHostMemory) {
  if (!race_hooks) GTEST_SKIP() << "the race hooks are in the build cuda-on-cpu-races";
  const auto on_heap = std::make_unique<int>(7);
  Array<int> to(stream, 1);
  expect_report("host memory: a kernel reads 4 bytes", [&] { launch_touch(on_heap.get(), to.data(), stream); });
}

TEST_F(Bugs, HostReadsDeviceMemory) {
  Array<int> a(stream, std::vector<int>{1});
  cudaStreamSynchronize(stream);
  EXPECT_DEATH(
      {
        if (*static_cast<volatile int*>(a.data()) == 1) std::fprintf(stderr, "it was readable\n");
        std::exit(0);
      },
      "");
}

TEST_F(Bugs, TooMuchStaticSharedMemory) {
  Array<int> a(stream, 1);
  expect_report("shared memory: 65536 static bytes with 'second'", [&] { launch_big_static(a.data(), stream); });
}

TEST_F(Bugs, Trap) {
  Array<int> a(stream, std::vector<int>{0});
  expect_report("trap at harness_kernels.cu", [&] { launch_trap(a.data(), stream); });
}

TEST_F(Bugs, LaunchLimits) {
  const auto refused = [&](const std::string& part, dim3 grid, dim3 block, std::size_t shared) {
    expect_report(part, [&] { launch_shape(grid, block, shared, stream); });
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  };
  refused("1056 threads in a block", 1, dim3(33, 32), 0);
  refused("an empty grid", 0, 32, 0);
  refused("a grid of (1, 65536, 1) blocks", dim3(1, 65536), 32, 0);
  refused("49153 bytes of dynamic shared memory", 1, 32, 48 * 1024 + 1);
}

TEST_F(Bugs, ReportsNameKernelBlockAndThread) {
  Array<int> a(stream, std::vector<int>{0});
  expect_report("traps(int*), block (0, 0, 0), thread (0, 0, 0)", [&] { launch_trap(a.data(), stream); });
}

}  // namespace
}  // namespace weft_harness::test
