#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/philox.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {
namespace {

template <class T>
T element(RandomKind kind, std::uint64_t seed, std::uint64_t draw, std::uint64_t i) noexcept {
  if constexpr (std::is_integral_v<T>) {  // the 32-bit word, kept as far as the type holds it
    return static_cast<T>(philox_bits(seed, draw, i));
  } else if constexpr (std::is_same_v<T, double>) {
    return kind == RandomKind::normal ? philox_normal_f64(seed, draw, i) : philox_uniform_f64(seed, draw, i);
  } else {  // the 16-bit types round what float32 gets
    return T(kind == RandomKind::normal ? philox_normal_f32(seed, draw, i) : philox_uniform_f32(seed, draw, i));
  }
}

}  // namespace

void SerialBackend::random(RandomKind kind, const RandomKey& key, const TensorView& out) {
  if (is_integer(out.dtype) != (kind == RandomKind::bits) || out.dtype == DType::boolean) {
    refuse_dtype("random", out.dtype);
  }
  const FlushSubnormals flush;
  const std::uint64_t draw = key.draw + (key.draw_base != nullptr ? *key.draw_base : 0);
  dispatch(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (!std::is_same_v<T, bool>) {
      T* to = out.as<T>();
      std::uint64_t i = 0;
      walk(out.shape, {&out.strides},
           [&](const std::int64_t* at) { to[at[0]] = element<T>(kind, key.seed, draw, i++); });
    }
  });
}

}  // namespace weft::backends::serial
