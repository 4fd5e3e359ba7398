#pragma once
// Private: the dialect kernels are written in. nvcc gets it from here; where the backend is built by g++ to run on the
// CPU (WEFT_CUDA_ON_CPU) a header forced into every file has given it already. No <<<>>> (launch.h), no cooperative
// groups, no inline PTX outside __CUDA_ARCH__, no library kernels.

#ifndef WEFT_CUDA_ON_CPU

#include <cuda_runtime.h>

#include <type_traits>

/// A static variable in the block's shared memory; type may be an array type. Only types whose default constructor does
/// nothing.
#define WEFT_SHARED(type, name) __shared__ std::type_identity_t<type> name

/// What LaunchShape::shared_bytes asked for, 16-byte aligned; one to a kernel.
#define WEFT_DYNAMIC_SHARED(type, name)                                 \
  extern __shared__ __align__(16) unsigned char weft_dynamic_shared_[]; \
  type* const name = reinterpret_cast<type*>(weft_dynamic_shared_)

#endif

namespace weft::backends::cuda {

inline constexpr unsigned every_lane = 0xFFFFFFFFu;

}  // namespace weft::backends::cuda
