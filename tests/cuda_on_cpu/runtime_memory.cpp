#include <cstring>
#include <vector>

#include "cuda_on_cpu/counters.h"
#include "cuda_on_cpu/memory.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/runtime_call.h"
#include "cuda_on_cpu/watch.h"

// Stream-ordered allocation: an address at once, memory behind it from the moment the queue comes there.

using namespace weft_harness;

struct CUmemPoolHandle_st {
  std::uint64_t release_threshold = 0;
  std::size_t reserved = 0;
  std::size_t reserved_high = 0;
};

namespace {

CUmemPoolHandle_st& default_pool() {
  static CUmemPoolHandle_st& pool = *new CUmemPoolHandle_st;
  return pool;
}

void note_reserved() {
  CUmemPoolHandle_st& pool = default_pool();
  if (device_live_bytes() > pool.reserved) pool.reserved = device_live_bytes();
  if (pool.reserved > pool.reserved_high) pool.reserved_high = pool.reserved;
}

void* reserve(std::size_t bytes) {
  ++counters().allocations;
  if (planted(Bug::allocation_short) && bytes > 4) bytes -= 4;
  void* p = device_reserve(bytes);
  if (p != nullptr) note_reserved();
  return p;
}

cudaError_t bad_free(const char* call, const void* p) {
  report(std::string("free: ") + call + " of " + describe_address(p));
  return failed(cudaErrorInvalidValue);
}

bool is_live_block(const void* p) {
  const Block* block = device_block(p);
  return block != nullptr && block->begin == p && !block->freed;
}

/// Device addresses have to be inside one block that no call has freed; what the queue says is seen when it runs.
cudaError_t check_range(const char* call, const void* p, std::size_t bytes) {
  if (!is_device_address(p)) return cudaSuccess;
  const Block* block = device_block(p);
  const auto* at = static_cast<const char*>(p);
  if (block != nullptr && at >= block->begin && at + bytes <= block->begin + block->bytes && !block->freed) {
    return cudaSuccess;
  }
  report(std::string("out of bounds: ") + call + " of " + std::to_string(bytes) + " bytes at " + describe_address(p));
  return failed(cudaErrorInvalidValue);
}

void copy_now(void* to, const void* from, std::size_t bytes) {
  if (is_device_address(from)) {
    const std::string why = why_not_writable(from, bytes);  // copying what was never written is no mistake yet
    if (!why.empty()) return report("copy from " + describe_address(from) + ": " + why);
  }
  if (is_device_address(to)) {
    const std::string why = why_not_writable(to, bytes);
    if (!why.empty()) return report("copy to " + describe_address(to) + ": " + why);
  }
  std::memcpy(to, from, bytes);
  if (is_device_address(to)) watch_copied(to, from, bytes);
}

}  // namespace

extern "C" {

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = &default_pool();
  return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  WEFT_HARNESS_CALL();
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      pool->release_threshold = *static_cast<std::uint64_t*>(value);
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
      pool->reserved_high = pool->reserved;
      return cudaSuccess;
    case cudaMemPoolAttrUsedMemHigh:
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies:
      return cudaSuccess;
    default:
      return failed(cudaErrorInvalidValue);
  }
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  WEFT_HARNESS_CALL();
  auto* out = static_cast<std::uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      *out = pool->release_threshold;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemCurrent:
      *out = pool->reserved;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
      *out = pool->reserved_high;
      return cudaSuccess;
    case cudaMemPoolAttrUsedMemCurrent:
      *out = device_live_bytes();
      return cudaSuccess;
    case cudaMemPoolAttrUsedMemHigh:
      *out = device_peak_bytes();
      return cudaSuccess;
    default:
      return failed(cudaErrorInvalidValue);
  }
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, std::size_t keep) {
  WEFT_HARNESS_CALL();
  const std::size_t used = device_live_bytes();
  if (pool->reserved > keep) pool->reserved = used > keep ? used : keep;
  return cudaSuccess;
}

cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaMallocAsync", stream); error != cudaSuccess) return error;
  void* place = reserve(bytes);
  if (place == nullptr) return failed(cudaErrorMemoryAllocation);
  *p = place;
  const cudaError_t error =
      put(stream, {Task::Kind::memory, "cudaMallocAsync (weft's recordings have memory of their own)",
                   [place] { device_open(place); }, nullptr});
  if (error != cudaSuccess) device_freed(place);
  return failed(error);
}

cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaFreeAsync", stream); error != cudaSuccess) return error;
  if (!is_live_block(p)) return bad_free("cudaFreeAsync", p);
  if (planted(Bug::free_at_once)) {
    device_freed(p);
    device_close(p);
    return cudaSuccess;
  }
  const cudaError_t error = put(stream, {Task::Kind::memory, "cudaFreeAsync", [p] { device_close(p); }, nullptr});
  if (error == cudaSuccess) device_freed(p);
  return failed(error);
}

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = refuse_in_capture("cudaMalloc", nullptr); error != cudaSuccess) return error;
  void* place = reserve(bytes);
  if (place == nullptr) return failed(cudaErrorMemoryAllocation);
  device_open(place);
  *p = place;
  return cudaSuccess;
}

cudaError_t cudaFree(void* p) {
  WEFT_HARNESS_CALL();
  if (p == nullptr) return cudaSuccess;
  ++counters().host_waits;  // it waits for the whole device
  if (const cudaError_t error = refuse_in_capture("cudaFree", nullptr); error != cudaSuccess) return error;
  if (!is_live_block(p)) return bad_free("cudaFree", p);
  const std::vector<CUstream_st*> streams = all_streams();
  for (CUstream_st* stream : streams) drain(stream);
  device_freed(p);
  device_close(p);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  WEFT_HARNESS_CALL();
  ++counters().allocations;
  if (const cudaError_t error = refuse_in_capture("cudaHostAlloc", nullptr); error != cudaSuccess) return error;
  *p = pinned_allocate(bytes);
  return *p != nullptr ? cudaSuccess : failed(cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void* p) {
  WEFT_HARNESS_CALL();
  if (p == nullptr) return cudaSuccess;
  ++counters().host_waits;
  const std::vector<CUstream_st*> streams = all_streams();
  for (CUstream_st* stream : streams) {
    if (!stream->capture) drain(stream);
  }
  return pinned_free(p) ? cudaSuccess : failed(cudaErrorInvalidValue);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaMemcpyAsync", stream); error != cudaSuccess) return error;
  const bool to_device = is_device_address(to), from_device = is_device_address(from);
  const cudaMemcpyKind is = to_device ? (from_device ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice)
                                      : (from_device ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost);
  if (kind != is && kind != cudaMemcpyDefault) {
    report("copy: the direction given to cudaMemcpyAsync is not that of its addresses");
    return failed(cudaErrorInvalidValue);
  }
  for (const void* p : {static_cast<const void*>(to), from}) {
    if (const cudaError_t error = check_range("cudaMemcpyAsync", p, bytes); error != cudaSuccess) return error;
  }
  if (planted(Bug::skip_copy) && is == cudaMemcpyHostToDevice) return cudaSuccess;
  Task task{Task::Kind::copy, "a copy", [=] { copy_now(to, from, bytes); }, nullptr};
  // Pinned memory is read and written when the queue comes there. Pageable memory is taken before the call returns, or
  // has been written when it returns: then the call has waited.
  if (is == cudaMemcpyHostToDevice && !is_pinned(from, bytes) && !stream->capture) {
    const auto* bytes_of = static_cast<const char*>(from);
    task.run = [to, taken = std::vector<char>(bytes_of, bytes_of + bytes)] {
      copy_now(to, taken.data(), taken.size());
    };
  }
  const bool waits = is == cudaMemcpyDeviceToHost && !is_pinned(to, bytes);
  if (waits) {
    ++counters().host_waits;
    if (const cudaError_t error = refuse_in_capture("cudaMemcpyAsync to pageable memory", stream);
        error != cudaSuccess) {
      return error;
    }
  }
  if (const cudaError_t error = put(stream, std::move(task)); error != cudaSuccess) return failed(error);
  if (waits) drain(stream);
  return failed(lost_device);
}

cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaMemsetAsync", stream); error != cudaSuccess) return error;
  if (!is_device_address(p)) {
    report("fill: cudaMemsetAsync of " + describe_address(p));
    return failed(cudaErrorInvalidValue);
  }
  if (const cudaError_t error = check_range("cudaMemsetAsync", p, bytes); error != cudaSuccess) return error;
  if (planted(Bug::skip_fill)) return cudaSuccess;
  return failed(put(stream, {Task::Kind::copy, "a fill",
                             [=] {
                               const std::string why = why_not_writable(p, bytes);
                               if (!why.empty()) return report("fill of " + describe_address(p) + ": " + why);
                               std::memset(p, value, bytes);
                               watch_written(p, bytes);
                             },
                             nullptr}));
}

}  // extern "C"
