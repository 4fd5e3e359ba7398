#pragma once
// Knowing why: where the time of a step goes, per operation, and what limits it.
//
//     weft::Profiler profiler;                    // watches the calling thread from here on
//     for (int i = 0; i < 50; ++i) train_step();
//     profiler.stop();
//     std::cout << profiler.report();
//
// For every operation: calls, time, share of the watched time, FLOP/s and bytes/s, and a verdict against the peaks of
// the machine (measured by stop() in about 0.2 s unless given). An operation is
//   compute-bound    when its arithmetic alone would take at least half its time at the peak rate,
//   memory-bound     when reading its inputs and writing its outputs once would,
//   overhead-bound   when neither would: calls too small, or a kernel far from the machine's limits.
// The watched time as a whole is split into operations, waiting (add_wait(): a data loader's stalls) and the rest, the
// host's own work between calls; the largest share decides, and among operations the bound that holds most time.
//
// Formulas: FLOPs are 2 per multiply-add of a product or convolution and 1 per element otherwise; bytes count each
// input and output once, so re-reads that miss the caches show as a low rate. The roofline model: S. Williams,
// A. Waterman, D. Patterson, "Roofline: an insightful visual performance model", CACM 52(4), 2009.
//
// Only the thread that made the profiler is watched; data loader threads are not. A profiled call costs about a
// microsecond more. On an asynchronous device every call is waited for, so that its time is its own. Profilers nest
// like scopes: stop or destroy the younger one first. Not inside a captured step.

#include <memory>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft {

enum class Bound : unsigned char { compute, memory, overhead, loader };
WEFT_API const char* name(Bound bound) noexcept;  ///< "compute-bound", ...

struct MachinePeaks {
  double flops_per_second = 0;  ///< 0: measured, by a float32 matrix product of 768^3
  double bytes_per_second = 0;  ///< 0: measured, by copying 32 MiB, read and written
};

struct ProfileRow {
  std::string operation;  ///< the public name; "linear, backward" where the backend was asked for another function
  std::int64_t calls = 0;
  double seconds = 0;
  double share = 0;  ///< of the watched time
  double flops = 0;  ///< in all calls together
  double bytes = 0;
  Bound bound = Bound::overhead;
};

struct ProfileSummary {
  double seconds = 0;     ///< watched, from construction to stop()
  double operations = 0;  ///< of these in calls of the backend
  double waiting = 0;     ///< what add_wait() reported
  double between = 0;     ///< the rest
  Bound bound = Bound::overhead;
  MachinePeaks peaks;
  std::size_t peak_memory_bytes = 0;  ///< the backend's own count; 0 where it counts nothing
};

class WEFT_API Profiler {
 public:
  explicit Profiler(MachinePeaks peaks = {}, CallSite at = CallSite::here());
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;
  ~Profiler();

  /// Time the thread spent waiting, for example the growth of DataLoader::stats().consumer_wait_seconds.
  void add_wait(double seconds) noexcept;
  /// Ends watching. A second call does nothing. On the thread that made the profiler.
  void stop();

  std::vector<ProfileRow> rows() const;  ///< longest first; bounds only after stop()
  ProfileSummary summary() const;
  std::string report() const;  ///< a table and a sentence, for people

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
