#pragma once
// Private: a total, stored as whatever dtype the output has.

#include <weft/backends/cuda/device/element.cuh>

namespace weft::backends::cuda {

template <class A>
__device__ inline void store_total(void* out, DType dtype, std::int64_t at, A value) {
  switch (dtype) {
    case DType::float32:
      static_cast<float*>(out)[at] = static_cast<float>(value);
      break;
    case DType::float64:
      static_cast<double*>(out)[at] = static_cast<double>(value);
      break;
    case DType::float16:
      store(static_cast<float16*>(out) + at, static_cast<float>(value));
      break;
    case DType::bfloat16:
      store(static_cast<bfloat16*>(out) + at, static_cast<float>(value));
      break;
    case DType::int64:
      static_cast<std::int64_t*>(out)[at] = static_cast<std::int64_t>(value);
      break;
    case DType::int32:
      static_cast<std::int32_t*>(out)[at] = static_cast<std::int32_t>(value);
      break;
    case DType::uint8:
      static_cast<std::uint8_t*>(out)[at] = static_cast<std::uint8_t>(value);
      break;
    case DType::boolean:
      static_cast<bool*>(out)[at] = value != A(0);
      break;
  }
}

}  // namespace weft::backends::cuda
