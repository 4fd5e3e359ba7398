#pragma once
// Private: what an element is computed in, and how it gets there and back: alone, or in packs of up to 16 bytes to an
// access.

#include <cstdint>
#include <type_traits>

#include <weft/core/dtype.h>
#include <weft/backends/cuda/device/device.cuh>

namespace weft::backends::cuda {

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
/// float16, bfloat16, float, double
template <class T>
inline constexpr bool is_real = is_half<T> || std::is_floating_point_v<T>;
template <class T>
inline constexpr bool is_whole = std::is_integral_v<T> && !std::is_same_v<T, bool>;

/// What an element is computed in.
template <class T>
using Compute = std::conditional_t<is_half<T>, float, T>;
/// What sums and products of it are: int64 for what is not a float.
template <class T>
using Total = std::conditional_t<is_real<T>, Compute<T>, std::int64_t>;

/// The device converts in one instruction what core/dtype.h spells out; they differ in the payload of a NaN only.
__device__ inline float widen(float16 value) {
#if defined(__CUDA_ARCH__)
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
#else
  return static_cast<float>(value);
#endif
}
__device__ inline float widen(bfloat16 value) { return static_cast<float>(value); }

template <class T>
__device__ inline Compute<T> to_compute(const T& value) {
  if constexpr (is_half<T>) {
    return widen(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    return reinterpret_cast<const unsigned char&>(value) != 0;  // a byte from a file may be neither 0 nor 1
  } else {
    return value;
  }
}

template <class T>
__device__ inline T from_compute(Compute<T> value) {
  if constexpr (std::is_same_v<T, float16>) {
#if defined(__CUDA_ARCH__)
    std::uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return float16::from_bits(bits);
#else
    return float16(value);
#endif
  } else if constexpr (std::is_same_v<T, bfloat16>) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    std::uint16_t bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bfloat16::from_bits(bits);
#else
    return bfloat16(value);
#endif
  } else {
    return value;
  }
}

template <class T>
__device__ inline Compute<T> load(const T* p) {
  return to_compute(*p);
}
template <class T>
__device__ inline void store(T* p, Compute<T> value) {
  *p = from_compute<T>(value);
}

/// Integers wrap; signed overflow is undefined in C++, so the arithmetic is done without sign.
template <class T, class F>
__device__ inline T wrapping(T a, T b, F f) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    using U = std::conditional_t<(sizeof(T) < sizeof(std::uint32_t)), std::uint32_t, std::make_unsigned_t<T>>;
    return static_cast<T>(f(static_cast<U>(a), static_cast<U>(b)));
  } else {
    return static_cast<T>(f(a, b));
  }
}
template <class T>
__device__ inline T plus(T a, T b) {
  return wrapping(a, b, [](auto p, auto q) { return p + q; });
}
template <class T>
__device__ inline T times(T a, T b) {
  return wrapping(a, b, [](auto p, auto q) { return p * q; });
}
template <class T>
__device__ inline T minus(T a, T b) {
  return wrapping(a, b, [](auto p, auto q) { return p - q; });
}

// ---- packs

/// The alignment of a pack of V elements: its size, at most 16 bytes.
template <class T, int V>
inline constexpr int pack_alignment = static_cast<int>(V * sizeof(T) < 16 ? V * sizeof(T) : 16);

template <class T, int V>
struct alignas(pack_alignment<T, V>) Pack {
  T at[V];
};

/// The first `count` of V elements; what lies behind them is left alone (loads leave zeros there).
template <int V, class T, class C>
__device__ inline void load_pack(const T* p, int count, C (&to)[V]) {
  if (V > 1 && count == V) {
    const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V>*>(p);
#pragma unroll
    for (int j = 0; j < V; ++j) to[j] = static_cast<C>(to_compute(pack.at[j]));
  } else {
#pragma unroll
    for (int j = 0; j < V; ++j) {
      to[j] = C{};
      if (j < count) to[j] = static_cast<C>(to_compute(p[j]));
    }
  }
}

template <int V, class T>
__device__ inline void store_pack(T* p, int count, const Compute<T> (&from)[V]) {
  if (V > 1 && count == V) {
    Pack<T, V> pack;
#pragma unroll
    for (int j = 0; j < V; ++j) pack.at[j] = from_compute<T>(from[j]);
    *reinterpret_cast<Pack<T, V>*>(p) = pack;
  } else {
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (j < count) p[j] = from_compute<T>(from[j]);
    }
  }
}

}  // namespace weft::backends::cuda
