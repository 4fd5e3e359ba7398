#pragma once
// Private: sums and the like over a group of threads: a part of a warp, a warp, or a block. Always the same tree, so
// that a result depends on the number of elements only.

#include <cmath>
#include <cstdint>

#include <weft/core/op_kinds.h>
#include <weft/backends/cuda/device/element.cuh>

namespace weft::backends::cuda {

inline constexpr unsigned reduce_threads = 256;

/// The lane `distance` away; for types of any size that a shuffle takes as one.
template <class A>
__device__ inline A from_lane_xor(A value, int distance) {
  if constexpr (sizeof(A) < 4) {
    return static_cast<A>(__shfl_xor_sync(every_lane, static_cast<int>(value), distance));
  } else if constexpr (std::is_same_v<A, std::int64_t>) {
    return static_cast<A>(__shfl_xor_sync(every_lane, static_cast<long long>(value), distance));
  } else {
    return __shfl_xor_sync(every_lane, value, distance);
  }
}

/// Every lane of a group of `width` lanes (a power of two) gets the result. All 32 lanes take part.
template <class A, class F>
__device__ inline A across_lanes(A value, int width, F join) {
  for (int distance = width / 2; distance > 0; distance /= 2) {
    const A other = from_lane_xor(value, distance);
    // the lower lane's part comes first for both, so that both have the same bits
    value = (threadIdx.x & static_cast<unsigned>(distance)) == 0 ? join(value, other) : join(other, value);
  }
  return value;
}

/// Every thread of the group gets the result: group is 1 .. 32 (part of a warp) or the block's size, a multiple of 32.
/// `shared` has room for 32 values and may be used again at once.
template <class A, class F>
__device__ inline A across_group(A value, int group, A* shared, F join) {
  value = across_lanes(value, group < 32 ? group : 32, join);
  if (group <= 32) return value;
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = static_cast<unsigned>(group) / 32;
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  A all = shared[0];
  for (unsigned w = 1; w < warps; ++w) all = join(all, shared[w]);
  __syncthreads();
  return all;
}

// ---- the reductions of core/op_kinds.h

template <class A>
__device__ inline A infinity() {
  if constexpr (std::is_floating_point_v<A>) {
    return static_cast<A>(HUGE_VAL);
  } else {
    return static_cast<A>(~(std::uint64_t{1} << (sizeof(A) * 8 - 1)));
  }
}

/// any and all are max and min of bools.
template <class A>
__device__ inline A start_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      return A(0);
    case ReduceOp::prod:
      return A(1);
    case ReduceOp::max:
    case ReduceOp::any:
      if constexpr (std::is_floating_point_v<A>) return -infinity<A>();
      return static_cast<A>(-infinity<A>() - 1);
    default:
      return infinity<A>();
  }
}

/// a's elements come before b's: of equal ones a's stays, a NaN is never replaced.
template <class A>
__device__ inline A larger(A a, A b) {
  return a != a || !(b > a || b != b) ? a : b;
}
template <class A>
__device__ inline A smaller(A a, A b) {
  return a != a || !(b < a || b != b) ? a : b;
}

template <class A>
__device__ inline A join(ReduceOp op, A a, A b) {
  switch (op) {
    case ReduceOp::sum:
      return plus(a, b);
    case ReduceOp::prod:
      return times(a, b);
    case ReduceOp::max:
    case ReduceOp::any:
      return larger(a, b);
    default:
      return smaller(a, b);
  }
}

/// to[j] = join(to[j], x[j]): the operation is looked at once.
template <int V, class A>
__device__ inline void join_packs(ReduceOp op, A (&to)[V], const A (&x)[V]) {
  switch (op) {
    case ReduceOp::sum:
#pragma unroll
      for (int j = 0; j < V; ++j) to[j] = plus(to[j], x[j]);
      break;
    case ReduceOp::prod:
#pragma unroll
      for (int j = 0; j < V; ++j) to[j] = times(to[j], x[j]);
      break;
    case ReduceOp::max:
    case ReduceOp::any:
#pragma unroll
      for (int j = 0; j < V; ++j) to[j] = larger(to[j], x[j]);
      break;
    default:
#pragma unroll
      for (int j = 0; j < V; ++j) to[j] = smaller(to[j], x[j]);
      break;
  }
}

}  // namespace weft::backends::cuda
