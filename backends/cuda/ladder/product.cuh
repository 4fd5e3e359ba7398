#pragma once
// Private: what the rungs of the product have in common.

#include <weft/backends/cuda/ladder/ladder.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/device.cuh>

namespace weft::backends::cuda::ladder {

/// The matrices of this block's unit of the batch and the tile of c it makes.
struct Tile {
  const float* a;
  const float* b;
  float* c;
  std::int32_t row, column;  ///< of the tile's first element
};

/// Blocks are counted along x through the tiles of c, row by row of tiles, and along z through the batch.
__device__ inline Tile tile_of(const Product& p, std::int32_t rows, std::int32_t columns) {
  const std::uint32_t across = static_cast<std::uint32_t>((p.n - 1) / columns + 1);
  std::int64_t at[3];
  p.batch.offsets(p.first + blockIdx.z, at);
  return {p.a + at[0], p.b + at[1], p.c + at[2], static_cast<std::int32_t>(blockIdx.x / across) * rows,
          static_cast<std::int32_t>(blockIdx.x % across) * columns};
}

__device__ inline float element(const float* matrix, std::int64_t ld, std::int32_t row, std::int32_t column,
                                std::int32_t rows, std::int32_t columns) {
  return row < rows && column < columns ? matrix[row * ld + column] : 0.0f;
}

/// Four neighbours of a row: one load of 16 bytes where the row allows it and has them, zeros beyond the edges.
__device__ inline float4 four(const float* matrix, std::int64_t ld, std::int32_t row, std::int32_t column,
                              std::int32_t rows, std::int32_t columns, bool in_fours) {
  if (row >= rows) return make_float4(0, 0, 0, 0);
  const float* at = matrix + row * ld + column;
  if (in_fours && column + 4 <= columns) return *reinterpret_cast<const float4*>(at);
  return make_float4(column < columns ? at[0] : 0.0f, column + 1 < columns ? at[1] : 0.0f,
                     column + 2 < columns ? at[2] : 0.0f, column + 3 < columns ? at[3] : 0.0f);
}

__device__ inline void put(const Product& p, float* c, std::int32_t row, std::int32_t column, float sum) {
  if (row >= p.m || column >= p.n) return;
  float* at = c + row * p.ldc + column;
  *at = p.accumulate ? *at + sum : sum;
}

__device__ inline void put_four(const Product& p, float* c, std::int32_t row, std::int32_t column, const float* sums) {
  if (row < p.m && p.c_in_fours && column + 4 <= p.n && !p.accumulate) {
    *reinterpret_cast<float4*>(c + row * p.ldc + column) = make_float4(sums[0], sums[1], sums[2], sums[3]);
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) put(p, c, row, column + j, sums[j]);
}

inline LaunchShape grid_of(const Product& p, std::int32_t rows, std::int32_t columns, dim3 block, unsigned batches) {
  const std::int64_t tiles = (std::int64_t{p.m - 1} / rows + 1) * (std::int64_t{p.n - 1} / columns + 1);
  return {dim3(static_cast<unsigned>(tiles), 1, batches), block, 0};
}

}  // namespace weft::backends::cuda::ladder
