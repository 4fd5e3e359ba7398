#include <cstring>

#include <weft/backends/builtin.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/core/host_memory.h>
#include <weft/core/processor.h>

namespace weft::backends {

std::unique_ptr<Backend> make_serial() { return std::make_unique<serial::SerialBackend>(); }

namespace serial {

DeviceFacts SerialBackend::facts() {
  static const std::string& name = *new std::string(processor_name() + ", plain loops");
  DeviceFacts facts;
  facts.name = name.c_str();
  return facts;
}

void* SerialBackend::allocate(std::size_t bytes) {
  const OpTag tag = current_tag();
  return host_allocate(bytes, *tag.name != '\0' ? tag.name : "allocate", CallSite{tag.file, tag.line});
}
void SerialBackend::free(void* p, std::size_t bytes) noexcept { host_free(p, bytes); }

// Nothing is queued: every call has done its work when it returns.
void SerialBackend::copy_in(void* to, const void* host, std::size_t bytes) { std::memcpy(to, host, bytes); }
void SerialBackend::copy_out(void* host, const void* from, std::size_t bytes) { std::memcpy(host, from, bytes); }
void SerialBackend::synchronise() {}

MemoryCounts SerialBackend::memory() const noexcept {
  const HostMemoryCounts counts = host_memory_counts();
  return {counts.live, counts.peak, counts.reserved, counts.system_allocations};
}
void SerialBackend::release_cached() { host_release_cached(); }

}  // namespace serial
}  // namespace weft::backends
