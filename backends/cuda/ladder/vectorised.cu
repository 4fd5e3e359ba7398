#include <weft/backends/cuda/ladder/product.cuh>

// Rung 5: 16 bytes to a load, from memory and from shared memory, and 8 x 8 elements to a thread. A quarter of the load
// instructions for the same bytes leaves more of the issue slots to multiplications: 4 loads for 64 of them. A thread's
// rows and columns are two groups of four, 64 apart, so that the 16-byte reads of a warp cover neighbouring banks.

namespace weft::backends::cuda::ladder {
namespace {

constexpr int side = 128, depth = 8, threads = 256;

struct alignas(16) Left {
  float at[depth][side + 4];  // transposed
};
struct alignas(16) Right {
  float at[depth][side];
};

__device__ inline void load_four(const float* from, float* to) {
  const float4 value = *reinterpret_cast<const float4*>(from);
  to[0] = value.x;
  to[1] = value.y;
  to[2] = value.z;
  to[3] = value.w;
}

__global__ void __launch_bounds__(threads, 2) vectorised_kernel(const Product p) {
  WEFT_SHARED(Left, as);
  WEFT_SHARED(Right, bs);
  const Tile t = tile_of(p, side, side);
  const std::int32_t i = static_cast<std::int32_t>(threadIdx.x), x = i % 16 * 4, y = i / 16 * 4;
  const std::int32_t a_row = i / 2, a_k = i % 2 * 4, b_k = i / 32, b_column = i % 32 * 4;
  float sum[8][8] = {};
  for (std::int32_t first = 0; first < p.k; first += depth) {
    const float4 left = four(t.a, p.lda, t.row + a_row, first + a_k, p.m, p.k, p.a_in_fours);
    as.at[a_k][a_row] = left.x;
    as.at[a_k + 1][a_row] = left.y;
    as.at[a_k + 2][a_row] = left.z;
    as.at[a_k + 3][a_row] = left.w;
    *reinterpret_cast<float4*>(&bs.at[b_k][b_column]) =
        four(t.b, p.ldb, first + b_k, t.column + b_column, p.k, p.n, p.b_in_fours);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < depth; ++k) {
      float l[8], r[8];
      load_four(&as.at[k][y], l);
      load_four(&as.at[k][y + 64], l + 4);
      load_four(&bs.at[k][x], r);
      load_four(&bs.at[k][x + 64], r + 4);
#pragma unroll
      for (int u = 0; u < 8; ++u) {
#pragma unroll
        for (int v = 0; v < 8; ++v) sum[u][v] = fmaf(l[u], r[v], sum[u][v]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int u = 0; u < 8; ++u) {
    const std::int32_t row = t.row + y + u % 4 + u / 4 * 64;
    put_four(p, t.c, row, t.column + x, sum[u]);
    put_four(p, t.c, row, t.column + x + 64, sum[u] + 4);
  }
}

}  // namespace

void vectorised(const Product& p, unsigned batches, cudaStream_t stream) {
  launch(vectorised_kernel, grid_of(p, side, side, dim3(threads), batches), stream, p);
}

}  // namespace weft::backends::cuda::ladder
