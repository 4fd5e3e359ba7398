#pragma once
// Private: when the device was at which public call, for the host's trace.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include <cuda_runtime_api.h>

namespace weft::backends::cuda {

struct State;

class Spans {
 public:
  /// The shared queue comes to a call named `name` (a literal). One load while no trace is being recorded.
  void mark(State& state, const char* name) noexcept;
  /// The queue has been waited for: puts what was marked into the host's trace.
  void report(State& state) noexcept;

 private:
  struct Mark {
    cudaEvent_t event;
    const char* name;
  };
  cudaEvent_t event();

  std::atomic<bool> collecting_{false};  // by CUPTI
  std::mutex lock_;                      // guards what follows
  bool asked_ = false;                   // whether CUPTI can be had, since the trace was started
  std::vector<Mark> marks_;
  std::vector<cudaEvent_t> spare_;
  cudaEvent_t base_ = nullptr;  // its time on the host is known
  std::int64_t base_time_ = 0;
};

}  // namespace weft::backends::cuda
