#include <algorithm>

#include "cuda_on_cpu/counters.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/runtime_call.h"

using namespace weft_harness;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaStreamBeginCapture", stream); error != cudaSuccess) return error;
  if (stream->capture) return failed(cudaErrorIllegalState);
  stream->capture = std::make_shared<CaptureState>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->capture->thread = this_thread();
  stream->tail.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaStreamEndCapture", stream); error != cudaSuccess) return error;
  *graph = nullptr;
  const std::shared_ptr<CaptureState> capture = stream->capture;
  if (!capture) return failed(cudaErrorIllegalState);
  if (capture->origin != stream) return failed(cudaErrorStreamCaptureUnmatched);
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != this_thread()) {
    return failed(cudaErrorStreamCaptureWrongThread);
  }
  // Every node has to lie before what the first stream ends with.
  std::vector<bool> reached(capture->graph.nodes.size(), false);
  std::vector<std::size_t> open = stream->tail;
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    const auto& needs = capture->graph.nodes[node].needs;
    open.insert(open.end(), needs.begin(), needs.end());
  }
  const bool joined = std::all_of(reached.begin(), reached.end(), [](bool r) { return r; });
  for (CUstream_st* each : all_streams()) {
    if (each->capture != capture) continue;
    each->capture.reset();
    each->tail.clear();
  }
  if (capture->broken) return failed(cudaErrorStreamCaptureInvalidated);
  if (!joined) return failed(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{std::move(capture->graph)};
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  WEFT_HARNESS_CALL();
  *status = !stream->capture          ? cudaStreamCaptureStatusNone
            : stream->capture->broken ? cudaStreamCaptureStatusInvalidated
                                      : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, thread_capture_mode());
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  WEFT_HARNESS_CALL();
  if (nodes != nullptr) {
    report("runtime: the stand-in only counts the nodes of a graph");
    return failed(cudaErrorNotSupported);
  }
  *count = graph->graph.nodes.size();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long) {
  WEFT_HARNESS_CALL();
  *instance = new CUgraphExec_st{graph->graph};
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  return check_stream("cudaGraphUpload", stream);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaGraphLaunch", stream); error != cudaSuccess) return error;
  if (stream->capture) {
    stream->capture->broken = true;
    return failed(cudaErrorStreamCaptureUnsupported);  // child graphs: not used
  }
  ++counters().graph_launches;
  return failed(put(stream, {Task::Kind::graph, "a graph", [graph = instance->graph] { run_graph(graph); }, nullptr}));
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) {
  WEFT_HARNESS_CALL();
  delete instance;  // launches that are still queued hold a copy
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  WEFT_HARNESS_CALL();
  delete graph;
  return cudaSuccess;
}

}  // extern "C"
