#pragma once
// Private: background threads that decode numbered batches ahead of one consumer, who takes them in order.
//
// A *run* is a range of batches. Threads claim the lowest batch not yet claimed while fewer than `capacity` batches are
// decoded or being decoded and not yet taken. A run may be ended at any moment: what its threads are still doing is
// thrown away when they notice, and counts against the capacity until then.

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <weft/core/function_ref.h>
#include <weft/data/loader.h>

namespace weft {

using LoaderClock = std::chrono::steady_clock;

/// Nanoseconds and counts, written by all threads.
struct LoaderCounters {
  std::atomic<std::int64_t> batches{0};
  std::atomic<std::int64_t> waits{0};
  std::atomic<std::int64_t> consumer_wait{0};
  std::atomic<std::int64_t> worker_wait{0};
  std::atomic<std::int64_t> decode{0};
};

inline void add_since(std::atomic<std::int64_t>& total, LoaderClock::time_point begin) {
  const auto spent = std::chrono::duration_cast<std::chrono::nanoseconds>(LoaderClock::now() - begin);
  total.fetch_add(spent.count(), std::memory_order_relaxed);
}

/// A decoded batch, or what went wrong and at which example (-1: none in particular).
struct Decoded {
  Batch batch;
  std::exception_ptr error;
  std::int64_t failed_index = -1;
};

class Prefetcher {
 public:
  /// Decodes one batch; catches everything. May return anything once stop() is true.
  using Decode = std::function<Decoded(std::int64_t batch, FunctionRef<bool()> stop)>;

  /// Starts up to `workers` threads; fewer, even none, when the system refuses (threads()).
  Prefetcher(int workers, int capacity, LoaderCounters& counters);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  int threads() const noexcept { return static_cast<int>(threads_.size()); }
  /// The process whose threads these are: after fork() a child has none of them, and must leave this object alone.
  pid_t process() const noexcept { return process_; }

  /// Batches first .. end - 1 become the run. No run may be active.
  void begin_run(std::int64_t first, std::int64_t end, std::shared_ptr<const Decode> decode);
  /// The next batch of the run, when it is there.
  Decoded take();
  void end_run() noexcept;

 private:
  void work(int number);
  bool has_room() const { return next_claim_ - next_take_ + abandoned_ < capacity_; }

  const std::int64_t capacity_;
  LoaderCounters& counters_;
  const pid_t process_;

  std::mutex mutex_;
  std::condition_variable claimable_;  // workers wait for it
  std::condition_variable taken_next_is_ready_;
  bool stopping_ = false;
  bool active_ = false;
  std::atomic<std::uint64_t> run_{0};  // written under the mutex, read by decoding threads without
  std::int64_t next_claim_ = 0;
  std::int64_t next_take_ = 0;
  std::int64_t end_ = 0;
  std::int64_t decoding_ = 0;   // of this run
  std::int64_t abandoned_ = 0;  // still being decoded for runs that ended
  std::shared_ptr<const Decode> decode_;
  struct Place {
    Decoded decoded;
    bool filled = false;
  };
  std::vector<Place> ring_;   // batch k at k % capacity
  std::vector<Place> spare_;  // empty places; the consumer's alone

  std::vector<std::thread> threads_;
};

}  // namespace weft
