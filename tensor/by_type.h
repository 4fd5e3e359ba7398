#pragma once
// Private: from a dtype at run time to an element type at compile time, for code that touches host memory.

#include <cstdint>

#include <weft/core/dtype.h>

namespace weft {

template <class T>
struct TypeOf {
  using type = T;
};

/// Returns f(TypeOf<T>{}) for the element type of `dtype`.
template <class F>
auto by_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float64:
      return f(TypeOf<double>{});
    case DType::float16:
      return f(TypeOf<float16>{});
    case DType::bfloat16:
      return f(TypeOf<bfloat16>{});
    case DType::int64:
      return f(TypeOf<std::int64_t>{});
    case DType::int32:
      return f(TypeOf<std::int32_t>{});
    case DType::uint8:
      return f(TypeOf<std::uint8_t>{});
    case DType::boolean:
      return f(TypeOf<bool>{});
    case DType::float32:
      break;
  }
  return f(TypeOf<float>{});
}

}  // namespace weft
