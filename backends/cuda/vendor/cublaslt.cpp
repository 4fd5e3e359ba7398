#include <weft/backends/cuda/vendor/cublaslt.h>

#include <weft/backends/cuda/call.h>
#include <weft/backends/cuda/vendor/open.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::backends::cuda {
namespace {

CublasLt filled() {
  CublasLt t{};
  constexpr Library from = Library::cublaslt;
  fill_entry(from, "cublasLtCreate", t.create);
  fill_entry(from, "cublasLtGetVersion", t.version);
  fill_entry(from, "cublasLtGetStatusString", t.status_text);
  fill_entry(from, "cublasLtMatmulDescCreate", t.desc_create);
  fill_entry(from, "cublasLtMatmulDescDestroy", t.desc_destroy);
  fill_entry(from, "cublasLtMatmulDescSetAttribute", t.desc_set);
  fill_entry(from, "cublasLtMatrixLayoutCreate", t.layout_create);
  fill_entry(from, "cublasLtMatrixLayoutDestroy", t.layout_destroy);
  fill_entry(from, "cublasLtMatrixLayoutSetAttribute", t.layout_set);
  fill_entry(from, "cublasLtMatmulPreferenceCreate", t.preference_create);
  fill_entry(from, "cublasLtMatmulPreferenceDestroy", t.preference_destroy);
  fill_entry(from, "cublasLtMatmulPreferenceSetAttribute", t.preference_set);
  fill_entry(from, "cublasLtMatmulAlgoGetHeuristic", t.heuristic);
  fill_entry(from, "cublasLtMatmul", t.matmul);
  return t;
}

}  // namespace

const CublasLt& cublaslt() {
  static const CublasLt table = filled();  // a throw leaves it unmade: the next product tries again
  return table;
}

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(ErrorCode::device_failure, call_name("matmul"),
                    message(call, " says ", cublaslt().status_text(status)), call_site());
}

}  // namespace weft::backends::cuda
