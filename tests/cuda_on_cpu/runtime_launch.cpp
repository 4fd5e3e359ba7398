#include <map>

#include "cuda_on_cpu/device.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/runtime_call.h"
#include "cuda_on_cpu/schedule.h"

using namespace weft_harness;

namespace weft_harness {

bool device_has_code();

namespace {

std::map<const void*, std::size_t>& dynamic_limits() {
  static auto& limits = *new std::map<const void*, std::size_t>;
  return limits;
}

/// Empty, or what the device's limits say against it.
std::string why_not(const LaunchRequest& r) {
  const auto text = [](std::uint64_t n) { return std::to_string(n); };
  if (r.grid.x == 0 || r.grid.y == 0 || r.grid.z == 0) return "an empty grid";
  if (r.block.x == 0 || r.block.y == 0 || r.block.z == 0) return "an empty block";
  const std::uint64_t threads = std::uint64_t{r.block.x} * r.block.y * r.block.z;
  if (threads > 1024 || r.block.z > 64) return text(threads) + " threads in a block, at most 1024 (64 along z)";
  if (r.grid.x > 2147483647u || r.grid.y > 65535 || r.grid.z > 65535) {
    return "a grid of " + triple(r.grid.x, r.grid.y, r.grid.z) + " blocks, at most (2147483647, 65535, 65535)";
  }
  const auto found = dynamic_limits().find(r.kernel);
  const std::size_t limit = found == dynamic_limits().end() ? most_static_shared : found->second;
  if (r.shared_bytes > limit) {
    return text(r.shared_bytes) + " bytes of dynamic shared memory, at most " + text(limit) +
           (limit == most_static_shared ? " without cudaFuncAttributeMaxDynamicSharedMemorySize" : "");
  }
  if (r.parameter_bytes > 32764) return text(r.parameter_bytes) + " bytes of parameters, at most 32764";
  return {};
}

}  // namespace

cudaError_t enqueue_kernel(const LaunchRequest& asked, cudaStream_t stream, ThreadBody body) {
  WEFT_HARNESS_CALL();
  if (const cudaError_t error = check_stream("cudaLaunchKernel", stream); error != cudaSuccess) return error;
  if (!device_has_code()) return failed(cudaErrorNoKernelImageForDevice);
  if (planted(Bug::sticky_error)) return failed(lost_device = cudaErrorIllegalAddress);
  if (stream->capture && planted(Bug::wait_while_recording)) cudaStreamSynchronize(stream);
  if (void* p = nullptr; stream->capture && planted(Bug::allocate_while_recording)) cudaMalloc(&p, 4);
  LaunchRequest request = asked;
  if (planted(Bug::grid_one_short) && request.grid.x > 1) --request.grid.x;
  if (planted(Bug::block_too_large)) request.block.x *= 32;
  if (planted(Bug::shared_memory_short)) request.shared_bytes /= 2;
  if (const std::string why = why_not(request); !why.empty()) {
    report("launch: " + function_name(request.kernel) + ": " + why);
    return failed(cudaErrorInvalidConfiguration);
  }
  const Kernel kernel{request.kernel, request.grid, request.block, request.shared_bytes};
  return failed(put(stream, {Task::Kind::kernel, "a kernel",
                             [kernel, body = std::move(body)] { run_kernel(kernel, body); }, nullptr}));
}

}  // namespace weft_harness

extern "C" {

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  WEFT_HARNESS_CALL();
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      static_cast<std::size_t>(value) > most_shared) {
    return failed(cudaErrorInvalidValue);
  }
  dynamic_limits()[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

}  // extern "C"
