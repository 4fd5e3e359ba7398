#include <cstring>
#include <string>

#include <weft/backends/builtin.h>
#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/core/host_memory.h>
#include <weft/core/message.h>
#include <weft/core/processor.h>
#include <weft/core/thread_pool.h>

namespace weft::backends {

std::unique_ptr<Backend> make_cpu() { return std::make_unique<cpu::CpuBackend>(); }

namespace cpu {

CpuBackend::CpuBackend() { kernels(); }  // a wrong WEFT_CPU_ISA is reported here, not in the middle of a computation

DeviceFacts CpuBackend::facts() {
  static const std::string& name = *new std::string(message(processor_name(), ", ", kernels().isa));
  DeviceFacts facts;
  facts.name = name.c_str();
  facts.units = num_threads();
  return facts;
}

void* CpuBackend::allocate(std::size_t bytes) { return host_allocate(bytes, call_name("allocate"), call_site()); }
void CpuBackend::free(void* p, std::size_t bytes) noexcept { host_free(p, bytes); }

// Nothing is queued: every call has done its work when it returns.
void CpuBackend::copy_in(void* to, const void* host, std::size_t bytes) { std::memcpy(to, host, bytes); }
void CpuBackend::copy_out(void* host, const void* from, std::size_t bytes) { std::memcpy(host, from, bytes); }
void CpuBackend::synchronise() {}

MemoryCounts CpuBackend::memory() const noexcept {
  const HostMemoryCounts counts = host_memory_counts();
  return {counts.live, counts.peak, counts.reserved, counts.system_allocations};
}
void CpuBackend::release_cached() { host_release_cached(); }

}  // namespace cpu
}  // namespace weft::backends
