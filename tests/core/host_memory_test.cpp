#include <weft/core/host_memory.h>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weft/core/error.h>

#include "core/sanitizers.h"

namespace weft {
namespace {

constexpr bool keeps_blocks = !testing::under_asan;

TEST(HostMemory, BlocksAreAlignedAndApart) {
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  for (std::size_t bytes : {0u, 1u, 63u, 64u, 65u, 512u, 513u, 1000u, 4096u, 100000u, 1u << 20, (64u << 20) + 1}) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      unsigned char* p = static_cast<unsigned char*>(host_allocate(bytes));
      ASSERT_NE(p, nullptr);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 64, 0u);
      std::memset(p, static_cast<int>(blocks.size()), bytes);
      blocks.emplace_back(p, bytes);
    }
  }
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto [p, bytes] = blocks[b];
    for (std::size_t i = 0; i < bytes; i += 61) ASSERT_EQ(p[i], static_cast<unsigned char>(b));
    host_free(p, bytes);
  }
  host_free(nullptr, 7);
}

TEST(HostMemory, SizeClassesWasteAtMostAQuarter) {
  std::size_t last = 0;
  for (std::size_t bytes = 1; bytes <= host_largest_cached; bytes += 1 + bytes / 97) {
    const std::size_t size = host_block_size(bytes);
    ASSERT_GE(size, bytes);
    ASSERT_EQ(size % 64, 0u);
    ASSERT_GE(size, last);
    if (bytes > 512) {
      ASSERT_LE(static_cast<double>(size), 1.25 * static_cast<double>(bytes) + 64);
    } else {
      ASSERT_LT(size, bytes + 64);
    }
    ASSERT_EQ(host_block_size(size), size);
    last = size;
  }
  EXPECT_EQ(host_block_size(host_largest_cached), host_largest_cached);
  EXPECT_EQ(host_block_size(host_largest_cached + 1), host_largest_cached + 64);
}

TEST(HostMemory, CountsLivePeakReservedAndSystemCalls) {
  host_release_cached();
  const HostMemoryCounts before = host_memory_counts();
  host_reset_peak();
  EXPECT_EQ(host_memory_counts().peak, before.live);
  void* a = host_allocate(1000);
  void* b = host_allocate(5000);
  HostMemoryCounts now = host_memory_counts();
  EXPECT_EQ(now.live, before.live + 6000);
  EXPECT_EQ(now.peak, before.live + 6000);
  EXPECT_EQ(now.reserved, before.reserved + host_block_size(1000) + host_block_size(5000));
  EXPECT_EQ(now.system_allocations, before.system_allocations + 2);
  host_free(a, 1000);
  host_free(b, 5000);
  now = host_memory_counts();
  EXPECT_EQ(now.live, before.live);
  EXPECT_EQ(now.peak, before.live + 6000);
  if (keeps_blocks) {
    EXPECT_EQ(now.reserved, before.reserved + host_block_size(1000) + host_block_size(5000));
    void* again = host_allocate(900);  // the class of 1000
    EXPECT_EQ(again, a);
    EXPECT_EQ(host_memory_counts().system_allocations, before.system_allocations + 2);
    host_free(again, 900);
  }
  host_release_cached();
  EXPECT_EQ(host_memory_counts().reserved, before.reserved);
}

TEST(HostMemory, ReleaseReturnsEveryClass) {
  host_release_cached();
  const std::size_t before = host_memory_counts().reserved;
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (std::size_t bytes = 64; bytes <= host_largest_cached; bytes = host_block_size(bytes + 1)) {
    blocks.emplace_back(host_allocate(bytes), bytes);
    if (bytes > (40u << 20)) break;
  }
  EXPECT_GT(blocks.size(), 70u);
  for (const auto& [p, bytes] : blocks) host_free(p, bytes);
  host_release_cached();
  EXPECT_EQ(host_memory_counts().reserved, before);
}

TEST(HostMemory, LargeBlocksGoBackAtOnce) {
  const HostMemoryCounts before = host_memory_counts();
  const std::size_t bytes = host_largest_cached + 1;
  void* p = host_allocate(bytes);
  EXPECT_EQ(host_memory_counts().reserved, before.reserved + host_largest_cached + 64);
  host_free(p, bytes);
  EXPECT_EQ(host_memory_counts().reserved, before.reserved);
}

TEST(HostMemory, KeptBlocksDoNotPileUp) {
  host_release_cached();
  host_reset_peak();
  // Many different sizes one after another, never more than 60 MiB live: what is kept stays near 256 MiB.
  for (std::size_t mib = 1; mib <= 60; ++mib) host_free(host_allocate(mib << 20), mib << 20);
  EXPECT_LE(host_memory_counts().reserved, std::size_t{330} << 20);
  host_release_cached();
}

TEST(HostMemory, ABlockFreedElsewhereIsFoundAgain) {
  if (!keeps_blocks) GTEST_SKIP() << "no blocks are kept under AddressSanitizer";
  host_release_cached();
  std::vector<void*> blocks(8);
  for (void*& p : blocks) p = host_allocate(3000);
  for (void* p : blocks) std::thread([p] { host_free(p, 3000); }).join();  // spread over the shards
  const std::uint64_t calls = host_memory_counts().system_allocations;
  for (void*& p : blocks) p = host_allocate(3000);
  EXPECT_EQ(host_memory_counts().system_allocations, calls);
  for (void* p : blocks) host_free(p, 3000);
  host_release_cached();
}

TEST(HostMemory, ManyThreadsAtOnce) {
  host_release_cached();
  const HostMemoryCounts before = host_memory_counts();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 12; ++t) {
    threads.emplace_back([t] {
      std::uint32_t state = t + 1;
      std::vector<std::pair<std::uint32_t*, std::size_t>> mine;
      for (int i = 0; i < 4000; ++i) {
        state = state * 1664525u + 1013904223u;
        if (mine.size() > 20 || (state >> 28 < 6 && !mine.empty())) {
          const auto [p, bytes] = mine.back();
          mine.pop_back();
          ASSERT_EQ(*p, static_cast<std::uint32_t>(bytes) ^ t);
          host_free(p, bytes);
        } else {
          const std::size_t bytes = 4 + (state >> 8) % 20000;
          auto* p = static_cast<std::uint32_t*>(host_allocate(bytes));
          *p = static_cast<std::uint32_t>(bytes) ^ t;
          mine.emplace_back(p, bytes);
        }
        if (i % 1000 == 500 && t == 0) host_release_cached();
      }
      for (const auto& [p, bytes] : mine) host_free(p, bytes);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(host_memory_counts().live, before.live);
  host_release_cached();
  EXPECT_EQ(host_memory_counts().reserved, before.reserved);
}

TEST(HostMemory, RefusesTheImpossibleAndNamesTheBytes) {
  for (std::size_t bytes : {std::size_t{1} << 61, std::size_t{1} << 63, ~std::size_t{0}}) {
    const HostMemoryCounts before = host_memory_counts();
    try {
      host_allocate(bytes, "zeros", {"folder/user.cpp", 12});
      FAIL() << "no error for " << bytes;
    } catch (const OutOfMemoryError& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
      EXPECT_NE(std::string(error.what()).find(std::to_string(bytes)), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("[zeros]"), std::string::npos);
      EXPECT_NE(std::string(error.what()).find("(user.cpp:12)"), std::string::npos);
    }
    EXPECT_EQ(host_memory_counts().live, before.live);
  }
}

TEST(HostMemory, KeptBlocksAreGivenBackBeforeFailing) {
  if (testing::under_asan || testing::under_tsan) GTEST_SKIP() << "a sanitizer's address space cannot be limited";
  const pid_t child = fork();
  if (child == 0) {
    host_release_cached();
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    long pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    limit.rlim_cur = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE)) + (rlim_t{100} << 20);
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(3);
    const std::size_t kept = std::size_t{60} << 20;
    host_free(host_allocate(kept), kept);
    void* other = host_allocate(std::size_t{80} << 20);  // only fits where the kept block was
    bool refused = false;
    try {
      host_allocate(std::size_t{80} << 20);
    } catch (const OutOfMemoryError&) {
      refused = true;
    }
    host_free(other, std::size_t{80} << 20);
    void* after = host_allocate(std::size_t{80} << 20);  // usable afterwards
    _exit(refused && after != nullptr ? 42 : 4);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 42);
}

TEST(HostMemory, PoisonFillsFreshMemoryWithNaN) {
  if (std::getenv("WEFT_POISON") == nullptr) {  // read once, so a fresh process does it
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    const int status = std::system(
        ("WEFT_POISON=1 '" + self + "' --gtest_filter=HostMemory.PoisonFillsFreshMemoryWithNaN >/dev/null 2>&1")
            .c_str());
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    return;
  }
  for (int round = 0; round < 2; ++round) {  // the second time the block comes from the cache
    float* p = static_cast<float*>(host_allocate(4000));
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(std::isnan(p[i]));
    std::memset(p, 0, 4000);
    host_free(p, 4000);
  }
}

}  // namespace
}  // namespace weft
