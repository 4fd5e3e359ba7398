// The pool against what the whole process does: fork, exit, limits, environment.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <weft/core/error.h>
#include <weft/core/thread_pool.h>

#include "core/sanitizers.h"

namespace weft {
namespace {

using std::int64_t;
using testing::under_tsan;

class ThreadPoolProcess : public ::testing::Test {
 protected:
  void SetUp() override { alarm(120); }  // a deadlock ends the program instead of the day
  void TearDown() override {
    set_num_threads(2);
    alarm(0);
  }
};

// Runs `body` in a child made by fork() and returns its exit status; 255 when it hung or died.
template <class Body>
int in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

TEST_F(ThreadPoolProcess, ForkedChildGetsItsOwnPool) {
  if (under_tsan) GTEST_SKIP() << "ThreadSanitizer allows no threads after a fork";
  set_num_threads(3);
  std::atomic<bool> stop{false};
  std::thread busy([&] {  // another thread is inside regions while the process forks
    while (!stop) parallel_for(64, 1, [](int64_t, int64_t) {});
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(in_child([] {
                std::atomic<int> arrived{0};
                parallel_for(3, 1, [&](int64_t, int64_t) {
                  ++arrived;
                  while (arrived < 3) std::this_thread::yield();
                });
                return arrived == 3 && num_threads() == 3 ? 42 : 1;
              }),
              42);
  }
  stop = true;
  busy.join();
  std::atomic<int> ran{0};
  parallel_for(64, 1, [&](int64_t, int64_t) { ++ran; });
  EXPECT_EQ(ran, 64);
}

TEST_F(ThreadPoolProcess, ExitFromAWorkerDoesNotHang) {
  if (under_tsan) GTEST_SKIP() << "ThreadSanitizer allows no threads after a fork";
  EXPECT_EQ(in_child([] {
              set_num_threads(2);
              const std::thread::id caller = std::this_thread::get_id();
              parallel_for(2, 1, [&](int64_t, int64_t) {
                if (std::this_thread::get_id() != caller) std::exit(7);
                for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
              });
              return 1;
            }),
            7);
}

TEST_F(ThreadPoolProcess, RunsOnFewerThreadsWhenTheSystemRefusesThem) {
  if (under_tsan) GTEST_SKIP() << "ThreadSanitizer allows no threads after a fork";
  if (testing::under_asan) GTEST_SKIP() << "a sanitizer's address space cannot be limited";
  // The limit on processes does not bind root; an address space too small for the stacks does.
  EXPECT_EQ(in_child([] {
              rlimit limit{};
              getrlimit(RLIMIT_AS, &limit);
              long pages = 0;
              std::ifstream("/proc/self/statm") >> pages;
              limit.rlim_cur = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE)) + (rlim_t{100} << 20);
              if (setrlimit(RLIMIT_AS, &limit) != 0) return 3;
              set_num_threads(200);  // 8 MiB of stack each
              std::atomic<int> ran{0};
              for (int i = 0; i < 10; ++i) parallel_for(500, 1, [&](int64_t, int64_t) { ++ran; });
              if (ran != 5000) return 4;
              return num_threads() < 200 ? 42 : 5;
            }),
            42);
}

// Reports the thread count, or how it was refused, as the exit status of a fresh process.
[[noreturn]] void report_threads_as_exit_status() {
  int status = 201;
  try {
    parallel_for(1, 1, [](int64_t, int64_t) {});  // inline: asks for nothing
    parallel_for(2, 1, [](int64_t, int64_t) {});
    status = num_threads();
  } catch (const ValueError& error) {
    const std::string text = error.what();
    const bool clear = error.code() == ErrorCode::value_out_of_range &&
                       text.find("WEFT_NUM_THREADS") != std::string::npos &&
                       text.find("1 to 1024") != std::string::npos;
    bool again = false;  // a second use fails in the same way, and setting the count repairs it
    try {
      num_threads();
    } catch (const ValueError&) {
      again = true;
    }
    set_num_threads(2);
    status = clear && again && num_threads() == 2 ? 200 : 202;
  }
  std::_Exit(status);
}

TEST_F(ThreadPoolProcess, EnvironmentIsReadStrictly) {
  if (std::getenv("WEFT_PROBE") != nullptr) report_threads_as_exit_status();
  // The count of this process may have been set already, so fresh copies of it are asked.
  const auto probe = [](const char* value) {
    std::string command = "WEFT_NUM_THREADS='" + std::string(value) + "' WEFT_PROBE=1 '" +
                          std::filesystem::read_symlink("/proc/self/exe").string() +
                          "' --gtest_filter=ThreadPoolProcess.EnvironmentIsReadStrictly >/dev/null 2>&1";
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
  };
  EXPECT_EQ(probe("1"), 1);
  EXPECT_EQ(probe("3"), 3);
  EXPECT_EQ(probe("100"), 100);
  EXPECT_EQ(probe(""), std::min(hardware_threads(), 99));
  for (const char* bad :
       {"0", "abc", "1000000000", "99999999999999999999", "-1", "1025", "2 ", " 2", "2.0", "0x2", "+2"}) {
    EXPECT_EQ(probe(bad), 200) << bad;
  }
}

}  // namespace
}  // namespace weft
