#include <weft/backends/cuda/probe.h>
#include <weft/backends/cuda/device/device.cuh>

namespace weft::backends::cuda {
namespace {

__global__ void probe_kernel(int* out) { *out = 1; }

}  // namespace

cudaError_t probe_code() noexcept {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&probe_kernel));
}

}  // namespace weft::backends::cuda
