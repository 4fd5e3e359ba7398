#pragma once
// What the backend asked of the device: for "a steady step has at most 12 launches, 0 allocations, 0 host waits".

#include <cstdint>

namespace weft_harness {

struct Counters {
  std::uint64_t kernels = 0;       ///< kernels of weft's own that ran, in graphs too
  std::uint64_t vendor_calls = 0;  ///< products, convolutions that ran, in graphs too
  std::uint64_t copies = 0;        ///< copies and fills that ran, in graphs too
  std::uint64_t graph_launches = 0;
  std::uint64_t allocations = 0;  ///< calls that ask for memory, pooled, direct or pinned
  std::uint64_t host_waits = 0;   ///< calls that wait for the device, copies from and to pageable memory among them
  std::uint64_t reports = 0;
};
Counters& counters();

}  // namespace weft_harness
