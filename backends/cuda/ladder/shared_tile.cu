#include <weft/backends/cuda/ladder/product.cuh>

// Rung 3: a block of 32 x 32 threads brings a tile of a and one of b into shared memory, where each element is then
// read 32 times. Memory is asked for each element of a n / 32 times instead of n, of b m / 32 times instead of m. What
// limits now is shared memory: two loads from it for every multiplication.

namespace weft::backends::cuda::ladder {
namespace {

constexpr int side = 32;

__global__ void __launch_bounds__(side* side) shared_tile_kernel(const Product p) {
  WEFT_SHARED(float[side][side], as);
  WEFT_SHARED(float[side][side], bs);
  const Tile t = tile_of(p, side, side);
  const std::int32_t x = static_cast<std::int32_t>(threadIdx.x), y = static_cast<std::int32_t>(threadIdx.y);
  const std::int32_t row = t.row + y, column = t.column + x;
  float sum = 0;
  for (std::int32_t first = 0; first < p.k; first += side) {
    as[y][x] = element(t.a, p.lda, row, first + x, p.m, p.k);
    bs[y][x] = element(t.b, p.ldb, first + y, column, p.k, p.n);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < side; ++k) sum = fmaf(as[y][k], bs[k][x], sum);
    __syncthreads();  // before the next tile overwrites this one
  }
  put(p, t.c, row, column, sum);
}

}  // namespace

void shared_tile(const Product& p, unsigned batches, cudaStream_t stream) {
  launch(shared_tile_kernel, grid_of(p, side, side, dim3(side, side), batches), stream, p);
}

}  // namespace weft::backends::cuda::ladder
