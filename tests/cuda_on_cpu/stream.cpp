#include "cuda_on_cpu/stream.h"

#include <algorithm>
#include <atomic>

#include "cuda_on_cpu/counters.h"
#include "cuda_on_cpu/memory.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"

namespace weft_harness {

cudaError_t lost_device = cudaSuccess;

std::recursive_mutex& device_lock() {
  static std::recursive_mutex& m = *new std::recursive_mutex;
  return m;
}

std::vector<CUstream_st*>& all_streams() {
  static auto& all = *new std::vector<CUstream_st*>;
  return all;
}

bool is_stream(const CUstream_st* stream) {
  const auto& all = all_streams();
  return std::find(all.begin(), all.end(), stream) != all.end();
}

unsigned long long this_thread() {
  static std::atomic<unsigned long long> next{1};
  static thread_local const unsigned long long mine = next++;
  return mine;
}

cudaError_t put(CUstream_st* stream, Task task) {
  if (!stream->capture) {
    stream->queue.push_back(std::move(task));
    return cudaSuccess;
  }
  CaptureState& capture = *stream->capture;
  if (capture.broken) return cudaErrorStreamCaptureInvalidated;
  if (task.kind == Task::Kind::memory) {
    capture.broken = true;
    capture.why = task.what;
    return cudaErrorStreamCaptureUnsupported;
  }
  capture.graph.nodes.push_back({std::move(task), stream->tail});
  stream->tail = {capture.graph.nodes.size() - 1};
  return cudaSuccess;
}

namespace {

Random& choices() {
  static Random& r = *new Random(settings().seed ^ 0x5EEDu);
  return r;
}

/// What other streams have to do is done first, or some of it, or nothing that need not be.
void let_others_run(const CUstream_st* waited_for) {
  const Order order = settings().order;
  if (order == Order::forward) return;
  const std::vector<CUstream_st*> streams = all_streams();
  for (CUstream_st* other : streams) {
    if (other == waited_for) continue;
    while (order == Order::reverse || choices().below(2) == 0) {
      if (!step(other)) break;
    }
  }
}

void run_until(CUstream_st* stream, const Recording* recording) {
  while (recording == nullptr || !recording->done) {
    if (settings().order == Order::random) let_others_run(stream);
    if (!step(stream)) break;
  }
}

}  // namespace

void run_task(Task& task) {
  const OnDevice access;
  task.run();
  switch (task.kind) {
    case Task::Kind::kernel:
      ++counters().kernels;
      break;
    case Task::Kind::vendor:
      ++counters().vendor_calls;
      break;
    case Task::Kind::copy:
      ++counters().copies;
      break;
    default:
      break;
  }
}

bool step(CUstream_st* stream) {
  if (stream->queue.empty() || stream->running) return false;
  stream->running = true;
  Task task = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (task.kind == Task::Kind::wait) {
    // Nobody waits in a circle: a wait is for what was recorded before it was put.
    drain_until(task.recording);
    stream->clock_ms = std::max(stream->clock_ms, task.recording->at_ms);
  } else if (task.kind == Task::Kind::mark) {
    task.recording->at_ms = stream->clock_ms;
    task.recording->done = true;
  } else {
    run_task(task);
    stream->clock_ms += 0.001;
  }
  stream->running = false;
  return true;
}

void drain(CUstream_st* stream) {
  let_others_run(stream);
  run_until(stream, nullptr);
}

void drain_until(const std::shared_ptr<Recording>& recording) {
  if (recording->done) return;
  run_until(recording->stream, recording.get());
}

void run_graph(const Graph& graph) {
  const std::size_t n = graph.nodes.size();
  std::vector<bool> done(n, false);
  for (std::size_t ran = 0; ran < n; ++ran) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < n; ++i) {
      if (done[i]) continue;
      const auto& needs = graph.nodes[i].needs;
      if (std::all_of(needs.begin(), needs.end(), [&](std::size_t k) { return done[k]; })) ready.push_back(i);
      if (settings().order == Order::forward && !ready.empty()) break;
    }
    const std::size_t chosen = settings().order == Order::forward   ? ready.front()
                               : settings().order == Order::reverse ? ready.back()
                                                                    : ready[choices().below(ready.size())];
    Task task = graph.nodes[chosen].task;
    if (task.run) run_task(task);
    done[chosen] = true;
  }
}

cudaStreamCaptureMode& thread_capture_mode() {
  static thread_local cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  return mode;
}

cudaError_t refuse_in_capture(const char* call, CUstream_st* stream) {
  const cudaStreamCaptureMode mine = thread_capture_mode();
  for (CUstream_st* each : all_streams()) {
    if (!each->capture) continue;
    CaptureState& capture = *each->capture;
    const bool on_its_stream = each == stream;
    const bool by_its_thread = mine != cudaStreamCaptureModeRelaxed && capture.thread == this_thread() &&
                               capture.mode != cudaStreamCaptureModeRelaxed;
    const bool by_anyone = mine == cudaStreamCaptureModeGlobal && capture.mode == cudaStreamCaptureModeGlobal;
    if (!on_its_stream && !by_its_thread && !by_anyone) continue;
    capture.broken = true;
    capture.why = call;
    return failed(cudaErrorStreamCaptureUnsupported);
  }
  return cudaSuccess;
}

}  // namespace weft_harness
