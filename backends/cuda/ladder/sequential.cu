#include <weft/backends/cuda/ladder/lines.cuh>

// Rung 1 of the sum: one thread adds the elements of a result one after another, n - 1 additions that wait for each
// other, each for a load of 4 bytes of which the neighbouring threads use nothing. What a GPU is worst at.

namespace weft::backends::cuda::ladder {
namespace {

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) sequential_kernel(const Lines s) {
  const std::uint32_t number = blockIdx.x * threads + threadIdx.x;
  if (number >= s.lines * s.chunks) return;
  const Piece piece = piece_of(s, number);
  float sum = 0;
  for (std::int64_t i = 0; i < piece.length; ++i) sum += piece.in[i];
  s.out[number] = sum;
}

}  // namespace

void sequential(const Lines& s, cudaStream_t stream) {
  launch(sequential_kernel, {blocks_of(std::int64_t{s.lines} * s.chunks, threads), threads}, stream, s);
}

}  // namespace weft::backends::cuda::ladder
