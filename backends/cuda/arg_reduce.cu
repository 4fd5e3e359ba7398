#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/device/walk.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/reduce.cuh>

// The first extreme has no order of evaluation to keep: how many threads go along a line is chosen by its strides.

namespace weft::backends::cuda {
namespace {

/// Ordered before others by value, then by position; a NaN is before every number.
template <class A>
struct Candidate {
  A value;
  std::int64_t position;  ///< -1: none
};

template <class A>
__device__ inline Candidate<A> better(bool largest, const Candidate<A>& a, const Candidate<A>& b) {
  if (b.position < 0) return a;
  if (a.position < 0) return b;
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan != b_nan) return a_nan ? a : b;
  if (!a_nan && a.value != b.value) return (largest ? a.value > b.value : a.value < b.value) ? a : b;
  return a.position <= b.position ? a : b;
}

template <class T>
__global__ void __launch_bounds__(reduce_threads)
    arg_reduce_kernel(bool largest, const T* in, std::int64_t step, std::int64_t length, std::int64_t* out, int group,
                      std::uint32_t lines, const Walk<2> walk) {
  using A = Total<T>;
  WEFT_SHARED(A[32], values);
  WEFT_SHARED(std::int64_t[32], positions);
  const unsigned size = static_cast<unsigned>(group), lane = threadIdx.x % size;
  const std::uint32_t line = blockIdx.x * (reduce_threads / size) + threadIdx.x / size;
  const bool works = line < lines;
  std::int64_t at[2] = {};
  Candidate<A> best = {A(0), -1};
  if (works) {
    walk.offsets(line, at);
    const T* from = in + at[0];
#pragma unroll 4
    for (std::int64_t i = lane; i < length; i += size) {
      best = better(largest, best, {static_cast<A>(load(from + i * step)), i});
    }
  }
  for (int distance = (group < 32 ? group : 32) / 2; distance > 0; distance /= 2) {
    const Candidate<A> other = {from_lane_xor(best.value, distance), from_lane_xor(best.position, distance)};
    best = better(largest, best, other);
  }
  if (group > 32) {
    if (threadIdx.x % 32 == 0) {
      values[threadIdx.x / 32] = best.value;
      positions[threadIdx.x / 32] = best.position;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      for (unsigned w = 1; w < reduce_threads / 32; ++w) best = better(largest, best, {values[w], positions[w]});
    }
  }
  if (works && lane == 0) out[at[1]] = best.position;
}

}  // namespace

void CudaBackend::arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) {
  const std::int64_t length = in.shape[axis], step = in.strides[axis];
  const StridedLoop<2> loop = collapse<2>(out.shape, {&in.strides, &out.strides}, AxisOrder::logical);
  // Neighbouring threads read neighbours: along the line, or in neighbouring lines where there are enough of them.
  const bool along = step == 1 || step == -1 || loop.numel() < 4096 || loop.inner_stride(0) != 1;
  int group = 1;
  if (along && length > 1024) {
    group = static_cast<int>(reduce_threads);
  } else if (along) {
    while (group < 32 && group < length) group *= 2;
  }
  const std::int64_t start[2] = {};
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    for_walks(loop, 1, start, 0, [&](const Walk<2>& walk) {
      const unsigned blocks = blocks_of(walk.units, reduce_threads / static_cast<unsigned>(group));
      launch(arg_reduce_kernel<T>, {blocks, reduce_threads}, stream(), op == ArgReduceOp::argmax, in.as<const T>(),
             step, length, out.as<std::int64_t>(), group, walk.units, walk);
    });
  });
}

}  // namespace weft::backends::cuda
