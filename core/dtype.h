#pragma once
// Element types. float32 is what weft trains in; float64 is the oracle's; float16/bfloat16 are stored in 16 bits and
// computed in float32; the integers hold labels, indices and pixels.

#include <bit>
#include <cstddef>
#include <cstdint>

namespace weft {

enum class DType : std::uint8_t { float32, float64, float16, bfloat16, int64, int32, uint8, boolean };
inline constexpr int dtype_count = 8;

/// IEEE 754 binary16 (1+5+10 bits). Conversion from float32 rounds to nearest even, overflows to infinity, keeps NaN.
struct float16 {
  std::uint16_t bits = 0;

  constexpr float16() = default;
  constexpr explicit float16(float value) noexcept : bits(round(value)) {}
  static constexpr float16 from_bits(std::uint16_t b) noexcept {
    float16 h;
    h.bits = b;
    return h;
  }

  constexpr explicit operator float() const noexcept {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1Fu;
    const std::uint32_t fraction = bits & 0x3FFu;
    if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
    // zero and subnormals: fraction * 2^-24 is exact in float32
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }

  friend constexpr bool operator==(float16 a, float16 b) noexcept {
    return static_cast<float>(a) == static_cast<float>(b);
  }

 private:
  static constexpr std::uint16_t round(float value) noexcept {
    const std::uint32_t u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = u >> 16 & 0x8000u;
    const std::uint32_t magnitude = u & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return static_cast<std::uint16_t>(sign | 0x7E00u);   // NaN, made quiet
    if (magnitude >= 0x477FF000u) return static_cast<std::uint16_t>(sign | 0x7C00u);  // 65520 and up round to infinity
    if (magnitude < 0x33000001u) return static_cast<std::uint16_t>(sign);             // 2^-25 and below round to zero
    if (magnitude < 0x38800000u) {  // below 2^-14: subnormal, in units of 2^-24
      const std::uint32_t shift = 126 - (magnitude >> 23);
      const std::uint32_t significand = (magnitude & 0x7FFFFFu) | 0x800000u;
      const std::uint32_t kept = significand >> shift;
      const std::uint32_t rest = significand & ((1u << shift) - 1);
      const std::uint32_t half = 1u << (shift - 1);
      return static_cast<std::uint16_t>(sign |
                                        (kept + ((rest > half || (rest == half && (kept & 1u) != 0)) ? 1u : 0u)));
    }
    const std::uint32_t rebased = magnitude - (112u << 23);
    return static_cast<std::uint16_t>(sign | (rebased + 0xFFFu + (rebased >> 13 & 1u)) >> 13);
  }
};

/// The upper half of a float32 (1+8+7 bits), rounded to nearest even; NaN stays NaN.
struct bfloat16 {
  std::uint16_t bits = 0;

  constexpr bfloat16() = default;
  constexpr explicit bfloat16(float value) noexcept : bits(round(value)) {}
  static constexpr bfloat16 from_bits(std::uint16_t b) noexcept {
    bfloat16 h;
    h.bits = b;
    return h;
  }

  constexpr explicit operator float() const noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }

  friend constexpr bool operator==(bfloat16 a, bfloat16 b) noexcept {
    return static_cast<float>(a) == static_cast<float>(b);
  }

 private:
  static constexpr std::uint16_t round(float value) noexcept {
    const std::uint32_t u = std::bit_cast<std::uint32_t>(value);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((u >> 16) | 0x40u);
    return static_cast<std::uint16_t>((u + 0x7FFFu + (u >> 16 & 1u)) >> 16);
  }
};

constexpr std::size_t item_size(DType dtype) noexcept {
  constexpr std::size_t sizes[dtype_count] = {4, 8, 2, 2, 8, 4, 1, 1};
  return sizes[static_cast<int>(dtype)];
}

constexpr const char* name(DType dtype) noexcept {
  constexpr const char* names[dtype_count] = {"float32", "float64", "float16", "bfloat16",
                                              "int64",   "int32",   "uint8",   "bool"};
  return names[static_cast<int>(dtype)];
}

constexpr bool is_floating(DType dtype) noexcept { return dtype <= DType::bfloat16; }
constexpr bool is_integer(DType dtype) noexcept { return dtype >= DType::int64 && dtype <= DType::uint8; }

/// dtype_of<float> == DType::float32, and so on; undefined for every other type.
template <class T>
inline constexpr DType dtype_of = DType{255};  // no dtype: the specialisations below are all there are
template <>
inline constexpr DType dtype_of<float> = DType::float32;
template <>
inline constexpr DType dtype_of<double> = DType::float64;
template <>
inline constexpr DType dtype_of<float16> = DType::float16;
template <>
inline constexpr DType dtype_of<bfloat16> = DType::bfloat16;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::int64;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::int32;
template <>
inline constexpr DType dtype_of<std::uint8_t> = DType::uint8;
template <>
inline constexpr DType dtype_of<bool> = DType::boolean;

template <class T>
concept Element = static_cast<int>(dtype_of<T>) < dtype_count;

}  // namespace weft
