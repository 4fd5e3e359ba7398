#pragma once
// Private: a kernel that is asked about and never run.

#include <cuda_runtime_api.h>

namespace weft::backends::cuda {

/// Whether the device can run the code in this plug-in: cudaSuccess, or what the runtime says about the probe.
cudaError_t probe_code() noexcept;

}  // namespace weft::backends::cuda
