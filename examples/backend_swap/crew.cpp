#include "crew.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "units.h"

namespace lab {
namespace {

[[noreturn]] void refuse(const char* what) {
  throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

std::int64_t count(const std::uint8_t* data, std::int64_t n) {
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < n; ++i) found += data[i] == 7 ? 1 : 0;
  return found;
}

bool read_all(int from, void* to, std::size_t bytes) {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = read(from, at, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(int to, const void* from, std::size_t bytes) {
  const auto* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = write(to, at, bytes);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;  // EPIPE: the worker is gone
    at += put;
    bytes -= static_cast<std::size_t>(put);
  }
  return true;
}

/// Ends the calling process as a bad pointer would. Without a core file, and past any handler of a sanitizer.
[[noreturn]] void crash_now() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  std::signal(SIGSEGV, SIG_DFL);
  std::raise(SIGSEGV);
  _exit(1);
}

/// In the child, after fork(): only calls that are safe there while the parent has threads.
[[noreturn]] void work_on_pipe(int from, int to, std::int64_t bytes, bool crash) {
  static std::uint8_t buffer[1 << 16];
  std::int64_t left = bytes, found = 0;
  while (left > 0) {
    const auto part = static_cast<std::size_t>(std::min<std::int64_t>(left, sizeof buffer));
    if (!read_all(from, buffer, part)) _exit(1);
    found += count(buffer, static_cast<std::int64_t>(part));
    left -= static_cast<std::int64_t>(part);
    if (crash && left < bytes / 2) crash_now();
  }
  if (crash) crash_now();
  _exit(write_all(to, &found, sizeof found) ? 0 : 1);
}

[[noreturn]] void work_on_shared(const std::uint8_t* data, std::int64_t bytes, std::int64_t* result, bool crash) {
  if (crash) {
    static_cast<void>(count(data, bytes / 2));
    crash_now();
  }
  *result = count(data, bytes);
  _exit(0);
}

std::string fate(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return format("died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) return format("ended with status %d", WEXITSTATUS(status));
  return "";
}

/// A worker that dies closes its end of the pipe; that must not end the parent.
class IgnoreBrokenPipes {
 public:
  IgnoreBrokenPipes() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  IgnoreBrokenPipes(const IgnoreBrokenPipes&) = delete;
  IgnoreBrokenPipes& operator=(const IgnoreBrokenPipes&) = delete;
  ~IgnoreBrokenPipes() { std::signal(SIGPIPE, before_); }

 private:
  void (*before_)(int);
};

void count_in_threads(const std::uint8_t* data, std::vector<Share>& shares) {
  std::vector<std::thread> threads;
  threads.reserve(shares.size());
  for (Share& s : shares) threads.emplace_back([data, &s] { s.count = count(data + s.begin, s.end - s.begin); });
  for (std::thread& t : threads) t.join();
}

void count_through_pipes(const std::uint8_t* data, std::vector<Share>& shares, int crash) {
  const IgnoreBrokenPipes ignore;
  struct Worker {
    pid_t process = -1;
    int to = -1, from = -1;
  };
  std::vector<Worker> workers(shares.size());
  for (std::size_t i = 0; i < shares.size(); ++i) {
    int down[2], up[2];
    if (pipe(down) != 0 || pipe(up) != 0) refuse("pipe");
    const pid_t child = fork();
    if (child < 0) refuse("fork");
    if (child == 0) {
      for (std::size_t before = 0; before < i; ++before) {  // else those would never see the end of their pipes
        close(workers[before].to);
        close(workers[before].from);
      }
      close(down[1]);
      close(up[0]);
      work_on_pipe(down[0], up[1], shares[i].end - shares[i].begin, crash == static_cast<int>(i));
    }
    close(down[0]);
    close(up[1]);
    workers[i] = {child, down[1], up[0]};
  }
  for (std::size_t i = 0; i < shares.size(); ++i) {
    static_cast<void>(
        write_all(workers[i].to, data + shares[i].begin, static_cast<std::size_t>(shares[i].end - shares[i].begin)));
    close(workers[i].to);
  }
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const bool answered = read_all(workers[i].from, &shares[i].count, sizeof shares[i].count);
    close(workers[i].from);
    shares[i].lost = fate(workers[i].process);
    if (!answered && shares[i].lost.empty()) shares[i].lost = "ended without an answer";
    if (!shares[i].lost.empty()) shares[i].count = 0;
  }
}

void count_in_shared(const std::uint8_t* data, std::vector<Share>& shares, int crash) {
  const SharedBytes memory(static_cast<std::int64_t>(shares.size() * sizeof(std::int64_t)));
  auto* results = reinterpret_cast<std::int64_t*>(memory.data());
  std::vector<pid_t> workers;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const pid_t child = fork();
    if (child < 0) refuse("fork");
    if (child == 0) {
      work_on_shared(data + shares[i].begin, shares[i].end - shares[i].begin, results + i,
                     crash == static_cast<int>(i));
    }
    workers.push_back(child);
  }
  for (std::size_t i = 0; i < shares.size(); ++i) {
    shares[i].lost = fate(workers[i]);
    shares[i].count = shares[i].lost.empty() ? results[i] : 0;
  }
}

}  // namespace

SharedBytes::SharedBytes(std::int64_t n) : size_(std::max<std::int64_t>(n, 1)) {
  void* p = mmap(nullptr, static_cast<std::size_t>(size_), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) refuse("mmap");
  data_ = static_cast<std::uint8_t*>(p);
}

SharedBytes::~SharedBytes() { munmap(data_, static_cast<std::size_t>(size_)); }

std::vector<Share> count_sevens(Crew crew, const std::uint8_t* data, std::int64_t n, int workers, int crash) {
  std::vector<Share> shares(static_cast<std::size_t>(workers));
  for (int i = 0; i < workers; ++i) {
    shares[static_cast<std::size_t>(i)].begin = n * i / workers;
    shares[static_cast<std::size_t>(i)].end = n * (i + 1) / workers;
  }
  switch (crew) {
    case Crew::threads:
      count_in_threads(data, shares);
      break;
    case Crew::pipes:
      count_through_pipes(data, shares, crash);
      break;
    case Crew::shared_memory:
      count_in_shared(data, shares, crash);
      break;
  }
  return shares;
}

}  // namespace lab
