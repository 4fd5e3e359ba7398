#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/sort.h>
#include <weft/backends/cuda/device/device.cuh>

// Bitonic (Batcher, "Sorting networks and their applications", 1968): no data-dependent order of anything, and entries
// differ in their position, so the result is the only one there is. Distances within a tile are done in shared memory.

namespace weft::backends::cuda {
namespace {

constexpr unsigned sort_threads = 256;
constexpr unsigned tile = static_cast<unsigned>(sort_tile);

__device__ inline bool after(const SortKey& a, const SortKey& b) {
  return a.key != b.key ? a.key > b.key : a.position > b.position;
}

/// One exchange of the network: `low` and `low + distance`, upwards where the entry's number in its line has no
/// `stage` bit.
__device__ inline void exchange(SortKey* keys, unsigned low, unsigned distance, bool up) {
  const SortKey a = keys[low], b = keys[low + distance];
  if (after(a, b) == up) {
    keys[low] = b;
    keys[low + distance] = a;
  }
}

/// All exchanges of a tile with distances from `distance` down to 1.
__device__ inline void merge_tile(SortKey* shared, std::int64_t first, std::int64_t stage, unsigned distance,
                                  std::int64_t mask) {
  for (; distance > 0; distance /= 2) {
    __syncthreads();
    for (unsigned pair = threadIdx.x; pair < tile / 2; pair += sort_threads) {
      const unsigned low = 2 * pair - (pair & (distance - 1));
      exchange(shared, low, distance, ((first + low) & mask & stage) == 0);
    }
  }
}

/// Stages 2 .. last, all within a tile; `mask` has the bits of an entry's number in its line. There are `all` entries.
__global__ void __launch_bounds__(sort_threads)
    sort_tiles_kernel(const SortKey* in, SortKey* out, std::int64_t all, std::uint32_t last, std::int64_t mask,
                      std::uint32_t keep) {
  WEFT_DYNAMIC_SHARED(SortKey, shared);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * tile;
  for (unsigned i = threadIdx.x; i < tile; i += sort_threads) shared[i] = first + i < all ? in[first + i] : after_all;
  for (std::uint32_t stage = 2; stage <= last; stage *= 2) merge_tile(shared, first, stage, stage / 2, mask);
  __syncthreads();
  for (unsigned i = threadIdx.x; i < keep && first + i < all; i += sort_threads) {
    out[static_cast<std::int64_t>(blockIdx.x) * keep + i] = shared[i];
  }
}

/// The rest of a stage, once its distances fit into a tile.
__global__ void __launch_bounds__(sort_threads)
    merge_tiles_kernel(SortKey* keys, std::int64_t stage, std::int64_t mask) {
  WEFT_DYNAMIC_SHARED(SortKey, shared);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * tile;
  for (unsigned i = threadIdx.x; i < tile; i += sort_threads) shared[i] = keys[first + i];
  merge_tile(shared, first, stage, tile / 2, mask);
  __syncthreads();
  for (unsigned i = threadIdx.x; i < tile; i += sort_threads) keys[first + i] = shared[i];
}

/// One distance of one stage, at least a tile.
__global__ void __launch_bounds__(sort_threads)
    exchange_kernel(SortKey* keys, std::int64_t pairs, std::int64_t stage, std::int64_t distance, std::int64_t mask) {
  const std::int64_t pair = static_cast<std::int64_t>(blockIdx.x) * sort_threads + threadIdx.x;
  if (pair >= pairs) return;
  const std::int64_t low = 2 * pair - (pair & (distance - 1));
  const SortKey a = keys[low], b = keys[low + distance];
  if (after(a, b) == ((low & mask & stage) == 0)) {
    keys[low] = b;
    keys[low + distance] = a;
  }
}

}  // namespace

void sort_tiles(CudaBackend& backend, const SortKey* keys, SortKey* out, std::int64_t tiles, std::int64_t keep) {
  launch(sort_tiles_kernel, {static_cast<unsigned>(tiles), sort_threads, tile * sizeof(SortKey)}, backend.stream(),
         keys, out, tiles * sort_tile, tile, sort_tile - 1, keep);
}

void sort_lines(CudaBackend& backend, SortKey* keys, std::int64_t lines, std::int64_t length) {
  const std::int64_t all = lines * length, tiles = (all + sort_tile - 1) / sort_tile, mask = length - 1;
  const LaunchShape shape = {static_cast<unsigned>(tiles), sort_threads, tile * sizeof(SortKey)};
  launch(sort_tiles_kernel, shape, backend.stream(), keys, keys, all, length < sort_tile ? length : sort_tile, mask,
         tile);
  for (std::int64_t stage = 2 * sort_tile; stage <= length; stage *= 2) {
    for (std::int64_t distance = stage / 2; distance >= sort_tile; distance /= 2) {
      launch(exchange_kernel, {blocks_of(all / 2, sort_threads), sort_threads}, backend.stream(), keys, all / 2, stage,
             distance, mask);
    }
    launch(merge_tiles_kernel, shape, backend.stream(), keys, stage, mask);
  }
}

}  // namespace weft::backends::cuda
