#pragma once
// Runs a kernel: blocks one after another, the threads of a block as fibers, switched where they wait.

#include <cstddef>
#include <cstdint>
#include <string>

#include <cuda_runtime_api.h>

namespace weft_harness {

struct ThreadBody;  // device.h

struct Kernel {
  const void* code = nullptr;
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
};

/// Called by streams when the kernel's turn has come. A block that cannot go on (divergent barrier) is reported and the
/// rest of the launch is given up.
void run_kernel(const Kernel& kernel, const ThreadBody& body);

/// "softmax_rows<float>, block (0, 0, 0), thread (3, 0, 0)", or empty while no kernel runs.
std::string running_kernel();

/// What orders two accesses of one block: both change at __syncthreads, the second also at a __syncwarp of a whole
/// warp.
struct Moment {
  std::uint32_t launch;
  std::uint32_t block;
  std::uint16_t thread;
  std::uint16_t barrier;
  std::uint16_t warp;
};
bool in_kernel() noexcept;
Moment moment() noexcept;
/// Whether [p, p + bytes) lies in the parameters of the kernel that runs.
bool is_parameter(const void* p, std::size_t bytes) noexcept;
std::string describe_thread(unsigned linear);

inline constexpr std::size_t most_static_shared = 48 * 1024;
inline constexpr std::size_t most_shared = 227 * 1024;  ///< with cudaFuncAttributeMaxDynamicSharedMemorySize, on sm_90

}  // namespace weft_harness
