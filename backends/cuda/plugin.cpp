#include <weft/backends/plugin.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <string_view>

#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/probe.h>
#include <weft/backends/cuda/runtime.h>
#include <weft/backends/cuda/state.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

// Every way of not having CUDA has its own sentence. No plug-in at all is the loader's (plugin_loader.cpp), a missing
// vendor library that of the call which needs it (vendor/open.cpp).

#ifndef WEFT_CUDA_CODE
#define WEFT_CUDA_CODE "unknown architectures"
#endif

namespace weft::backends::cuda {
namespace {

std::string version_text(int version) { return message(version / 1000, ".", version % 1000 / 10); }

/// Empty when there is a device to use.
std::string missing(State& state) {
  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  cudaGetLastError();
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) cudaGetLastError();
  state.driver_version = driver;
  if (cudaRuntimeGetVersion(&state.runtime_version) != cudaSuccess) cudaGetLastError();
  if (found == cudaErrorInsufficientDriver || found == cudaErrorStubLibrary || found == cudaErrorSystemDriverMismatch) {
    if (driver == 0 || found == cudaErrorStubLibrary) {
      return "no NVIDIA driver was found (libcuda.so.1): install the driver of the GPU, or run where there is one";
    }
    if (found == cudaErrorSystemDriverMismatch) {
      return "the NVIDIA driver's kernel module and libcuda.so.1 are of different versions: restart the machine";
    }
    return message("the NVIDIA driver is too old: it supports CUDA ", version_text(driver),
                   ", this plug-in was built for ", version_text(state.runtime_version), "; update the driver");
  }
  if (found == cudaErrorNoDevice || (found == cudaSuccess && count == 0)) {
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    if (visible != nullptr) {
      return message("no NVIDIA GPU can be used: CUDA_VISIBLE_DEVICES is \"", visible, "\"");
    }
    return "no NVIDIA GPU was found, though a driver is installed";
  }
  if (found != cudaSuccess) {
    return message("CUDA does not start: ", cudaGetErrorString(found), " (", cudaGetErrorName(found), ")");
  }
  return {};
}

void make_ready(State& state) {
  check(cudaSetDevice(0), "cudaSetDevice");
  check(cudaGetDeviceProperties(&state.properties, 0), "cudaGetDeviceProperties");
  const char* allocator = std::getenv("WEFT_CUDA_ALLOC");
  state.direct = allocator != nullptr && std::string_view(allocator) == "direct";
  check(cudaDeviceGetDefaultMemPool(&state.pool, 0), "cudaDeviceGetDefaultMemPool");
  std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();
  check(cudaMemPoolSetAttribute(state.pool, cudaMemPoolAttrReleaseThreshold, &unlimited), "cudaMemPoolSetAttribute");
  check(cudaStreamCreateWithFlags(&state.main, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  check(cudaStreamCreateWithFlags(&state.side, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  void* mirror = nullptr;
  check(cudaHostAlloc(&mirror, sizeof(Report), cudaHostAllocMapped | cudaHostAllocPortable), "cudaHostAlloc");
  state.mirror = ::new (mirror) Report{};
  void* word = nullptr;
  check(cudaMalloc(&word, sizeof(DeviceWord)), "cudaMalloc");
  state.word = static_cast<DeviceWord*>(word);
  const DeviceWord fresh{0, 0, state.mirror};  // one address space: the device writes to the host's own pointer
  check(cudaMemcpyAsync(word, &fresh, sizeof fresh, cudaMemcpyHostToDevice, state.main), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(state.main), "cudaStreamSynchronize");
}

Backend* make(const PluginHost& host, std::string& why) {
  auto state = std::make_unique<State>();
  state->record_span = host.record_span;
  state->tracing = host.tracing;
  state->remember_tag = host.remember_tag;
  why = missing(*state);
  if (!why.empty()) return nullptr;
  make_ready(*state);
  const cudaDeviceProp& p = state->properties;
  const cudaError_t code = probe_code();
  if (code != cudaSuccess) {
    cudaGetLastError();
    why =
        message("the plug-in has no code for ", static_cast<const char*>(p.name), " (compute capability ", p.major, ".",
                p.minor, "): it was built for " WEFT_CUDA_CODE "; configure with -DWEFT_CUDA_ARCHITECTURES=", p.major,
                p.minor, " (", cudaGetErrorName(code), ")");
    return nullptr;
  }
  state->name = device_text(*state);
  return new CudaBackend(*state.release());
}

}  // namespace
}  // namespace weft::backends::cuda

extern "C" __attribute__((visibility("default"))) weft::backends::Backend* weft_plugin(
    const weft::backends::PluginHost* host, const char** why_not) {
  using namespace weft::backends;
  if (const char* why = mismatch(host); why != nullptr) {
    *why_not = why;
    return nullptr;
  }
  static std::string& why = *new std::string;  // read by the caller after this returns
  try {
    Backend* backend = cuda::make(*host, why);
    if (backend == nullptr) *why_not = why.c_str();
    return backend;
  } catch (const std::exception& error) {
    why = error.what();
    *why_not = why.c_str();
    return nullptr;
  }
}
