#include <weft/core/worker_pool.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/thread_pool.h>

namespace weft {
namespace {

// Eigen's pool asks this for its threads. A thread the system refuses is counted instead of thrown: Eigen's constructor
// would otherwise wait for ever for the threads it had started.
struct ThreadCounts {
  int started = 0;
  int refused = 0;
  std::atomic<int> ended{0};
};

struct Environment {
  struct Task {
    std::function<void()> f;
  };
  class EnvThread {
   public:
    explicit EnvThread(std::function<void()> f) : thread_(std::move(f)) {
      pthread_setname_np(thread_.native_handle(), "weft-pool");
    }
    ~EnvThread() { thread_.join(); }

   private:
    std::thread thread_;
  };

  EnvThread* CreateThread(std::function<void()> f) {
    if (counts->refused > 0) return nullptr;
    // Signals belong to the program's own threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    EnvThread* thread = nullptr;
    try {
      thread = new EnvThread([loop = std::move(f), to = counts] {
        loop();
        to->ended.fetch_add(1, std::memory_order_release);
      });
      ++counts->started;
    } catch (const std::exception&) {
      ++counts->refused;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  }
  Task CreateTask(std::function<void()> f) { return Task{std::move(f)}; }
  void ExecuteTask(const Task& t) { t.f(); }

  ThreadCounts* counts;
};

using EigenPool = Eigen::ThreadPoolTempl<Environment>;

class EigenWorkers final : public WorkerPool {
 public:
  // A thread that spins while there is no core for it takes one away from a thread that works.
  EigenWorkers(int workers, bool spare_core)
      : WorkerPool(spare_core ? 50 : 20), threads_(workers, spare_core, Environment{&counts_}) {}
  ~EigenWorkers() override {
    if (counts_.refused == 0) return;
    // Threads agree to end when all that were asked for are idle; some were never born. A thread that was about to
    // sleep may miss one call, so it is repeated.
    while (counts_.ended.load(std::memory_order_acquire) < counts_.started) {
      threads_.Cancel();
      sched_yield();
    }
    threads_.Cancel();
  }
  const ThreadCounts& counts() const noexcept { return counts_; }

  void schedule(std::function<void()> task) override { threads_.Schedule(std::move(task)); }
  int workers() const noexcept override { return threads_.NumThreads(); }
  int worker_number() const noexcept override { return threads_.CurrentThreadId(); }

 private:
  ThreadCounts counts_;
  EigenPool threads_;
};

struct Setting {
  std::mutex mutex;
  int threads = 0;             // guarded by mutex; 0: not yet known
  WorkerPool* pool = nullptr;  // guarded by mutex; null until needed
  std::atomic<int> known_threads{0};

  Setting() {
    // The child of a fork has the memory of the pool but none of its threads: it forgets it.
    pthread_atfork([] { get().mutex.lock(); }, [] { get().mutex.unlock(); },
                   [] {
                     get().pool = nullptr;
                     get().mutex.unlock();
                   });
  }
  static Setting& get() {
    static Setting& setting = *new Setting;
    return setting;
  }
};

int threads_from_environment(CallSite at) {
  const char* text = std::getenv("WEFT_NUM_THREADS");
  if (text == nullptr || *text == '\0') return std::min(hardware_threads(), max_threads);
  int value = 0;
  const char* last = text + std::strlen(text);
  const auto [end, error] = std::from_chars(text, last, value);
  if (error != std::errc() || end != last || value < 1 || value > max_threads) {
    throw ValueError(ErrorCode::value_out_of_range, "num_threads",
                     message("the environment variable WEFT_NUM_THREADS is \"", std::string_view(text).substr(0, 64),
                             "\"; expected a whole number from 1 to ", max_threads),
                     at);
  }
  return value;
}

}  // namespace

int wanted_threads(CallSite at) {
  Setting& setting = Setting::get();
  if (const int known = setting.known_threads.load(std::memory_order_relaxed); known != 0) return known;
  const int from_environment = threads_from_environment(at);
  const std::lock_guard lock(setting.mutex);
  if (setting.threads == 0) {
    setting.threads = from_environment;
    setting.known_threads.store(from_environment, std::memory_order_relaxed);
  }
  return setting.threads;
}

void want_threads(int n) noexcept {
  Setting& setting = Setting::get();
  WorkerPool* outgrown = nullptr;
  {
    const std::lock_guard lock(setting.mutex);
    if (setting.threads != n) outgrown = std::exchange(setting.pool, nullptr);
    setting.threads = n;
    setting.known_threads.store(n, std::memory_order_relaxed);
  }
  if (outgrown != nullptr) outgrown->let_go();
}

WorkerPool* acquire_workers() {
  Setting& setting = Setting::get();
  const std::lock_guard lock(setting.mutex);
  while (setting.pool == nullptr && setting.threads > 1) {
    // Deleted by let_go(), as the destructor is the workers' own business.
    EigenWorkers* fresh = new EigenWorkers(setting.threads - 1, setting.threads < hardware_threads());
    if (fresh->counts().refused == 0) {
      setting.pool = fresh;
    } else {
      setting.threads = fresh->counts().started + 1;
      setting.known_threads.store(setting.threads, std::memory_order_relaxed);
      fresh->let_go();
    }
  }
  if (setting.pool != nullptr) setting.pool->references_.fetch_add(1, std::memory_order_relaxed);
  return setting.pool;
}

}  // namespace weft
