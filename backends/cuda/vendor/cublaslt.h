#pragma once
// Private: the functions of cuBLASLt that weft calls. The table is filled at the first product.

#include <cublasLt.h>

namespace weft::backends::cuda {

struct CublasLt {
  decltype(&::cublasLtCreate) create;
  decltype(&::cublasLtGetVersion) version;
  decltype(&::cublasLtGetStatusString) status_text;
  decltype(&::cublasLtMatmulDescCreate) desc_create;
  decltype(&::cublasLtMatmulDescDestroy) desc_destroy;
  decltype(&::cublasLtMatmulDescSetAttribute) desc_set;
  decltype(&::cublasLtMatrixLayoutCreate) layout_create;
  decltype(&::cublasLtMatrixLayoutDestroy) layout_destroy;
  decltype(&::cublasLtMatrixLayoutSetAttribute) layout_set;
  decltype(&::cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&::cublasLtMatmulPreferenceDestroy) preference_destroy;
  decltype(&::cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&::cublasLtMatmulAlgoGetHeuristic) heuristic;
  decltype(&::cublasLtMatmul) matmul;
};

/// Opens the library at the first call; throws DeviceError where it cannot be had. Thread-safe.
const CublasLt& cublaslt();

/// Throws DeviceError with the library's own text, naming the call and the public operation.
void check(cublasStatus_t status, const char* call);

}  // namespace weft::backends::cuda
