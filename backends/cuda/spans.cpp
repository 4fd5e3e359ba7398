#include <cstdlib>

#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define WEFT_HAS_NVTX 1
#else  // the toolkit was installed without it
#define WEFT_HAS_NVTX 0
#endif

#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/runtime.h>
#include <weft/backends/cuda/spans.h>
#include <weft/backends/cuda/state.h>
#include <weft/backends/cuda/vendor/cupti.h>

// While the host's trace runs, every public call leaves an event on the shared queue; when the queue has been waited
// for anyway, the events say when the device came to each call. Nothing waits for the sake of the trace but its
// beginning.
//
// NVTX ranges carry the public calls' names into NVIDIA's own tools. They are pushed where a tool has asked for them
// (it sets NVTX_INJECTION64_PATH) or WEFT_NVTX=1 is set.

namespace weft::backends::cuda {
namespace {

constexpr std::size_t most_marks = 16384;  // what comes between two waits beyond that is left out

bool wants_nvtx() noexcept {
  static const bool wanted = [] {
    const char* asked = std::getenv("WEFT_NVTX");
    return std::getenv("NVTX_INJECTION64_PATH") != nullptr || (asked != nullptr && *asked == '1');
  }();
  return wanted;
}

void nvtx([[maybe_unused]] const OpTag& tag) noexcept {
#if WEFT_HAS_NVTX
  static thread_local constinit bool open = false;
  if (open) nvtxRangePop();
  open = *tag.name != '\0';
  if (open) nvtxRangePushA(tag.name);
#endif
}

bool on_shared_queue() noexcept {
  const ThreadState& mine = thread_state();
  return mine.stream == nullptr && mine.recording == nullptr;
}

}  // namespace

cudaEvent_t Spans::event() {
  if (!spare_.empty()) {
    const cudaEvent_t one = spare_.back();
    spare_.pop_back();
    return one;
  }
  cudaEvent_t made = nullptr;
  check(cudaEventCreateWithFlags(&made, cudaEventDefault), "cudaEventCreateWithFlags");
  return made;
}

void Spans::mark(State& state, const char* name) noexcept try {
  if (state.tracing == nullptr || !on_shared_queue()) return;
  if (!state.tracing()) {
    if (!collecting_.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(lock_);
    cupti_stop();  // the trace has been stopped since
    collecting_.store(false, std::memory_order_relaxed);
    asked_ = false;
    return;
  }
  const std::lock_guard lock(lock_);
  if (!asked_) {
    asked_ = true;
    collecting_.store(cupti_start(state.record_span), std::memory_order_relaxed);
  }
  if (collecting_.load(std::memory_order_relaxed)) return;
  if (marks_.size() >= most_marks) return;
  if (base_ == nullptr) {
    base_ = event();
    check(cudaEventRecord(base_, state.main), "cudaEventRecord");
    check(cudaEventSynchronize(base_), "cudaEventSynchronize");
    base_time_ = now();
  }
  const cudaEvent_t here = event();
  check(cudaEventRecord(here, state.main), "cudaEventRecord");
  marks_.push_back({here, name});
} catch (...) {  // a trace is not worth an error
}

void Spans::report(State& state) noexcept try {
  if (!on_shared_queue()) return;
  if (collecting_.load(std::memory_order_relaxed)) return cupti_flush();
  const std::lock_guard lock(lock_);
  if (marks_.empty()) return;
  const cudaEvent_t end = event();
  check(cudaEventRecord(end, state.main), "cudaEventRecord");
  check(cudaEventSynchronize(end), "cudaEventSynchronize");
  const auto time_of = [&](cudaEvent_t event) {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, base_, event), "cudaEventElapsedTime");
    return base_time_ + static_cast<std::int64_t>(static_cast<double>(milliseconds) * 1e6);
  };
  const std::int64_t end_time = time_of(end);
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    const std::int64_t next = i + 1 < marks_.size() ? time_of(marks_[i + 1].event) : end_time;
    if (*marks_[i].name != '\0') state.record_span(marks_[i].name, "cuda", time_of(marks_[i].event), next);
  }
  for (const Mark& mark : marks_) spare_.push_back(mark.event);
  marks_.clear();
  spare_.push_back(base_);  // from here on times count from the end: a float holds few digits
  base_ = end;
  base_time_ = end_time;
} catch (...) {  // a trace is not worth an error
}

void CudaBackend::tag(const OpTag& tag) noexcept {
  Backend::tag(tag);
  if (state_.remember_tag != nullptr) state_.remember_tag(tag);
  if (wants_nvtx()) nvtx(tag);
  state_.spans.mark(state_, tag.name);
}

}  // namespace weft::backends::cuda
