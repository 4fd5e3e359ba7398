#pragma once
// What the stand-ins for cuBLASLt and cuDNN share. They take the libraries' own arguments and hold them to what the
// documentation asks: a breach is a report, where the libraries may return an error, or compute something else.

#include <cstdint>
#include <functional>
#include <string>

#include <cuda_runtime_api.h>
#include <library_types.h>

namespace weft_harness {

/// Functions by name, for vendor_open.cpp; null where there is none.
void* cublaslt_function(const char* name);
void* cudnn_function(const char* name);

std::size_t bytes_of(cudaDataType_t type);  ///< 0: not one that is used here

/// Reports why the bytes may not be read (written) now; false then.
bool readable(const char* what, const void* p, std::size_t bytes);
bool writable(const char* what, const void* p, std::size_t bytes);

/// Reports unless p is an address of device memory with `bytes` behind it in one block.
bool in_device_memory(const char* what, const void* p, std::size_t bytes);

/// Queues a vendor's work; reports a missing stream.
bool put_vendor_call(const char* what, cudaStream_t stream, std::function<void()> run);

// ---- the arithmetic (vendor_math.cpp, compiled without sanitizers; ranges are checked by the caller)

double load(cudaDataType_t type, const void* p, std::int64_t element);
void store(cudaDataType_t type, void* p, std::int64_t element, double value);

struct MatrixRef {
  const void* data = nullptr;
  cudaDataType_t type = CUDA_R_32F;
  std::int64_t row_step = 1, column_step = 1;
};
/// sums[m * n], column-major: A B in double, or as float32 sums where `single`; `tf32` rounds the factors first.
void product(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixRef& a, const MatrixRef& b, bool tf32,
             double* sums);

struct ConvolutionShape {
  int spatial = 2;
  int x[5] = {1, 1, 1, 1, 1}, w[5] = {1, 1, 1, 1, 1},
      y[5] = {1, 1, 1, 1, 1};  // N C D H W; missing axes are 1, in front
  int padding[3] = {0, 0, 0}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
  int groups = 1;
  cudaDataType_t type = CUDA_R_32F;
};
enum class ConvolutionPass { forward, data, filter };
/// Contiguous tensors; out = alpha * result + beta * out. `error` is the relative size of a deliberate inexactness.
void convolve(const ConvolutionShape& s, ConvolutionPass pass, void* x, void* w, void* y, double alpha, double beta,
              double error);

}  // namespace weft_harness
