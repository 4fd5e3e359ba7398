#include <weft/backends/cuda/runtime.h>

#include <weft/backends/cuda/call.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::backends::cuda {
namespace {

/// After these the context is lost: every later call returns them again.
bool is_sticky(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
      return true;
    default:
      return false;
  }
}

}  // namespace

void check(cudaError_t result, const char* call) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // a later call must not find it again
  const char* name = cudaGetErrorName(result);
  const char* text = cudaGetErrorString(result);
  if (result == cudaErrorMemoryAllocation) {
    throw OutOfMemoryError(ErrorCode::out_of_memory, call_name("cuda"), message(call, ": ", text, " (", name, ")"),
                           call_site());
  }
  throw DeviceError(
      ErrorCode::device_failure, call_name("cuda"),
      message(call, " says: ", text, " (", name, ")",
              is_sticky(result) ? ". The process has lost the device and has to be started again; "
                                  "compute-sanitizer with WEFT_CUDA_ALLOC=direct shows which kernel it was"
                                : ""),
      call_site());
}

}  // namespace weft::backends::cuda
