#pragma once
// Private: draws one synthetic digit.

#include <cstdint>

namespace weft {

inline constexpr int digit_side = 28;

/// Digit `index` of the series `seed`: 28 x 28 bytes, ink bright on black; returns its class. A pure function with the
/// same result on every machine: Philox, own sine and cosine, and arithmetic that IEEE 754 rounds one way only.
int draw_digit(std::uint64_t seed, std::uint64_t index, std::uint8_t* pixels) noexcept;

}  // namespace weft
