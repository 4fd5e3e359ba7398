#include "cuda_on_cpu/watch.h"

#include <cstring>

#include "cuda_on_cpu/counters.h"
#include "cuda_on_cpu/planted.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace weft_harness {

Bug planted_bug = Bug::none;

Counters& counters() {
  static Counters& c = *new Counters;
  return c;
}

#if !defined(WEFT_HARNESS_RACES)

void watch_device(char*, std::size_t) {}
void watch_shared(char*, std::size_t) {}

void watch_allocated(void* p, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(p, bytes);
#endif
  std::memset(p, 0xFF, bytes);
}

void watch_released([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(p, (bytes + 7) / 8 * 8);
#endif
}

void watch_written(const void*, std::size_t) {}
void watch_copied(const void*, const void*, std::size_t) {}
void watch_kernel() {}
void watch_atomic(const void*, std::size_t) {}
void watch_fence() {}

std::string why_not_writable([[maybe_unused]] const void* p, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  if (__asan_region_is_poisoned(const_cast<void*>(p), bytes) != nullptr) return "memory that is not allocated";
#endif
  return {};
}
std::string why_not_readable(const void* p, std::size_t bytes) { return why_not_writable(p, bytes); }

#endif

}  // namespace weft_harness
