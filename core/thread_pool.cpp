#include <weft/core/thread_pool.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <weft/core/cpu_quota.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/subnormals.h>

namespace weft {
namespace {

using std::int64_t;
using Body = FunctionRef<void(int64_t, int64_t)>;

thread_local bool inside_region = false;

inline void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// ---- the threads

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

// One generation of threads. Regions hold a reference while they run; whoever lets go last, always a caller and never
// one of the threads themselves, joins them.
struct Pool {
  ThreadCounts counts;
  const int spin_limit_us;
  std::atomic<int> references{1};
  EigenPool threads;

  // A thread that spins while there is no core for it takes one away from a thread that works.
  Pool(int workers, bool spare_core)
      : spin_limit_us(spare_core ? 50 : 20), threads(workers, spare_core, Environment{&counts}) {}
  ~Pool() {
    if (counts.refused == 0) return;
    // Threads agree to end when all that were asked for are idle; some were never born. A thread that was about to
    // sleep may miss one call, so it is repeated.
    while (counts.ended.load(std::memory_order_acquire) < counts.started) {
      threads.Cancel();
      sched_yield();
    }
    threads.Cancel();
  }
};

void let_go(Pool* pool) noexcept {
  if (pool != nullptr && pool->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete pool;
}

struct Setting {
  std::mutex mutex;
  int threads = 0;       // guarded by mutex; 0: not yet known
  Pool* pool = nullptr;  // guarded by mutex; null until needed
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

int resolved_threads(Setting& setting, CallSite at) {
  if (const int known = setting.known_threads.load(std::memory_order_relaxed); known != 0) return known;
  const int from_environment = threads_from_environment(at);
  const std::lock_guard lock(setting.mutex);
  if (setting.threads == 0) {
    setting.threads = from_environment;
    setting.known_threads.store(from_environment, std::memory_order_relaxed);
  }
  return setting.threads;
}

// The current pool with a reference for the caller; null when regions run on the caller alone.
Pool* acquire(Setting& setting) {
  const std::lock_guard lock(setting.mutex);
  while (setting.pool == nullptr && setting.threads > 1) {
    auto fresh = std::make_unique<Pool>(setting.threads - 1, setting.threads < hardware_threads());
    if (fresh->counts.refused == 0) {
      setting.pool = fresh.release();
    } else {
      setting.threads = fresh->counts.started + 1;
      setting.known_threads.store(setting.threads, std::memory_order_relaxed);
    }
  }
  if (setting.pool != nullptr) setting.pool->references.fetch_add(1, std::memory_order_relaxed);
  return setting.pool;
}

// ---- a region

// One parallel_for. It ends when its chunks are done; helpers that come too late find nothing to do, so it lives until
// the last of them has looked.
struct Region {
  enum : std::uint32_t { running, caller_sleeps, finished };

  const Body body;
  const int64_t n, chunk, chunks;
  const Schedule schedule;
  const int slots;    // threads that can take part; static_split makes one run of chunks for each
  const int helpers;  // slots - 1
  Pool* const pool;

  std::atomic<int> references{1};
  std::atomic<std::uint32_t> state{running};
  alignas(64) std::atomic<int64_t> next{0};                          // the first chunk nobody has taken (dynamic_queue)
  alignas(64) std::atomic<int64_t> undone;                           // chunks neither run nor skipped
  std::atomic<int64_t> failed{std::numeric_limits<int64_t>::max()};  // the lowest chunk that threw
  std::atomic<std::uint64_t> taken[max_threads / 64] = {};           // runs that have an owner (static_split)
  std::mutex error_mutex;
  std::exception_ptr error;  // guarded by error_mutex until the region is finished

  Region(Body b, int64_t n_, int64_t chunk_, int64_t chunks_, Schedule s, Pool* p, int slots_)
      : body(b),
        n(n_),
        chunk(chunk_),
        chunks(chunks_),
        schedule(s),
        slots(slots_),
        helpers(slots_ - 1),
        pool(p),
        undone(chunks_) {}

  void run_chunk(int64_t i) noexcept {
    const int64_t begin = i * chunk;
    try {
      body(begin, begin + std::min(chunk, n - begin));
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (i < failed.load(std::memory_order_relaxed)) {
        failed.store(i, std::memory_order_relaxed);
        error = std::current_exception();
      }
    }
  }

  int64_t run_queue() noexcept {
    int64_t done = 0;
    while (next.load(std::memory_order_relaxed) < chunks) {
      const int64_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= chunks) break;
      ++done;
      if (i < failed.load(std::memory_order_relaxed)) run_chunk(i);
      if (failed.load(std::memory_order_relaxed) <= i) {
        // Whatever has not been handed out lies above the failure: taken in one go and skipped.
        const int64_t first = next.exchange(chunks, std::memory_order_relaxed);
        if (first < chunks) done += chunks - first;
      }
    }
    return done;
  }

  bool take_run(int slot) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    std::atomic<std::uint64_t>& word = taken[slot / 64];
    return (word.load(std::memory_order_relaxed) & bit) == 0 &&
           (word.fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
  }

  int64_t run_split(int preferred) noexcept {
    const int64_t each = chunks / slots, longer = chunks % slots;
    int64_t done = 0;
    for (int i = 0; i < slots; ++i) {
      const int slot = (preferred + i) % slots;
      if (!take_run(slot)) continue;
      const int64_t first = each * slot + std::min<int64_t>(slot, longer);
      const int64_t count = each + (slot < longer ? 1 : 0);
      for (int64_t c = first; c < first + count && c < failed.load(std::memory_order_relaxed); ++c) run_chunk(c);
      done += count;
    }
    return done;
  }

  // Whether this call finished the region.
  bool take_part(int preferred) noexcept {
    const bool before = std::exchange(inside_region, true);
    const int64_t done = schedule == Schedule::static_split ? run_split(preferred) : run_queue();
    inside_region = before;
    return done > 0 && undone.fetch_sub(done, std::memory_order_acq_rel) == done;
  }

  bool work_left() const noexcept {
    if (schedule == Schedule::dynamic_queue) return next.load(std::memory_order_relaxed) < chunks;
    return undone.load(std::memory_order_relaxed) > 0;
  }

  // Waking a thread takes a microsecond or more, so the helpers wake each other: number h wakes 4h + 1 .. 4h + 4.
  void wake_children(int h) noexcept {
    for (int child = 4 * h + 1; child <= std::min(4 * h + 4, helpers); ++child) {
      references.fetch_add(1, std::memory_order_relaxed);
      try {
        pool->threads.Schedule([this, child] { help(child); });
      } catch (...) {  // no memory for the queue entry: the others do the work
        references.fetch_sub(1, std::memory_order_relaxed);
        return;
      }
    }
  }

  void help(int h) noexcept {
    if (work_left()) {
      wake_children(h);
      const FlushSubnormals flush;
      const int worker = pool->threads.CurrentThreadId();  // -1: the queue was full and the caller runs this itself
      if (take_part(worker + 1) && state.exchange(finished, std::memory_order_acq_rel) == caller_sleeps) {
        state.notify_one();
      }
    }
    drop();
  }

  void drop() noexcept {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  bool is_finished() const noexcept { return state.load(std::memory_order_acquire) == finished; }

  void wait() noexcept {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::microseconds(pool->spin_limit_us);
    do {
      for (int i = 0; i < 32; ++i) {
        if (is_finished()) return;
        relax();
      }
    } while (Clock::now() < deadline);
    std::uint32_t seen = running;
    if (!state.compare_exchange_strong(seen, caller_sleeps, std::memory_order_acq_rel)) return;
    while (!is_finished()) state.wait(caller_sleeps, std::memory_order_acquire);
  }
};

void run_inline(int64_t n, int64_t chunk, Body body) {
  for (int64_t begin = 0; begin < n;) {
    const int64_t end = begin + std::min(chunk, n - begin);
    body(begin, end);
    begin = end;
  }
}

void run_region(int64_t n, int64_t chunk, int64_t chunks, Body body, Schedule schedule, Pool* pool) {
  struct Held {
    Pool* pool;
    ~Held() { let_go(pool); }
  } const held{pool};
  const int slots = static_cast<int>(std::min<int64_t>(pool->threads.NumThreads() + 1, chunks));
  Region* region = new Region(body, n, chunk, chunks, schedule, pool, slots);
  region->wake_children(0);
  if (!region->take_part(0)) region->wait();
  // Taken out, because a late helper may be the one that destroys the region.
  const std::exception_ptr error = std::move(region->error);
  region->drop();
  if (error != nullptr) std::rethrow_exception(error);
}

int count_cpus() noexcept {
  int allowed = 0;
  for (int size = 1024; size <= 1 << 20; size *= 2) {  // the kernel's mask may be wider than cpu_set_t
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(size));
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
    if (sched_getaffinity(0, bytes, set) == 0) allowed = CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    if (allowed > 0) break;
  }
  if (allowed == 0) allowed = std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  try {
    std::string membership;
    char text[4096];
    const int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      for (ssize_t got = 0; (got = read(fd, text, sizeof text)) > 0;) {
        membership.append(text, static_cast<std::size_t>(got));
      }
      close(fd);
    }
    const int quota = cgroup_cpu_limit(membership, "/sys/fs/cgroup");
    if (quota > 0) allowed = std::min(allowed, quota);
  } catch (const std::bad_alloc&) {  // the mask alone, then
  }
  return allowed;
}

}  // namespace

void parallel_for(int64_t n, int64_t chunk, Body body, Schedule schedule, CallSite at) {
  if (n < 0 || chunk < 1) {
    throw ValueError(ErrorCode::value_out_of_range, "parallel_for",
                     message("n is ", n, " and chunk is ", chunk, "; expected n >= 0 and chunk >= 1"), at);
  }
  if (n == 0) return;
  const FlushSubnormals flush;
  if (n <= chunk) return body(0, n);
  if (inside_region) return run_inline(n, chunk, body);
  Setting& setting = Setting::get();
  if (resolved_threads(setting, at) == 1) return run_inline(n, chunk, body);
  Pool* pool = acquire(setting);
  if (pool == nullptr) return run_inline(n, chunk, body);
  run_region(n, chunk, (n - 1) / chunk + 1, body, schedule, pool);
}

int num_threads(CallSite at) { return resolved_threads(Setting::get(), at); }

void set_num_threads(int n, CallSite at) {
  if (n < 1 || n > max_threads) {
    throw ValueError(ErrorCode::value_out_of_range, "set_num_threads",
                     message("n is ", n, "; expected 1 to ", max_threads), at);
  }
  Setting& setting = Setting::get();
  Pool* outgrown = nullptr;
  {
    const std::lock_guard lock(setting.mutex);
    if (setting.threads != n) outgrown = std::exchange(setting.pool, nullptr);
    setting.threads = n;
    setting.known_threads.store(n, std::memory_order_relaxed);
  }
  let_go(outgrown);
}

int hardware_threads() noexcept {
  static const int threads = count_cpus();
  return threads;
}

bool in_parallel_region() noexcept { return inside_region; }

}  // namespace weft
