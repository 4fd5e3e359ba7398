#include <weft/core/thread_pool.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <limits>
#include <mutex>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/subnormals.h>
#include <weft/core/worker_pool.h>

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

// One parallel_for. It ends when its chunks are done; helpers that come too late find nothing to do, so it lives until
// the last of them has looked.
struct Region {
  enum : std::uint32_t { running, caller_sleeps, finished };

  const Body body;
  const int64_t n, chunk, chunks;
  const Schedule schedule;
  const int slots;    // threads that can take part; static_split makes one run of chunks for each
  const int helpers;  // slots - 1
  WorkerPool* const pool;

  std::atomic<int> references{1};
  std::atomic<std::uint32_t> state{running};
  alignas(64) std::atomic<int64_t> next{0};                          // the first chunk nobody has taken (dynamic_queue)
  alignas(64) std::atomic<int64_t> undone;                           // chunks neither run nor skipped
  std::atomic<int64_t> failed{std::numeric_limits<int64_t>::max()};  // the lowest chunk that threw
  std::atomic<std::uint64_t> taken[max_threads / 64] = {};           // runs that have an owner (static_split)
  std::mutex error_mutex;
  std::exception_ptr error;  // guarded by error_mutex until the region is finished

  Region(Body b, int64_t n_, int64_t chunk_, int64_t chunks_, Schedule s, WorkerPool* p, int slots_)
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
        pool->schedule([this, child] { help(child); });
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
      const int worker = pool->worker_number();  // -1: the queue was full and the caller runs this itself
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
    const auto deadline = Clock::now() + std::chrono::microseconds(pool->spin_microseconds());
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

void run_region(int64_t n, int64_t chunk, int64_t chunks, Body body, Schedule schedule, WorkerPool* pool) {
  struct Held {
    WorkerPool* pool;
    ~Held() { pool->let_go(); }
  } const held{pool};
  const int slots = static_cast<int>(std::min<int64_t>(pool->workers() + 1, chunks));
  Region* region = new Region(body, n, chunk, chunks, schedule, pool, slots);
  region->wake_children(0);
  if (!region->take_part(0)) region->wait();
  // Taken out, because a late helper may be the one that destroys the region.
  const std::exception_ptr error = std::move(region->error);
  region->drop();
  if (error != nullptr) std::rethrow_exception(error);
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
  if (wanted_threads(at) == 1) return run_inline(n, chunk, body);
  WorkerPool* pool = acquire_workers();
  if (pool == nullptr) return run_inline(n, chunk, body);
  run_region(n, chunk, (n - 1) / chunk + 1, body, schedule, pool);
}

int num_threads(CallSite at) { return wanted_threads(at); }

void set_num_threads(int n, CallSite at) {
  if (n < 1 || n > max_threads) {
    throw ValueError(ErrorCode::value_out_of_range, "set_num_threads",
                     message("n is ", n, "; expected 1 to ", max_threads), at);
  }
  want_threads(n);
}

bool in_parallel_region() noexcept { return inside_region; }

}  // namespace weft
