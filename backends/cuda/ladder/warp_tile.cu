#include <weft/backends/cuda/ladder/product.cuh>

// Rung 6: a warp makes a tile of its own, 32 x 64, and two tiles of a and b are in shared memory at a time. The 32
// threads of a warp are 4 x 8, so that one step of k reads 32 + 64 different floats from shared memory for 2,048
// multiplications; the 2 x 16 threads of rung 5 read 16 + 128. While a tile is multiplied, the next one is on its way
// from memory into registers and then into the other half of shared memory: nobody waits for memory's latency, and
// there is one barrier to a tile instead of two.

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

__global__ void __launch_bounds__(threads, 2) warp_tile_kernel(const Product p) {
  WEFT_SHARED(Left[2], as);
  WEFT_SHARED(Right[2], bs);
  const Tile t = tile_of(p, side, side);
  const std::int32_t i = static_cast<std::int32_t>(threadIdx.x), lane = i % 32, warp = i / 32;
  const std::int32_t y = warp / 2 * 32 + lane / 8 * 4, x = warp % 2 * 64 + lane % 8 * 4;
  const std::int32_t a_row = i / 2, a_k = i % 2 * 4, b_k = i / 32, b_column = i % 32 * 4;
  const auto left_of = [&](std::int32_t first) {
    return four(t.a, p.lda, t.row + a_row, first + a_k, p.m, p.k, p.a_in_fours);
  };
  const auto right_of = [&](std::int32_t first) {
    return four(t.b, p.ldb, first + b_k, t.column + b_column, p.k, p.n, p.b_in_fours);
  };
  const auto keep = [&](int half, const float4& left, const float4& right) {
    as[half].at[a_k][a_row] = left.x;
    as[half].at[a_k + 1][a_row] = left.y;
    as[half].at[a_k + 2][a_row] = left.z;
    as[half].at[a_k + 3][a_row] = left.w;
    *reinterpret_cast<float4*>(&bs[half].at[b_k][b_column]) = right;
  };
  float sum[8][8] = {};
  keep(0, left_of(0), right_of(0));
  __syncthreads();
  int half = 0;
  for (std::int32_t first = 0; first < p.k; first += depth) {
    const bool more = first + depth < p.k;  // the same for the whole block
    float4 left = {}, right = {};
    if (more) {
      left = left_of(first + depth);
      right = right_of(first + depth);
    }
#pragma unroll 2  // all 8 at a time would keep more in flight than 128 registers hold
    for (int k = 0; k < depth; ++k) {
      float l[8], r[8];
      load_four(&as[half].at[k][y], l);
      load_four(&as[half].at[k][y + 16], l + 4);
      load_four(&bs[half].at[k][x], r);
      load_four(&bs[half].at[k][x + 32], r + 4);
#pragma unroll
      for (int u = 0; u < 8; ++u) {
#pragma unroll
        for (int v = 0; v < 8; ++v) sum[u][v] = fmaf(l[u], r[v], sum[u][v]);
      }
    }
    half ^= 1;
    if (more) keep(half, left, right);
    __syncthreads();
  }
#pragma unroll
  for (int u = 0; u < 8; ++u) {
    const std::int32_t row = t.row + y + u % 4 + u / 4 * 16;
    put_four(p, t.c, row, t.column + x, sum[u]);
    put_four(p, t.c, row, t.column + x + 32, sum[u] + 4);
  }
}

}  // namespace

void warp_tile(const Product& p, unsigned batches, cudaStream_t stream) {
  launch(warp_tile_kernel, grid_of(p, side, side, dim3(threads), batches), stream, p);
}

}  // namespace weft::backends::cuda::ladder
