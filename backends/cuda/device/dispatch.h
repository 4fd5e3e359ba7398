#pragma once
// Private: from a dtype at run time to a type at compile time, on the host.

#include <cstdint>

#include <weft/backends/cuda/call.h>
#include <weft/core/dtype.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::backends::cuda {

template <class T>
struct Type {
  using type = T;
};

/// A dtype that core/dtype_support.h excludes; the layer above checks first, so this is a mistake in weft or a direct
/// caller's.
[[noreturn]] inline void refuse_dtype(const char* op, DType dtype) {
  throw DTypeError(ErrorCode::dtype_unsupported, call_name(op), message(op, " does not take ", dtype), call_site());
}

/// Calls f(Type<T>{}) with the element type of `dtype`; each of these offers the dtypes it names.
template <class F>
void dispatch_floating(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(Type<float>{});
    case DType::float64:
      return f(Type<double>{});
    case DType::float16:
      return f(Type<float16>{});
    case DType::bfloat16:
      return f(Type<bfloat16>{});
    default:
      return;
  }
}

template <class F>
void dispatch_integers(DType dtype, F&& f) {
  switch (dtype) {
    case DType::int64:
      return f(Type<std::int64_t>{});
    case DType::int32:
      return f(Type<std::int32_t>{});
    case DType::uint8:
      return f(Type<std::uint8_t>{});
    default:
      return;
  }
}

template <class F>
void dispatch_numbers(DType dtype, F&& f) {
  if (is_floating(dtype)) return dispatch_floating(dtype, f);
  dispatch_integers(dtype, f);
}

template <class F>
void dispatch(DType dtype, F&& f) {
  if (dtype == DType::boolean) return f(Type<bool>{});
  dispatch_numbers(dtype, f);
}

/// Unsigned integers of the dtype's size, for what only moves elements.
template <class F>
void dispatch_bits(DType dtype, F&& f) {
  switch (item_size(dtype)) {
    case 1:
      return f(Type<std::uint8_t>{});
    case 2:
      return f(Type<std::uint16_t>{});
    case 4:
      return f(Type<std::uint32_t>{});
    default:
      return f(Type<std::uint64_t>{});
  }
}

}  // namespace weft::backends::cuda
