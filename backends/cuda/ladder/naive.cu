#include <weft/backends/cuda/ladder/product.cuh>

// Rung 1: one thread to an element of c, which goes along a row of a and a column of b. The first idea: it keeps every
// core of the GPU busy, and that is all. The threads of a warp have neighbouring rows, so each of their loads from a,
// and each store to c, touches 32 cache lines for 32 floats; and every element of a is read from memory or a cache n
// times, every element of b m times.

namespace weft::backends::cuda::ladder {
namespace {

constexpr int rows = 32, columns = 8;

__global__ void __launch_bounds__(rows* columns) naive_kernel(const Product p) {
  const Tile t = tile_of(p, rows, columns);
  const std::int32_t row = t.row + static_cast<std::int32_t>(threadIdx.x);
  const std::int32_t column = t.column + static_cast<std::int32_t>(threadIdx.y);
  if (row >= p.m || column >= p.n) return;
  float sum = 0;
  for (std::int32_t k = 0; k < p.k; ++k) sum = fmaf(t.a[row * p.lda + k], t.b[k * p.ldb + column], sum);
  put(p, t.c, row, column, sum);
}

}  // namespace

void naive(const Product& p, unsigned batches, cudaStream_t stream) {
  launch(naive_kernel, grid_of(p, rows, columns, dim3(rows, columns), batches), stream, p);
}

}  // namespace weft::backends::cuda::ladder
