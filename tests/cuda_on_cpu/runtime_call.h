#pragma once
// The frame of every function of the runtime's stand-in.

#include "cuda_on_cpu/stream.h"

namespace weft_harness {

/// Nothing works any more once the device is lost.
#define WEFT_HARNESS_CALL()                                                        \
  const std::lock_guard<std::recursive_mutex> lock(::weft_harness::device_lock()); \
  if (::weft_harness::lost_device != cudaSuccess) return ::weft_harness::failed(::weft_harness::lost_device)

/// Streams are made by cudaStreamCreate; the default stream is refused, because weft's streams do not wait for it.
cudaError_t check_stream(const char* call, cudaStream_t stream);

}  // namespace weft_harness
