#include <cstdlib>
#include <cstring>

#include "cuda_on_cpu/counters.h"
#include "cuda_on_cpu/memory.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/runtime_call.h"
#include "cuda_on_cpu/schedule.h"

// WEFT_HARNESS_MACHINE says what kind of machine this pretends to be: no-driver, old-driver, no-device, no-code (a
// device the plug-in has no code for); otherwise one with a device like an H200.

using namespace weft_harness;

namespace weft_harness {
namespace {

thread_local cudaError_t last_error = cudaSuccess;
thread_local int current_device = 0;

bool machine_is(const char* kind) {
  const char* machine = std::getenv("WEFT_HARNESS_MACHINE");
  return machine != nullptr && std::strcmp(machine, kind) == 0;
}

cudaError_t machine_error() {
  if (machine_is("no-driver") || machine_is("old-driver")) return cudaErrorInsufficientDriver;
  if (machine_is("no-device")) return cudaErrorNoDevice;
  return cudaSuccess;
}

}  // namespace

cudaError_t failed(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

bool device_has_code() { return !machine_is("no-code"); }

cudaError_t check_stream(const char* call, cudaStream_t stream) {
  if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread) {
    report(std::string("default stream: ") + call +
           " was given no stream; work there is not ordered with the backend's");
    return failed(cudaErrorInvalidResourceHandle);
  }
  if (!is_stream(stream)) {
    report(std::string("stream: ") + call + " was given a stream that does not exist (any more)");
    return failed(cudaErrorInvalidResourceHandle);
  }
  return cudaSuccess;
}

}  // namespace weft_harness

extern "C" {

cudaError_t cudaDriverGetVersion(int* version) {
  *version = machine_is("no-driver") ? 0 : machine_is("old-driver") ? 11040 : CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (const cudaError_t error = machine_error(); error != cudaSuccess) return failed(error);
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (const cudaError_t error = machine_error(); error != cudaSuccess) return failed(error);
  if (device != 0) return failed(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (const cudaError_t error = machine_error(); error != cudaSuccess) return failed(error);
  if (device != 0) return failed(cudaErrorInvalidDevice);
  *p = {};
  std::strcpy(p->name, "the CPU, as weft's stand-in for an H200");
  p->totalGlobalMem = device_total_bytes();
  p->sharedMemPerBlock = most_static_shared;
  p->sharedMemPerBlockOptin = most_shared;
  p->sharedMemPerMultiprocessor = 228 * 1024;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 2147483647;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->maxThreadsPerMultiProcessor = 2048;
  p->maxBlocksPerMultiProcessor = 32;
  // Few, so that grids that follow from it stay small.
  p->multiProcessorCount = 4;
  p->major = 9;
  p->minor = 0;
  p->l2CacheSize = 50 << 20;
  p->memoryBusWidth = 6144;
  p->asyncEngineCount = 3;
  p->concurrentKernels = 1;
  p->unifiedAddressing = 1;
  p->memoryPoolsSupported = 1;
  p->textureAlignment = 512;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (const cudaError_t error = machine_error(); error != cudaSuccess) return failed(error);
  if (device != 0) return failed(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = 4;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(most_static_shared);
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(most_shared);
      return cudaSuccess;
    case cudaDevAttrClockRate:
      *value = 1980000;
      return cudaSuccess;
    case cudaDevAttrMemoryClockRate:
      *value = 3201000;
      return cudaSuccess;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = 6144;
      return cudaSuccess;
    case cudaDevAttrL2CacheSize:
      *value = 50 << 20;
      return cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = 2048;
      return cudaSuccess;
    default:
      report("runtime: the stand-in does not know device attribute " + std::to_string(attribute));
      return failed(cudaErrorNotSupported);
  }
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total) {
  WEFT_HARNESS_CALL();
  *total = device_total_bytes();
  *free_bytes = *total - device_live_bytes();
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = lost_device;  // that one stays
  return error;
}

cudaError_t cudaPeekAtLastError() { return last_error; }

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define WEFT_HARNESS_NAME(name) \
  case name:                    \
    return #name
    WEFT_HARNESS_NAME(cudaSuccess);
    WEFT_HARNESS_NAME(cudaErrorInvalidValue);
    WEFT_HARNESS_NAME(cudaErrorMemoryAllocation);
    WEFT_HARNESS_NAME(cudaErrorInvalidConfiguration);
    WEFT_HARNESS_NAME(cudaErrorInvalidResourceHandle);
    WEFT_HARNESS_NAME(cudaErrorInsufficientDriver);
    WEFT_HARNESS_NAME(cudaErrorNoDevice);
    WEFT_HARNESS_NAME(cudaErrorInvalidDevice);
    WEFT_HARNESS_NAME(cudaErrorNoKernelImageForDevice);
    WEFT_HARNESS_NAME(cudaErrorNotReady);
    WEFT_HARNESS_NAME(cudaErrorIllegalAddress);
    WEFT_HARNESS_NAME(cudaErrorLaunchFailure);
    WEFT_HARNESS_NAME(cudaErrorNotSupported);
    WEFT_HARNESS_NAME(cudaErrorStreamCaptureUnsupported);
    WEFT_HARNESS_NAME(cudaErrorStreamCaptureInvalidated);
    WEFT_HARNESS_NAME(cudaErrorStreamCaptureUnmatched);
    WEFT_HARNESS_NAME(cudaErrorStreamCaptureUnjoined);
    WEFT_HARNESS_NAME(cudaErrorStreamCaptureWrongThread);
    WEFT_HARNESS_NAME(cudaErrorStreamCaptureIsolation);
    WEFT_HARNESS_NAME(cudaErrorCapturedEvent);
#undef WEFT_HARNESS_NAME
    default:
      return "a CUDA error the stand-in has no name for";
  }
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorNoKernelImageForDevice:
      return "no kernel image is available for execution on the device";
    default:
      return cudaGetErrorName(error);
  }
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  WEFT_HARNESS_CALL();
  *attributes = {};
  if (machine_is("no-code")) return failed(cudaErrorNoKernelImageForDevice);
  attributes->maxThreadsPerBlock = 1024;
  attributes->binaryVersion = 90;
  attributes->ptxVersion = 90;
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(most_static_shared);
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads, std::size_t) {
  WEFT_HARNESS_CALL();
  if (threads < 1 || threads > 1024) return failed(cudaErrorInvalidValue);
  const int rounded = (threads + 31) / 32 * 32;  // registers and shared memory are not known here
  *blocks = 2048 / rounded < 32 ? 2048 / rounded : 32;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  WEFT_HARNESS_CALL();
  ++counters().host_waits;
  if (const cudaError_t error = refuse_in_capture("cudaDeviceSynchronize", nullptr); error != cudaSuccess) return error;
  const std::vector<CUstream_st*> streams = all_streams();
  for (CUstream_st* stream : streams) drain(stream);
  return failed(lost_device);
}

}  // extern "C"
