#include <weft/backends/cuda/ladder/product.cuh>

// Rung 4: a thread makes 4 x 4 elements of c and keeps their sums in registers. For 16 multiplications it loads 4 + 4
// numbers from shared memory, half a load each instead of two; and a tile of 64 x 64 asks memory for each element half
// as often as one of 32 x 32. The 16 sums do not wait for each other, so a thread has 16 multiplications under way.

namespace weft::backends::cuda::ladder {
namespace {

constexpr int side = 64, depth = 16, across = 16, each = side / across, threads = across * across;

__global__ void __launch_bounds__(threads) register_tile_kernel(const Product p) {
  WEFT_SHARED(float[depth][side + 2], as);  // transposed; two more columns, or its stores would share banks
  WEFT_SHARED(float[depth][side], bs);
  const Tile t = tile_of(p, side, side);
  const std::int32_t i = static_cast<std::int32_t>(threadIdx.x), x = i % across, y = i / across;
  float sum[each][each] = {};
  for (std::int32_t first = 0; first < p.k; first += depth) {
#pragma unroll
    for (int u = i; u < side * depth; u += threads) {
      as[u % depth][u / depth] = element(t.a, p.lda, t.row + u / depth, first + u % depth, p.m, p.k);
      bs[u / side][u % side] = element(t.b, p.ldb, first + u / side, t.column + u % side, p.k, p.n);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < depth; ++k) {
      float left[each], right[each];
#pragma unroll
      for (int r = 0; r < each; ++r) left[r] = as[k][y + r * across];
#pragma unroll
      for (int c = 0; c < each; ++c) right[c] = bs[k][x + c * across];
#pragma unroll
      for (int r = 0; r < each; ++r) {
#pragma unroll
        for (int c = 0; c < each; ++c) sum[r][c] = fmaf(left[r], right[c], sum[r][c]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int r = 0; r < each; ++r) {
#pragma unroll
    for (int c = 0; c < each; ++c) put(p, t.c, t.row + y + r * across, t.column + x + c * across, sum[r][c]);
  }
}

}  // namespace

void register_tile(const Product& p, unsigned batches, cudaStream_t stream) {
  launch(register_tile_kernel, grid_of(p, side, side, dim3(threads), batches), stream, p);
}

}  // namespace weft::backends::cuda::ladder
