#pragma once
// Private: one matrix product in cuBLASLt's terms, and the plans kept for it.
//
// cuBLASLt counts columns first: D (m x n, column-major) = op(A) op(B). A row-major matrix is its transpose read
// column-major, so a row-major C[M, N] = A[M, K] B[K, N] is asked for as C^T = B^T A^T: no element is moved. Then the
// bias of a linear layer runs along D's rows, which is where cuBLASLt's epilogues want it.

#include <cstdint>

#include <cublasLt.h>

#include <weft/backends/cuda/state.h>
#include <weft/backends/tensor_view.h>

namespace weft::backends::cuda {

/// Everything a plan depends on but the addresses. Plain numbers without padding between them: compared byte by byte.
struct ProductShape {
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t lda = 0, ldb = 0, ldd = 0;
  std::int64_t batch = 1, step_a = 0, step_b = 0, step_d = 0;  ///< elements from one product of a batch to the next
  std::int64_t aux_ld = 0;  ///< of the ReLU bit mask in bits, of GELU's arguments in elements
  std::int32_t transpose_a = 0, transpose_b = 0;
  std::int32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  std::int32_t accumulate = 0;  ///< D += instead of D =
  std::int32_t dtype = 0;
  std::int32_t tf32 = 0;
};

struct ProductData {
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  void* bias = nullptr;  ///< read by BIAS, written by BGRADB
  void* aux = nullptr;   ///< the bit mask: written by RELU_AUX, read by DRELU; or GELU's arguments
};

/// Queues the product on `stream`. False, with nothing done, where the library has no algorithm for it (an epilogue or
/// an alignment it does not take). The algorithm is a function of the shape, the alignment of the addresses, the
/// options and the library's version.
bool run_product(State& state, const ProductShape& shape, const ProductData& data, cudaStream_t stream);

/// Two axes of a view as cuBLASLt can read them.
struct Operand {
  bool usable = false;
  bool by_rows = true;  ///< row-major, leading dimension `ld`; otherwise column-major
  std::int64_t ld = 1;
};
Operand operand_of(std::int64_t rows, std::int64_t columns, std::int64_t row_step, std::int64_t column_step) noexcept;

/// Whether a float32 product may round its inputs to TF32.
std::int32_t tf32_of(const State& state, DType dtype) noexcept;

}  // namespace weft::backends::cuda
