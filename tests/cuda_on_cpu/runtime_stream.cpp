#include <algorithm>

#include "cuda_on_cpu/counters.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/runtime_call.h"

using namespace weft_harness;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  WEFT_HARNESS_CALL();
  *stream = new CUstream_st;
  (*stream)->flags = flags;
  all_streams().push_back(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaStreamDestroy", stream); error != cudaSuccess) return error;
  if (stream->capture && stream->capture->origin == stream) {
    for (CUstream_st* each : all_streams()) {
      if (each != stream && each->capture == stream->capture) each->capture->broken = true;
    }
  }
  stream->capture.reset();
  drain(stream);  // what was queued still runs
  auto& all = all_streams();
  all.erase(std::find(all.begin(), all.end(), stream));
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaStreamSynchronize", stream); error != cudaSuccess) return error;
  ++counters().host_waits;
  if (const cudaError_t error = refuse_in_capture("cudaStreamSynchronize", stream); error != cudaSuccess) return error;
  drain(stream);
  return failed(lost_device);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaStreamQuery", stream); error != cudaSuccess) return error;
  if (const cudaError_t error = refuse_in_capture("cudaStreamQuery", stream); error != cudaSuccess) return error;
  if (stream->queue.empty()) return cudaSuccess;
  step(stream);  // time passes
  return cudaErrorNotReady;
}

// ---- events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  WEFT_HARNESS_CALL();
  *event = new CUevent_st;
  (*event)->flags = flags;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  WEFT_HARNESS_CALL();
  delete event;  // those that wait for its last recording hold that recording
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaEventRecord", stream); error != cudaSuccess) return error;
  if (stream->capture) {
    if (stream->capture->broken) return failed(cudaErrorStreamCaptureInvalidated);
    event->capture = stream->capture;
    event->nodes = stream->tail;
    return cudaSuccess;
  }
  event->capture.reset();
  event->last = std::make_shared<Recording>();
  event->last->stream = stream;
  return failed(put(stream, {Task::Kind::mark, "an event", nullptr, event->last}));
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaStreamWaitEvent", stream); error != cudaSuccess) return error;
  if (planted(Bug::skip_wait)) return cudaSuccess;
  if (const auto capture = event->capture.lock()) {
    if (capture->broken) return failed(cudaErrorStreamCaptureInvalidated);
    if (stream->capture && stream->capture != capture) return failed(cudaErrorStreamCaptureIsolation);
    if (!stream->capture) stream->tail.clear();
    stream->capture = capture;  // it joins the recording
    stream->tail.insert(stream->tail.end(), event->nodes.begin(), event->nodes.end());
    return cudaSuccess;
  }
  if (stream->capture) {
    stream->capture->broken = true;
    stream->capture->why = "cudaStreamWaitEvent for an event outside the recording";
    return failed(cudaErrorStreamCaptureIsolation);
  }
  if (!event->last) return cudaSuccess;  // never recorded
  return failed(put(stream, {Task::Kind::wait, "a wait", nullptr, event->last}));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  WEFT_HARNESS_CALL();
  ++counters().host_waits;
  if (!event->capture.expired()) return failed(cudaErrorCapturedEvent);
  if (const cudaError_t error = refuse_in_capture("cudaEventSynchronize", nullptr); error != cudaSuccess) return error;
  if (event->last) drain_until(event->last);
  return failed(lost_device);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  WEFT_HARNESS_CALL();
  if (!event->capture.expired()) return failed(cudaErrorCapturedEvent);
  if (const cudaError_t error = refuse_in_capture("cudaEventQuery", nullptr); error != cudaSuccess) return error;
  if (!event->last || event->last->done) return cudaSuccess;
  step(event->last->stream);
  return cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  WEFT_HARNESS_CALL();
  if (!from->last || !to->last) return failed(cudaErrorInvalidResourceHandle);
  if (((from->flags | to->flags) & cudaEventDisableTiming) != 0) return failed(cudaErrorInvalidResourceHandle);
  if (!from->last->done || !to->last->done) return cudaErrorNotReady;
  *milliseconds = static_cast<float>(to->last->at_ms - from->last->at_ms);
  return cudaSuccess;
}

}  // extern "C"
