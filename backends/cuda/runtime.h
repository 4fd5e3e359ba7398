#pragma once
// Private: the CUDA runtime, every call checked. All of it that weft uses, so that whoever stands in for it (the
// CUDA-on-CPU harness) knows what to write:
//
//   device    cudaGetDeviceCount cudaSetDevice cudaGetDevice cudaGetDeviceProperties cudaDriverGetVersion
//             cudaRuntimeGetVersion cudaDeviceGetAttribute cudaMemGetInfo cudaGetLastError cudaGetErrorString
//             cudaGetErrorName cudaFuncGetAttributes cudaDeviceSynchronize
//   memory    cudaDeviceGetDefaultMemPool cudaMemPoolSetAttribute cudaMemPoolGetAttribute cudaMemPoolTrimTo
//             cudaMallocAsync cudaFreeAsync cudaMalloc cudaFree cudaHostAlloc cudaFreeHost cudaMemcpyAsync
//             cudaMemsetAsync
//   streams   cudaStreamCreateWithFlags cudaStreamDestroy cudaStreamSynchronize cudaStreamWaitEvent
//             cudaEventCreateWithFlags cudaEventDestroy cudaEventRecord cudaEventSynchronize cudaEventElapsedTime
//   capture   cudaStreamBeginCapture cudaStreamEndCapture cudaStreamIsCapturing cudaThreadExchangeStreamCaptureMode
//             cudaGraphInstantiate cudaGraphUpload cudaGraphLaunch cudaGraphExecDestroy cudaGraphDestroy
//             cudaGraphGetNodes
//   kernels   cudaLaunchKernel (only in launch.h) cudaFuncSetAttribute

#include <cuda_runtime_api.h>

namespace weft::backends::cuda {

/// Throws DeviceError (OutOfMemoryError for cudaErrorMemoryAllocation) naming the call, the public operation the thread
/// is in, and what CUDA says; a sticky error says that the process has lost the device.
void check(cudaError_t result, const char* call);

}  // namespace weft::backends::cuda
