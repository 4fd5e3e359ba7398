#pragma once
// The device's memory: one range of addresses, blocks in it with red zones between them, which the host cannot touch.
//
// Addresses are handed out when a call asks for them; a block may be touched from the moment the queue reaches its
// allocation until it reaches its free. Freed blocks wait before their addresses are used again.

#include <cstddef>
#include <cstdint>
#include <string>

namespace weft_harness {

struct Block {
  char* begin = nullptr;
  std::size_t bytes = 0;
  std::uint64_t number = 0;  ///< counted from 1
  bool freed = false;        ///< by a call; the queue may not have reached it
  bool closed = false;       ///< the queue has
};

/// A place for `bytes`, 256-byte aligned; null where the device's memory is full. Not to be touched yet.
void* device_reserve(std::size_t bytes);
void device_open(void* p);   ///< the queue has reached the allocation
void device_freed(void* p);  ///< a call has freed it
void device_close(void* p);  ///< the queue has reached the free

/// The block that p lies in or just beyond, or null.
const Block* device_block(const void* p);
/// "8 bytes behind block 17 of 400 bytes"
std::string describe_address(const void* p);
bool is_device_address(const void* p) noexcept;

std::size_t device_live_bytes();
std::size_t device_total_bytes();  ///< WEFT_HARNESS_MEMORY_MB, otherwise 4 GiB
std::size_t device_peak_bytes();

/// While one lives the calling thread may touch the device's memory; everybody else gets a segmentation fault.
class OnDevice {
 public:
  OnDevice();
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
};

// ---- pinned host memory
void* pinned_allocate(std::size_t bytes);
bool pinned_free(void* p);  ///< false: not a block of ours
bool is_pinned(const void* p, std::size_t bytes);

}  // namespace weft_harness
