#pragma once
// Queues that defer: what a call puts on a stream runs when something waits for it, and not before. Which of several
// streams goes first follows from settings().order, so an order that only chance provides does not survive.

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

namespace weft_harness {

struct Recording;  // of an event: a place in a stream

/// One piece of work. `kind` is for counters and messages.
struct Task {
  enum class Kind { kernel, vendor, copy, memory, graph, mark, wait };
  Kind kind = Kind::kernel;
  std::string what;
  std::function<void()> run;
  std::shared_ptr<Recording> recording;  // mark: is done; wait: must be done
};

struct Node {
  Task task;
  std::vector<std::size_t> needs;
};
struct Graph {
  std::vector<Node> nodes;
};

struct CaptureState {
  Graph graph;
  CUstream_st* origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  unsigned long long thread = 0;
  bool broken = false;
  std::string why;  ///< it is broken
};

}  // namespace weft_harness

// The opaque types of the CUDA runtime are the harness's own.
struct CUstream_st {
  unsigned flags = 0;
  std::deque<weft_harness::Task> queue;
  std::shared_ptr<weft_harness::CaptureState> capture;
  std::vector<std::size_t> tail;  // of the capture: what the next node needs
  bool running = false;
  double clock_ms = 0;  // of event times: work takes pretended time
};
struct CUevent_st {
  unsigned flags = 0;
  std::shared_ptr<weft_harness::Recording> last;
  std::weak_ptr<weft_harness::CaptureState> capture;  // recorded in one: a dependency, not a moment
  std::vector<std::size_t> nodes;
};
struct CUgraph_st {
  weft_harness::Graph graph;
};
struct CUgraphExec_st {
  weft_harness::Graph graph;
};

namespace weft_harness {

struct Recording {
  CUstream_st* stream = nullptr;
  bool done = false;
  double at_ms = 0;
};

/// Everything the runtime keeps is guarded by it; work runs while it is held.
std::recursive_mutex& device_lock();

/// Every stream that exists, in the order of creation.
std::vector<CUstream_st*>& all_streams();
bool is_stream(const CUstream_st* stream);

/// Queues the task, or adds it to what the stream records. The error of a broken capture is returned.
cudaError_t put(CUstream_st* stream, Task task);

void drain(CUstream_st* stream);  ///< runs all that is queued on it, and what that waits for
void drain_until(const std::shared_ptr<Recording>& recording);
bool step(CUstream_st* stream);  ///< runs one piece; false: nothing is left
void run_graph(const Graph& graph);
void run_task(Task& task);

/// For calls that may not be made while something is recorded (they wait, or allocate outside any queue): breaks the
/// recording and returns the error, or returns success where the thread's mode and the stream allow the call.
cudaError_t refuse_in_capture(const char* call, CUstream_st* stream);

cudaStreamCaptureMode& thread_capture_mode();

/// The first error that is not to be got rid of: every call returns it.
extern cudaError_t lost_device;

cudaError_t failed(cudaError_t error);  ///< remembers it for cudaGetLastError
unsigned long long this_thread();

}  // namespace weft_harness
