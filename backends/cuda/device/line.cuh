#pragma once
// Private: lines, elements along one axis that a group of threads goes through several times (softmax, norms). The
// order of a sum along a line follows from its length alone: pack p of V elements belongs to thread p mod group,
// whatever way it is loaded.

#include <weft/backends/cuda/device/walk.h>
#include <weft/backends/cuda/device/element.cuh>
#include <weft/backends/cuda/device/reduce.cuh>

namespace weft::backends::cuda {

struct Lines {
  std::uint32_t lines = 1;
  std::int32_t length = 1;
  std::int32_t group = 1;  ///< threads to a line: 1 .. 32, or the whole block
  bool packed = false;     ///< every view has the line's elements side by side, packs at multiples of their size
};

/// Which line the calling thread works on and which packs of it: first, first + group, ... Threads without a line go
/// along without elements, since the sums need every lane.
struct Place {
  std::uint32_t line;
  std::int32_t first;
  bool works;
};
__device__ inline Place place_in(const Lines& s) {
  const unsigned group = static_cast<unsigned>(s.group), groups = reduce_threads / group;
  const std::uint32_t line = blockIdx.x * groups + threadIdx.x / group;
  return {line, static_cast<std::int32_t>(threadIdx.x % group), line < s.lines};
}

template <int V, class T>
__device__ inline void load_from_line(const T* line, std::int64_t step, bool packed, std::int64_t first, int count,
                                      Compute<T> (&x)[V]) {
  if (packed) return load_pack<V>(line + first, count, x);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    x[j] = Compute<T>{};
    if (j < count) x[j] = load(line + (first + j) * step);
  }
}
template <int V, class T>
__device__ inline void store_to_line(T* line, std::int64_t step, bool packed, std::int64_t first, int count,
                                     const Compute<T> (&x)[V]) {
  if (packed) return store_pack<V>(line + first, count, x);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    if (j < count) store(line + (first + j) * step, x[j]);
  }
}

/// f(first, count) for the packs of the calling thread.
template <int V, class F>
__device__ inline void for_packs(const Lines& s, const Place& place, F f) {
  if (!place.works) return;
#pragma unroll 1  // the compiler would divide to know how often
  for (std::int32_t first = place.first * V; first < s.length; first += s.group * V) {
    f(static_cast<std::int64_t>(first), s.length - first < V ? s.length - first : V);
  }
}

/// The sum over the group of f(first, count, total), which adds a pack's elements to V totals.
template <int V, class C, class F>
__device__ inline C line_sum(const Lines& s, const Place& place, C* shared, F f) {
  C total[V] = {};
  for_packs<V>(s, place, [&](std::int64_t first, int count) { f(first, count, total); });
#pragma unroll
  for (int j = 1; j < V; ++j) total[0] += total[j];
  return across_group(total[0], s.group, shared, [](C a, C b) { return a + b; });
}

// ---- host

template <class T>
inline constexpr int line_width = static_cast<int>(16 / sizeof(T));

/// Threads to a line of `length`: short lines share a warp.
inline std::int32_t line_group(std::int64_t length, int width) {
  const std::int64_t packs = (length + width - 1) / width;
  if (packs > 256) return static_cast<std::int32_t>(reduce_threads);
  std::int32_t group = 1;
  while (group < 32 && group < packs) group *= 2;
  return group;
}

/// Whether the elements of `view` along an axis of stride `step`, at starts `others` apart, can be read in packs.
inline bool line_in_packs(const TensorView& view, std::int64_t step, std::int64_t length, int width, int axis) {
  if (view.data == nullptr) return true;
  const std::int64_t item = static_cast<std::int64_t>(item_size(view.dtype));
  if ((step != 1 && length > 1) || length % width != 0) return false;
  if (reinterpret_cast<std::uintptr_t>(view.data) % 16 != 0) return false;
  for (int i = 0; i < view.rank(); ++i) {
    if (i != axis && view.shape[i] > 1 && view.strides[i] * item % 16 != 0) return false;
  }
  return true;
}

}  // namespace weft::backends::cuda
