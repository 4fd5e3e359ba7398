#pragma once
// Private: sorting on the device, for what has to happen in an order: topk, and scatter_add without atomics.

#include <cstdint>

namespace weft::backends::cuda {

class CudaBackend;

/// Sorted by key, then by position.
struct SortKey {
  std::uint64_t key;
  std::uint32_t position;
  std::uint32_t unused;
};

inline constexpr std::int64_t sort_tile = 1024;  ///< entries a block sorts in shared memory

/// What comes after every entry: fills lines up to a power of two.
inline constexpr SortKey after_all = {~std::uint64_t{0}, ~std::uint32_t{0}, 0};

/// Sorts each of `lines` lines of `length` entries (a power of two) in place.
void sort_lines(CudaBackend& backend, SortKey* keys, std::int64_t lines, std::int64_t length);

/// Sorts tiles only, and moves the first `keep` (a power of two) entries of each to `out`, closed up.
void sort_tiles(CudaBackend& backend, const SortKey* keys, SortKey* out, std::int64_t tiles, std::int64_t keep);

}  // namespace weft::backends::cuda
