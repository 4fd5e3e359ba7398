#include <memory>
#include <mutex>

#include <time.h>

#include <weft/backends/cuda/call.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/runtime.h>
#include <weft/backends/cuda/state.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

// All threads share one queue until they use one of their own: what one thread made another may use without a word.

namespace weft::backends::cuda {

ThreadState& thread_state() noexcept {
  static thread_local constinit ThreadState mine;
  return mine;
}

std::int64_t now() noexcept {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

cudaStream_t CudaBackend::stream() const noexcept {
  const ThreadState& mine = thread_state();
  if (mine.recording != nullptr) return mine.recording->stream;
  return mine.stream != nullptr ? mine.stream->stream : state_.main;
}

Reporter CudaBackend::reporter() const noexcept {
  const OpTag tag = current_tag();
  return {state_.word, tag.name, tag.file, tag.line};
}

int CudaBackend::multiprocessors() const noexcept { return state_.properties.multiProcessorCount; }

Stream* CudaBackend::make_stream() {
  auto made = std::make_unique<Stream>();
  check(cudaStreamCreateWithFlags(&made->stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  const cudaError_t result = cudaEventCreateWithFlags(&made->mark, cudaEventDisableTiming);
  if (result != cudaSuccess) cudaStreamDestroy(made->stream);
  check(result, "cudaEventCreateWithFlags");
  return made.release();
}

void CudaBackend::use_stream(Stream* stream) {
  if (thread_state().recording != nullptr) {
    throw StateError(ErrorCode::read_only, call_name("capture"), "another stream inside a captured step", call_site());
  }
  thread_state().stream = stream;
}

void CudaBackend::wait(Stream* until_done) {
  if (thread_state().recording != nullptr) {
    throw StateError(ErrorCode::read_only, call_name("capture"),
                     "waiting for a stream inside a captured step: nothing has run yet", call_site());
  }
  if (until_done == thread_state().stream) return;  // a queue is in order with itself
  if (until_done == nullptr) {                      // the shared queue
    cudaEvent_t mark = nullptr;
    check(cudaEventCreateWithFlags(&mark, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    cudaError_t result = cudaEventRecord(mark, state_.main);
    if (result == cudaSuccess) result = cudaStreamWaitEvent(stream(), mark, 0);
    cudaEventDestroy(mark);  // released by the runtime when it has happened
    return check(result, "cudaStreamWaitEvent");
  }
  const std::lock_guard lock(until_done->marking);
  check(cudaEventRecord(until_done->mark, until_done->stream), "cudaEventRecord");
  check(cudaStreamWaitEvent(stream(), until_done->mark, 0), "cudaStreamWaitEvent");
}

void CudaBackend::drop_stream(Stream* stream) noexcept {
  if (stream == nullptr) return;
  if (thread_state().stream == stream) thread_state().stream = nullptr;
  cudaStreamSynchronize(stream->stream);
  void* workspace = nullptr;
  {
    const std::lock_guard lock(state_.workspaces);
    const auto found = state_.workspace_of.find(stream->stream);
    if (found != state_.workspace_of.end()) {
      workspace = found->second;
      state_.workspace_of.erase(found);
    }
  }
  free_lasting(state_, workspace);
  cudaEventDestroy(stream->mark);
  cudaStreamDestroy(stream->stream);
  cudaGetLastError();
  delete stream;
}

// ---- the error word

bool is_pending(const State& state) noexcept {
  return *static_cast<const volatile std::uint32_t*>(&state.mirror->what) != 0;
}

void throw_pending(State& state) {
  if (!is_pending(state)) return;
  const std::lock_guard lock(state.reporting);
  if (!is_pending(state)) return;
  // Kernels queued behind the one that reported still have to see the word: it is cleared after them.
  const ThreadState& mine = thread_state();
  const cudaStream_t queue = mine.stream != nullptr ? mine.stream->stream : state.main;
  check(cudaStreamSynchronize(queue), "cudaStreamSynchronize");
  const Report report = *state.mirror;
  state.mirror->what = 0;
  check(cudaMemsetAsync(&state.word->raised, 0, sizeof(state.word->raised), queue), "cudaMemsetAsync");
  check(cudaStreamSynchronize(queue), "cudaStreamSynchronize");
  const CallSite at{report.file, report.line};
  const bool named = *report.name != '\0';
  switch (static_cast<Complaint>(report.what)) {
    case Complaint::label:
      throw IndexError(ErrorCode::index_out_of_range, named ? report.name : "cross_entropy",
                       message("label ", report.value, " of row ", report.position, " is out of range for ",
                               report.limit, " classes"),
                       at);
    default:
      throw IndexError(ErrorCode::index_out_of_range, named ? report.name : "gather",
                       message("index ", report.value, " at position ", report.position, " is out of range for extent ",
                               report.limit),
                       at);
  }
}

}  // namespace weft::backends::cuda
