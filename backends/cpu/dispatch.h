#pragma once
// Private: from a dtype at run time to a type at compile time.

#include <cstdint>
#include <type_traits>

#include <weft/backends/backend.h>
#include <weft/core/dtype.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::backends::cpu {

template <class T>
struct Type {
  using type = T;
};

template <class F>
void dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(Type<float>{});
    case DType::float64:
      return f(Type<double>{});
    case DType::float16:
      return f(Type<float16>{});
    case DType::bfloat16:
      return f(Type<bfloat16>{});
    case DType::int64:
      return f(Type<std::int64_t>{});
    case DType::int32:
      return f(Type<std::int32_t>{});
    case DType::uint8:
      return f(Type<std::uint8_t>{});
    case DType::boolean:
      return f(Type<bool>{});
  }
}

/// Where only bits are moved: an unsigned integer of the element's size.
template <class F>
void dispatch_size(DType dtype, F&& f) {
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

template <class F>
void dispatch_index(DType dtype, F&& f) {
  if (dtype == DType::int32) return f(Type<std::int32_t>{});
  return f(Type<std::int64_t>{});
}

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
constexpr bool is_half_dtype(DType dtype) noexcept { return dtype == DType::float16 || dtype == DType::bfloat16; }
constexpr bool is_native_float(DType dtype) noexcept { return dtype == DType::float32 || dtype == DType::float64; }
constexpr DType compute_dtype(DType dtype) noexcept { return is_half_dtype(dtype) ? DType::float32 : dtype; }

/// What an element is computed in.
template <class T>
using Compute = std::conditional_t<is_half<T>, float, T>;

template <class T>
Compute<T> load(const T* p) noexcept {
  if constexpr (std::is_same_v<T, bool>) {
    return *reinterpret_cast<const unsigned char*>(p) != 0;  // a byte from a file may be neither 0 nor 1
  } else {
    return static_cast<Compute<T>>(*p);
  }
}

template <class T>
void store(T* p, Compute<T> value) noexcept {
  *p = static_cast<T>(value);
}

/// Integers wrap; signed overflow is undefined in C++, so the arithmetic is done without sign.
template <class T, class F>
T wrapping(T a, T b, F f) noexcept {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    using U = std::conditional_t<(sizeof(T) < sizeof(std::uint32_t)), std::uint32_t, std::make_unsigned_t<T>>;
    return static_cast<T>(f(static_cast<U>(a), static_cast<U>(b)));
  } else {
    return static_cast<T>(f(a, b));
  }
}

/// The public call's name for an error, or `op` where none was set.
inline const char* call_name(const char* op) noexcept {
  const OpTag tag = current_tag();
  return *tag.name != '\0' ? tag.name : op;
}
inline CallSite call_site() noexcept {
  const OpTag tag = current_tag();
  return CallSite{tag.file, tag.line};
}

/// A dtype that core/dtype_support.h excludes; the layer above checks first, so this is a mistake in weft or a direct
/// caller's.
[[noreturn]] inline void refuse_dtype(const char* op, DType dtype) {
  throw DTypeError(ErrorCode::dtype_unsupported, call_name(op), message(op, " does not take ", dtype), call_site());
}

}  // namespace weft::backends::cpu
