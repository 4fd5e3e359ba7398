#include <weft/backends/cuda/ladder/product.cuh>

// Rung 2: the same with rows and columns exchanged among the threads, one line of code. A warp now has 32 neighbouring
// columns of one row: its loads from b and its stores to c are 128 neighbouring bytes, one transaction, and its load
// from a is one address for all 32. As many loads as before, but a step of k touches 5 sectors of 32 bytes, not 33.

namespace weft::backends::cuda::ladder {
namespace {

constexpr int rows = 8, columns = 32;

__global__ void __launch_bounds__(rows* columns) coalesced_kernel(const Product p) {
  const Tile t = tile_of(p, rows, columns);
  const std::int32_t row = t.row + static_cast<std::int32_t>(threadIdx.y);
  const std::int32_t column = t.column + static_cast<std::int32_t>(threadIdx.x);
  if (row >= p.m || column >= p.n) return;
  float sum = 0;
  for (std::int32_t k = 0; k < p.k; ++k) sum = fmaf(t.a[row * p.lda + k], t.b[k * p.ldb + column], sum);
  put(p, t.c, row, column, sum);
}

}  // namespace

void coalesced(const Product& p, unsigned batches, cudaStream_t stream) {
  launch(coalesced_kernel, grid_of(p, rows, columns, dim3(columns, rows), batches), stream, p);
}

}  // namespace weft::backends::cuda::ladder
