#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {
namespace {

/// Float to integer saturates and NaN becomes 0; to bool is != 0; integers among themselves keep the low bits; 16-bit
/// results are rounded to nearest even from float32.
template <class To, class From>
To cast(From value) noexcept {
  if constexpr (std::is_floating_point_v<From>) {
    return Number(value).template to<To>();
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != 0;
  } else if constexpr (is_half<To>) {
    return To(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace

void SerialBackend::fill(const TensorView& out, Number value) {
  const FlushSubnormals flush;
  dispatch(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    T* to = out.as<T>();
    const T filling = value.to<T>();
    walk(out.shape, {&out.strides}, [&](const std::int64_t* at) { to[at[0]] = filling; });
  });
}

void SerialBackend::copy(const TensorView& in, const TensorView& out) {
  const FlushSubnormals flush;
  dispatch(in.dtype, [&](auto in_type) {
    using From = typename decltype(in_type)::type;
    dispatch(out.dtype, [&](auto out_type) {
      using To = typename decltype(out_type)::type;
      const From* from = in.as<From>();
      To* to = out.as<To>();
      walk(out.shape, {&in.strides, &out.strides}, [&](const std::int64_t* at) {
        if constexpr (std::is_same_v<From, To> && !std::is_same_v<To, bool>) {
          to[at[1]] = from[at[0]];  // bits stay as they are, NaN payloads included
        } else {
          to[at[1]] = cast<To>(load(from + at[0]));
        }
      });
    });
  });
}

}  // namespace weft::backends::serial
