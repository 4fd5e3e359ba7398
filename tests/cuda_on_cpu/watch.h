#pragma once
// Which bytes may be touched, which have been written, and by whom: what the two builds watch.
//
//   cuda-on-cpu        AddressSanitizer traps on what is not allocated; nothing else is kept
//   cuda-on-cpu-races  every access of a kernel is looked at (races.cpp): bounds, never-written memory, races, host
//   memory

#include <cstddef>
#include <string>

namespace weft_harness {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool address_sanitizer = true;
#else
inline constexpr bool address_sanitizer = false;
#endif
#if defined(WEFT_HARNESS_RACES)
inline constexpr bool race_hooks = true;
#else
inline constexpr bool race_hooks = false;
#endif

/// The two ranges that are watched; fixed before the first kernel.
void watch_device(char* begin, std::size_t bytes);
void watch_shared(char* begin, std::size_t bytes);

/// From now on [p, p + bytes) may be touched; nothing in it has been written. Fills it with 0xFF: NaN, or -1.
void watch_allocated(void* p, std::size_t bytes);
/// From now on it may not.
void watch_released(void* p, std::size_t bytes);
/// The runtime or a vendor's library wrote it.
void watch_written(const void* p, std::size_t bytes);
/// Copied by the runtime: where `from` was never written, `to` is not either.
void watch_copied(const void* to, const void* from, std::size_t bytes);

void watch_kernel();  ///< a kernel begins: what other kernels did is ordered before it
void watch_atomic(const void* p, std::size_t bytes);
void watch_fence();

/// Empty when every byte may be read (written), otherwise what is wrong with the first that may not.
std::string why_not_readable(const void* p, std::size_t bytes);
std::string why_not_writable(const void* p, std::size_t bytes);

}  // namespace weft_harness
