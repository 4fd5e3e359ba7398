#pragma once
// Private: how products.cu and sum.cu start the rungs.
//
// A rung sees row-major matrices whose columns are neighbours, and lines that lie one behind the other; what lies
// otherwise has been copied.

#include <cstddef>
#include <cstdint>

#include <cuda_runtime_api.h>

#include <weft/backends/cuda/device/strided.cuh>

namespace weft::backends::cuda::ladder {

/// c[m, n] (+)= a[m, k] b[k, n], once for each unit of `batch`; leading dimensions in elements.
struct Product {
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
  std::int64_t lda = 0, ldb = 0, ldc = 0;
  std::int32_t m = 0, n = 0, k = 0;
  bool accumulate = false;
  bool a_in_fours = false, b_in_fours = false, c_in_fours = false;  ///< every row starts at a multiple of 16 bytes
  std::uint32_t first = 0;                                          ///< unit of the launch's first block along z
  Walk<3> batch;
};

/// Queue one rung: `batches` units from p.first on, at most 65,535.
void naive(const Product& p, unsigned batches, cudaStream_t stream);
void coalesced(const Product& p, unsigned batches, cudaStream_t stream);
void shared_tile(const Product& p, unsigned batches, cudaStream_t stream);
void register_tile(const Product& p, unsigned batches, cudaStream_t stream);
void vectorised(const Product& p, unsigned batches, cudaStream_t stream);
void warp_tile(const Product& p, unsigned batches, cudaStream_t stream);
void tensor_core(const Product& p, unsigned batches, cudaStream_t stream);

/// Sums of `lines` x `chunks` pieces of float32: piece (i, j) begins at in + i * step + j * chunk and has `chunk`
/// elements, the last one of a line what is left of `length`; its sum is written to out[i * chunks + j].
struct Lines {
  const float* in = nullptr;
  float* out = nullptr;
  std::int64_t step = 0, length = 0, chunk = 0;
  std::uint32_t lines = 0, chunks = 1;
};
void sequential(const Lines& s, cudaStream_t stream);
void tree(const Lines& s, cudaStream_t stream);
void warp_shuffle(const Lines& s, cudaStream_t stream);

}  // namespace weft::backends::cuda::ladder
