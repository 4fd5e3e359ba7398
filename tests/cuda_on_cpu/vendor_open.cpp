// In place of backends/cuda/vendor/open.cpp: functions by name from the stand-ins. WEFT_HARNESS_MACHINE=no-cublaslt or
// no-cudnn pretends that a library is not installed.

#include <cstdlib>
#include <string_view>

#include <weft/backends/cuda/vendor/open.h>

#include "cuda_on_cpu/vendor.h"

namespace weft::backends::cuda {
namespace {

bool machine_is(std::string_view kind) {
  const char* machine = std::getenv("WEFT_HARNESS_MACHINE");
  return machine != nullptr && kind == machine;
}

}  // namespace

void* vendor_symbol(Library library, const char* name) noexcept {
  switch (library) {
    case Library::cublaslt:
      return machine_is("no-cublaslt") ? nullptr : weft_harness::cublaslt_function(name);
    case Library::cudnn:
      return machine_is("no-cudnn") ? nullptr : weft_harness::cudnn_function(name);
    default:
      return nullptr;
  }
}

std::string vendor_missing(Library library) {
  switch (library) {
    case Library::cublaslt:
      return machine_is("no-cublaslt") ? "matrix products on 'cuda' need cuBLAS, which this pretended machine has not"
                                       : "";
    case Library::cudnn:
      return machine_is("no-cudnn") ? "convolutions on 'cuda' need cuDNN, which this pretended machine has not" : "";
    default:
      return "the stand-in has neither NVML nor CUPTI";
  }
}

}  // namespace weft::backends::cuda
