#include <cstdio>

#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/runtime.h>
#include <weft/backends/cuda/state.h>
#include <weft/backends/cuda/vendor/nvml.h>
#include <weft/core/message.h>

namespace weft::backends::cuda {
namespace {

/// Of one multiprocessor and clock: NVIDIA's CUDA C++ Programming Guide, "Arithmetic Instructions", by compute
/// capability. 0 where it is not listed here.
int fused_float32_per_clock(int major, int minor) {
  switch (major * 10 + minor) {
    case 75:
    case 80:
      return 64;
    case 86:
    case 87:
    case 89:
    case 90:
    case 100:
    case 103:
    case 120:
      return 128;
    default:
      return 0;
  }
}

int attribute(cudaDeviceAttr which) {
  int value = 0;
  if (cudaDeviceGetAttribute(&value, which, 0) != cudaSuccess) cudaGetLastError();
  return value;
}

}  // namespace

std::string device_text(const State& state) {
  const cudaDeviceProp& p = state.properties;
  std::string text = message(static_cast<const char*>(p.name), ", compute capability ", p.major, ".", p.minor, ", ",
                             p.multiProcessorCount, " SMs of ", p.regsPerMultiprocessor, " registers and ",
                             p.sharedMemPerMultiprocessor / 1024, " KiB shared memory, L2 ", p.l2CacheSize / (1 << 20),
                             " MiB, memory ", p.totalGlobalMem >> 20, " MiB");
  const double clock = attribute(cudaDevAttrClockRate) * 1e3;  // Hz
  const double memory_clock = attribute(cudaDevAttrMemoryClockRate) * 1e3;
  if (const int rate = fused_float32_per_clock(p.major, p.minor); rate > 0 && clock > 0) {
    text += message(", at most ", static_cast<int>(clock * rate * 2 * p.multiProcessorCount / 1e9), " float32 GFLOP/s");
  }
  if (memory_clock > 0) {  // two transfers a clock
    text += message(", ", static_cast<int>(memory_clock * 2 * (p.memoryBusWidth / 8) / 1e9), " GB/s");
  }
  text += message(", driver for CUDA ", state.driver_version / 1000, ".", state.driver_version % 1000 / 10,
                  ", plug-in for ", state.runtime_version / 1000, ".", state.runtime_version % 1000 / 10);
  char address[16];
  std::snprintf(address, sizeof address, "%04x:%02x:%02x.0", static_cast<unsigned>(p.pciDomainID),
                static_cast<unsigned>(p.pciBusID), static_cast<unsigned>(p.pciDeviceID));
  if (const PowerReading now = read_power(address); now.known) {
    text += message(", ", now.sm_megahertz, " of ", now.most_sm_megahertz, " MHz and ", now.power_milliwatts / 1000,
                    " W when asked");
  }
  return text;
}

DeviceFacts CudaBackend::facts() {
  DeviceFacts facts;
  facts.name = state_.name.c_str();
  std::size_t free_bytes = 0, total_bytes = 0;
  if (cudaMemGetInfo(&free_bytes, &total_bytes) == cudaSuccess) {
    facts.free_bytes = free_bytes;
    facts.total_bytes = total_bytes;
  } else {
    cudaGetLastError();
  }
  facts.units = multiprocessors();
  facts.streams = true;
  facts.graphs = true;
  return facts;
}

bool CudaBackend::set_option(std::string_view key, std::string_view value) {
  if (key == "float32.precision") {
    if (value != "float32" && value != "tf32") return false;
    state_.tf32.store(value == "tf32", std::memory_order_relaxed);
    return true;
  }
  if (key == "conv.kernel") {
    if (value != "cudnn" && value != "direct") return false;
    state_.direct_conv.store(value == "direct", std::memory_order_relaxed);
    return true;
  }
  if (key == "autotune") {
    if (value != "on" && value != "off") return false;
    state_.autotune.store(value == "on", std::memory_order_relaxed);
    return true;
  }
  if (key == "matmul.kernel") {
    ladder::MatmulKernel kernel = ladder::MatmulKernel::automatic;
    if (!ladder::parse(value, kernel)) return false;
    state_.matmul_kernel.store(kernel, std::memory_order_relaxed);
    return true;
  }
  if (key == "reduce.kernel") {
    ladder::ReduceKernel kernel = ladder::ReduceKernel::automatic;
    if (!ladder::parse(value, kernel)) return false;
    state_.reduce_kernel.store(kernel, std::memory_order_relaxed);
    return true;
  }
  return false;
}

bool CudaBackend::exhibit(std::string_view name, std::int64_t setting, ExhibitFigures& figures,
                          std::span<double> seconds) {
  return ladder::exhibit(*this, name, setting, figures, seconds);
}

}  // namespace weft::backends::cuda
