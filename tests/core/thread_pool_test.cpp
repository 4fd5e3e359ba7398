#include <weft/core/thread_pool.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/core/error.h>
#include <weft/core/subnormals.h>

namespace weft {
namespace {

using std::int64_t;

class ThreadPool : public ::testing::Test {
 protected:
  void SetUp() override { alarm(120); }  // a deadlock ends the program instead of the day
  void TearDown() override {
    set_num_threads(2);
    alarm(0);
  }
};

constexpr Schedule schedules[] = {Schedule::dynamic_queue, Schedule::static_split};

TEST_F(ThreadPool, EveryChunkExactlyOnce) {
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    for (Schedule schedule : schedules) {
      for (int64_t n : {0, 1, 2, 7, 64, 100, 1000, 4097}) {
        for (int64_t chunk : {1, 3, 64, 1000, 5000}) {
          std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
          std::atomic<bool> bad_border{false};
          parallel_for(
              n, chunk,
              [&](int64_t begin, int64_t end) {
                if (begin % chunk != 0 || end != std::min(begin + chunk, n) || begin >= end) bad_border = true;
                for (int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
              },
              schedule);
          EXPECT_FALSE(bad_border);
          for (const std::atomic<int>& count : seen) ASSERT_EQ(count, 1) << n << " by " << chunk << " on " << threads;
        }
      }
    }
  }
}

TEST_F(ThreadPool, HugeExtentsDoNotOverflow) {
  set_num_threads(2);
  constexpr int64_t n = INT64_MAX;
  std::atomic<int64_t> sum{0}, calls{0};
  for (Schedule schedule : schedules) {
    parallel_for(
        n, n / 3,
        [&](int64_t begin, int64_t end) {
          sum += (end - begin) / 4;
          ++calls;
        },
        schedule);
  }
  EXPECT_EQ(calls, 2 * 4);
  EXPECT_NEAR(static_cast<double>(sum), 0.5 * static_cast<double>(n), 1e6);
}

TEST_F(ThreadPool, StaticSplitGivesContiguousRuns) {
  set_num_threads(4);
  constexpr int64_t chunks = 103;
  std::vector<std::thread::id> owner(chunks);
  parallel_for(
      chunks, 1, [&](int64_t i, int64_t) { owner[static_cast<std::size_t>(i)] = std::this_thread::get_id(); },
      Schedule::static_split);
  // Four runs of 26, 26, 26 and 25; a thread may own several, but none is shared.
  for (const auto& [first, last] : {std::pair{0, 26}, {26, 52}, {52, 78}, {78, 103}}) {
    for (int i = first; i < last; ++i)
      EXPECT_EQ(owner[static_cast<std::size_t>(i)], owner[static_cast<std::size_t>(first)]);
  }
}

TEST_F(ThreadPool, SeveralThreadsReallyWorkTogether) {
  set_num_threads(3);
  for (Schedule schedule : schedules) {
    // Each of the three chunks waits for the others, so this ends only if three threads are in it at once.
    std::atomic<int> arrived{0};
    parallel_for(
        3, 1,
        [&](int64_t, int64_t) {
          ++arrived;
          while (arrived < 3) std::this_thread::yield();
        },
        schedule);
    EXPECT_EQ(arrived, 3);
  }
}

TEST_F(ThreadPool, ResultsAreTheSameForEveryThreadCount) {
  std::vector<float> x(100003);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.0f / static_cast<float>(i + 1);
  const auto run = [&](Schedule schedule) {
    constexpr int64_t chunk = 4096;
    const int64_t n = static_cast<int64_t>(x.size());
    std::vector<float> partial(static_cast<std::size_t>((n - 1) / chunk + 1));
    parallel_for(
        n, chunk,
        [&](int64_t begin, int64_t end) {
          float sum = 0;
          for (int64_t i = begin; i < end; ++i) sum += x[static_cast<std::size_t>(i)];
          partial[static_cast<std::size_t>(begin / chunk)] = sum;
        },
        schedule);
    return partial;
  };
  set_num_threads(1);
  const std::vector<float> expected = run(Schedule::dynamic_queue);
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    for (Schedule schedule : schedules) EXPECT_EQ(run(schedule), expected) << threads;
  }
}

TEST_F(ThreadPool, LowestFailingChunkWinsAndLowerOnesFinish) {
  constexpr int64_t chunks = 37;
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    for (Schedule schedule : schedules) {
      for (int repeat = 0; repeat < 8; ++repeat) {
        for (int64_t first = 0; first < chunks; ++first) {  // this chunk and every fifth above it fail
          std::vector<std::atomic<int>> ran(chunks);
          std::string caught;
          try {
            parallel_for(
                chunks, 1,
                [&](int64_t i, int64_t) {
                  ++ran[static_cast<std::size_t>(i)];
                  if (i >= first && (i - first) % 5 == 0) throw std::runtime_error("chunk " + std::to_string(i));
                },
                schedule);
          } catch (const std::runtime_error& error) {
            caught = error.what();
          }
          ASSERT_EQ(caught, "chunk " + std::to_string(first));
          for (int64_t i = 0; i <= first; ++i) ASSERT_EQ(ran[static_cast<std::size_t>(i)], 1) << i;
          for (int64_t i = first + 1; i < chunks; ++i) ASSERT_LE(ran[static_cast<std::size_t>(i)], 1) << i;
        }
      }
    }
  }
}

TEST_F(ThreadPool, LowestFailureWinsInWhateverOrderTheyHappen) {
  set_num_threads(2);
  for (Schedule schedule : schedules) {
    for (int64_t first : {0, 1}) {  // both chunks run at once; this one throws 20 ms before the other
      std::atomic<int> arrived{0};
      int64_t caught = -1;
      try {
        parallel_for(
            2, 1,
            [&](int64_t i, int64_t) {
              ++arrived;
              while (arrived < 2) std::this_thread::yield();
              if (i != first) std::this_thread::sleep_for(std::chrono::milliseconds(20));
              throw i;
            },
            schedule);
      } catch (int64_t i) {
        caught = i;
      }
      EXPECT_EQ(caught, 0);
    }
  }
}

TEST_F(ThreadPool, AFailureSkipsTheRestAtOnce) {
  set_num_threads(2);
  for (Schedule schedule : schedules) {
    // 2^40 chunks: merely looking at each of them would take an hour
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THROW(parallel_for(
                     int64_t{1} << 50, 1 << 10,
                     [&](int64_t i, int64_t) {
                       if (i == 0) throw std::logic_error("first");
                     },
                     schedule),
                 std::logic_error);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  }
}

TEST_F(ThreadPool, ManyTinyRegions) {
  set_num_threads(3);
  for (Schedule schedule : schedules) {
    int64_t wrong = 0;
    for (int i = 0; i < 20000; ++i) {
      std::atomic<int64_t> sum{0};
      parallel_for(
          5, 1, [&](int64_t c, int64_t) { sum += int64_t{1} << (8 * c); }, schedule);
      wrong += sum != 0x0101010101;
    }
    EXPECT_EQ(wrong, 0);
  }
}

TEST_F(ThreadPool, UsableAfterTenThousandExceptions) {
  set_num_threads(3);
  int64_t caught = 0;
  for (int i = 0; i < 10000; ++i) {
    try {
      parallel_for(4, 1, [&](int64_t c, int64_t) {
        if (c == i % 4) throw i;
      });
    } catch (int value) {
      caught += value == i;
    }
  }
  EXPECT_EQ(caught, 10000);
  std::atomic<int> ran{0};
  parallel_for(100, 1, [&](int64_t, int64_t) { ++ran; });
  EXPECT_EQ(ran, 100);
}

TEST_F(ThreadPool, NestedThreeDeepRunsInline) {
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    std::atomic<int64_t> leaves{0};
    std::atomic<int> strayed{0};
    parallel_for(6, 1, [&](int64_t, int64_t) {
      EXPECT_EQ(in_parallel_region(), threads > 1);
      const std::thread::id outer = std::this_thread::get_id();
      parallel_for(5, 2, [&](int64_t, int64_t) {
        parallel_for(7, 1, [&](int64_t, int64_t) {
          if (threads > 1 && std::this_thread::get_id() != outer) ++strayed;
          ++leaves;
        });
      });
    });
    EXPECT_EQ(leaves, 6 * 3 * 7);
    EXPECT_EQ(strayed, 0);
    EXPECT_FALSE(in_parallel_region());
  }
}

TEST_F(ThreadPool, ExceptionsCrossNestedRegions) {
  set_num_threads(4);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_THROW(parallel_for(4, 1,
                              [&](int64_t a, int64_t) {
                                parallel_for(4, 1, [&](int64_t b, int64_t) {
                                  if (a * 4 + b == i % 16) throw std::out_of_range("inner");
                                });
                              }),
                 std::out_of_range);
  }
  EXPECT_FALSE(in_parallel_region());
}

TEST_F(ThreadPool, ThreadCountChangesUnderLoadFromSeveralThreads) {
  std::atomic<bool> stop{false};
  std::atomic<int64_t> wrong{0}, regions{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&, t] {
      while (!stop) {
        std::atomic<int64_t> sum{0};
        parallel_for(
            257, 4,
            [&](int64_t begin, int64_t end) {
              for (int64_t i = begin; i < end; ++i) sum += i;
            },
            schedules[t % 2]);
        wrong += sum != 257 * 256 / 2;
        ++regions;
      }
    });
  }
  for (int t = 0; t < 2; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 150; ++i) set_num_threads(1 + (i * 7 + t) % 5);
      stop = true;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(regions, 0);
}

TEST_F(ThreadPool, ShrinkingFromInsideARegionIsSafe) {
  set_num_threads(4);
  std::atomic<int> ran{0};
  parallel_for(16, 1, [&](int64_t i, int64_t) {
    set_num_threads(1 + static_cast<int>(i) % 4);
    ++ran;
  });
  EXPECT_EQ(ran, 16);
}

TEST_F(ThreadPool, ManyMoreThreadsThanCores) {
  set_num_threads(64);
  EXPECT_EQ(num_threads(), 64);
  std::atomic<int64_t> sum{0};
  for (int i = 0; i < 20; ++i) parallel_for(1000, 1, [&](int64_t b, int64_t) { sum += b; });
  EXPECT_EQ(sum, 20 * 999 * 500);
}

TEST_F(ThreadPool, RefusesBadArguments) {
  const auto nothing = [](int64_t, int64_t) {};
  EXPECT_THROW(parallel_for(-1, 1, nothing), ValueError);
  EXPECT_THROW(parallel_for(1, 0, nothing), ValueError);
  EXPECT_THROW(parallel_for(0, -3, nothing), ValueError);
  EXPECT_THROW(set_num_threads(0), ValueError);
  EXPECT_THROW(set_num_threads(-1), ValueError);
  EXPECT_THROW(set_num_threads(max_threads + 1), ValueError);
  EXPECT_EQ(num_threads(), 2);
}

TEST_F(ThreadPool, CallerWaitsWithoutBurningItsCore) {
  set_num_threads(2);
  timespec before{}, after{};
  std::atomic<bool> other_running{false};
  const std::thread::id caller = std::this_thread::get_id();
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  parallel_for(2, 1, [&](int64_t, int64_t) {
    if (std::this_thread::get_id() == caller) {
      while (!other_running) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } else {
      other_running = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
  });
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  const double seconds =
      static_cast<double>(after.tv_sec - before.tv_sec) + 1e-9 * static_cast<double>(after.tv_nsec - before.tv_nsec);
  EXPECT_LT(seconds, 0.02);
}

TEST_F(ThreadPool, IdlePoolUsesNoProcessorTime) {
  set_num_threads(2);
  parallel_for(64, 1, [](int64_t, int64_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  timespec before{}, after{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  EXPECT_LT((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec, 50000000);
}

TEST_F(ThreadPool, SubnormalsAreFlushedAlikeEverywhereAndRestored) {
#if !defined(__x86_64__) && !defined(__aarch64__)
  GTEST_SKIP() << "no control register known for this processor";
#endif
  ASSERT_FALSE(FlushSubnormals::active());
  volatile float tiny = 1e-38f;
  ASSERT_NE(tiny * 0.25f, 0.0f);
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    for (int64_t n : {1, 64}) {
      std::atomic<int> kept{0}, upwards{0};
      std::fesetround(FE_UPWARD);
      parallel_for(n, 1, [&](int64_t, int64_t) {
        volatile float small = 1e-38f;
        if (small * 0.25f != 0.0f || !FlushSubnormals::active()) ++kept;
        volatile float one = 1.0f, eps = 1e-9f;
        if (one + eps != 1.0f) ++upwards;
      });
      EXPECT_EQ(std::fegetround(), FE_UPWARD);
      std::fesetround(FE_TONEAREST);
      EXPECT_EQ(kept, 0) << threads;
      EXPECT_EQ(upwards, 0) << threads;
      EXPECT_FALSE(FlushSubnormals::active());
      EXPECT_NE(tiny * 0.25f, 0.0f);
    }
  }
  {
    const FlushSubnormals outer;
    { const FlushSubnormals inner; }
    EXPECT_TRUE(FlushSubnormals::active());
  }
  EXPECT_FALSE(FlushSubnormals::active());
  EXPECT_THROW(parallel_for(8, 1, [](int64_t, int64_t) { throw 1; }), int);
  EXPECT_FALSE(FlushSubnormals::active());
  // A body that changes the setting of the thread it runs on spoils that region only.
  set_num_threads(3);
  for (bool spoil : {true, false}) {
    std::atomic<int> arrived{0}, kept{0};
    parallel_for(3, 1, [&](int64_t, int64_t) {
      if (!FlushSubnormals::active()) ++kept;
      if (spoil) std::fesetenv(FE_DFL_ENV);
      ++arrived;
      while (arrived < 3) std::this_thread::yield();  // so that every thread has one chunk
    });
    EXPECT_EQ(kept, 0);
  }
}

}  // namespace
}  // namespace weft
