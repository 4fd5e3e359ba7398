#include <weft/backends/cuda/ladder/lines.cuh>

// Rung 2 of the sum: the additions as a tree. Neighbouring threads add up neighbouring elements, as many at a time as
// there are threads, so that loads are coalesced; then half of the threads add the other half's sums to their own, then
// a quarter, and so on: log2(n) steps instead of n - 1. Each step goes through shared memory and needs a barrier.

namespace weft::backends::cuda::ladder {
namespace {

__global__ void __launch_bounds__(most_sum_threads) tree_kernel(const Lines s) {
  WEFT_SHARED(float[most_sum_threads], sums);
  const Piece piece = piece_of(s, blockIdx.x);
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < piece.length; i += blockDim.x) sum += piece.in[i];
  sums[threadIdx.x] = sum;
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) s.out[blockIdx.x] = sums[0];
}

}  // namespace

void tree(const Lines& s, cudaStream_t stream) {
  launch(tree_kernel, {s.lines * s.chunks, threads_for(s, 1)}, stream, s);
}

}  // namespace weft::backends::cuda::ladder
