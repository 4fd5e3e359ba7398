#pragma once
// Private: the threads behind parallel_for(), and how many of them there should be. Eigen's pool stays in the .cpp.

#include <atomic>
#include <functional>

#include <weft/core/call_site.h>

namespace weft {

/// One generation of worker threads. Whoever runs a region holds a reference; the last to let go, always a caller and
/// never one of the workers, joins the threads.
class WorkerPool {
 public:
  /// Runs `task` on some worker, soon. From any thread.
  virtual void schedule(std::function<void()> task) = 0;
  virtual int workers() const noexcept = 0;
  /// 0 .. workers() - 1 on one of these workers, -1 on every other thread.
  virtual int worker_number() const noexcept = 0;

  /// How long a caller that waits for the last chunk may spin before it sleeps.
  int spin_microseconds() const noexcept { return spin_microseconds_; }
  void let_go() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  explicit WorkerPool(int spin_microseconds) : spin_microseconds_(spin_microseconds) {}
  virtual ~WorkerPool() = default;

 private:
  friend WorkerPool* acquire_workers();

  const int spin_microseconds_;
  std::atomic<int> references_{1};
};

/// Threads that should take part in a region, the caller included. Throws ValueError when it has to read
/// WEFT_NUM_THREADS and that is no valid number.
int wanted_threads(CallSite at);
void want_threads(int n) noexcept;

/// The workers of the moment with a reference for the caller, started if need be; null when regions run on the caller
/// alone. Call wanted_threads() first.
WorkerPool* acquire_workers();

}  // namespace weft
