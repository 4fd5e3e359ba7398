#include <memory>

#include <weft/backends/cuda/call.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/runtime.h>
#include <weft/backends/cuda/state.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

// A recording has a stream of its own: other threads go on queueing on the shared one, and are not recorded. It has its
// own scratch and its own workspace too, since a replay may run beside eager work of another queue.

namespace weft::backends::cuda {
namespace {

void release(State& state, Capture* capture) noexcept {
  if (capture->graph != nullptr) cudaGraphExecDestroy(capture->graph);
  if (capture->stream != nullptr) cudaStreamDestroy(capture->stream);
  for (const Capture::Block& block : capture->blocks) free_lasting(state, block.data);
  for (void* p : capture->freed) free_lasting(state, p);
  free_lasting(state, capture->workspace);
  cudaGetLastError();
  delete capture;
}

struct Release {
  State& state;
  void operator()(Capture* capture) const noexcept { release(state, capture); }
};
using Owned = std::unique_ptr<Capture, Release>;

}  // namespace

bool CudaBackend::begin_capture() {
  if (thread_state().recording != nullptr) {
    throw StateError(ErrorCode::read_only, call_name("capture"), "a captured step cannot hold another one",
                     call_site());
  }
  Owned capture(new Capture, Release{state_});
  check(cudaStreamCreateWithFlags(&capture->stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  capture->workspace = allocate_lasting(state_, workspace_bytes);
  // Thread-local: another thread may allocate and wait meanwhile; this one is told when it does what no graph can hold.
  check(cudaStreamBeginCapture(capture->stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  thread_state().recording = capture.release();
  return true;
}

Capture* CudaBackend::end_capture() {
  Owned capture(thread_state().recording, Release{state_});
  if (capture == nullptr) {
    throw StateError(ErrorCode::state_mismatch, call_name("capture"), "no recording has been begun on this thread",
                     call_site());
  }
  thread_state().recording = nullptr;
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(capture->stream, &graph), "cudaStreamEndCapture");
  cudaError_t result = cudaGraphGetNodes(graph, nullptr, &capture->nodes);
  if (result == cudaSuccess) result = cudaGraphInstantiate(&capture->graph, graph, 0);
  cudaGraphDestroy(graph);
  check(result, "cudaGraphInstantiate");
  check(cudaGraphUpload(capture->graph, stream()), "cudaGraphUpload");
  return capture.release();
}

void CudaBackend::replay(Capture* capture, int times) {
  if (capture == nullptr) {
    throw StateError(ErrorCode::state_mismatch, call_name("replay"), "there is no captured step", call_site());
  }
  if (thread_state().recording != nullptr) {
    throw StateError(ErrorCode::read_only, call_name("replay"), "a captured step cannot hold another one", call_site());
  }
  throw_pending(state_);
  state_.spans.mark(state_, "captured step");
  for (int i = 0; i < times; ++i) check(cudaGraphLaunch(capture->graph, stream()), "cudaGraphLaunch");
}

void CudaBackend::drop_capture(Capture* capture) noexcept {
  if (capture == nullptr) return;
  cudaDeviceSynchronize();  // a replay may still be running in this memory
  release(state_, capture);
}

}  // namespace weft::backends::cuda
