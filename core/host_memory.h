#pragma once
// Private: host memory for the CPU backends. 64-byte aligned blocks, kept by size class after they are freed, because a
// training step asks for the same sizes again and again.
//
// All functions are thread-safe. Blocks may be freed by another thread than allocated them. Under AddressSanitizer
// nothing is kept, so that a use after free is seen.

#include <cstddef>
#include <cstdint>

#include <weft/core/call_site.h>

namespace weft {

inline constexpr std::size_t host_alignment = 64;
/// Blocks above this size go back to the system as soon as they are freed.
inline constexpr std::size_t host_largest_cached = std::size_t{64} << 20;

struct HostMemoryCounts {
  std::size_t live = 0;                  ///< bytes asked for and not freed
  std::size_t peak = 0;                  ///< the highest `live` since the start or host_reset_peak()
  std::size_t reserved = 0;              ///< bytes taken from the system: live (rounded up to size classes) and kept
  std::uint64_t system_allocations = 0;  ///< how often the system was asked
};

/// At least `bytes` bytes (0 gives a distinct pointer too), uninitialised; all 0xFF, which is a NaN in every float
/// type, when the environment has WEFT_POISON=1. Throws OutOfMemoryError naming `op` and the bytes, after the kept
/// blocks were given back and a second try failed.
void* host_allocate(std::size_t bytes, const char* op = "allocate", CallSite at = {});

/// `bytes` must be what was asked for. Null is ignored.
void host_free(void* p, std::size_t bytes) noexcept;

HostMemoryCounts host_memory_counts() noexcept;
void host_reset_peak() noexcept;

/// Gives every kept block back to the system.
void host_release_cached() noexcept;

/// What a request of `bytes` occupies: multiples of 64 bytes up to 512, then four classes to each doubling.
std::size_t host_block_size(std::size_t bytes) noexcept;

}  // namespace weft
