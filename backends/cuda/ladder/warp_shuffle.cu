#include <weft/backends/cuda/ladder/lines.cuh>

// Rung 3 of the sum: the 32 threads of a warp run in step and can read each other's registers, so the five levels of
// the tree within a warp need neither shared memory nor a barrier. One barrier is left, between the warps' sums and the
// warp that adds them.

namespace weft::backends::cuda::ladder {
namespace {

__device__ float warp_sum(float sum) {
#pragma unroll
  for (unsigned step = 16; step > 0; step /= 2) sum += __shfl_down_sync(every_lane, sum, step);
  return sum;  // lane 0's is complete
}

__global__ void __launch_bounds__(most_sum_threads) warp_shuffle_kernel(const Lines s) {
  WEFT_SHARED(float[32], sums);
  const Piece piece = piece_of(s, blockIdx.x);
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < piece.length; i += blockDim.x) sum += piece.in[i];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  sum = warp_sum(threadIdx.x < blockDim.x / 32 ? sums[threadIdx.x] : 0.0f);
  if (threadIdx.x == 0) s.out[blockIdx.x] = sum;
}

}  // namespace

void warp_shuffle(const Lines& s, cudaStream_t stream) {
  launch(warp_shuffle_kernel, {s.lines * s.chunks, threads_for(s, 32)}, stream, s);
}

}  // namespace weft::backends::cuda::ladder
