// The vector conversions of the 16-bit dtypes against core/dtype.h.

#include <weft/core/dtype.h>

#include "support.h"

namespace weft::cpu_test {
namespace {

using backends::cpu::ConvertKernels;

TEST(Convert, EverySixteenBitNumberBecomesTheSameFloat) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> half(all.size()), brain(all.size());
  for (const Kernels* set : all_sets()) {
    set->convert->half_to_float(all.data(), half.data(), 65536);
    set->convert->brain_to_float(all.data(), brain.data(), 65536);
    for (std::size_t i = 0; i < all.size(); ++i) {
      ASSERT_TRUE(same_bits(half[i], static_cast<float>(float16::from_bits(all[i])))) << set->isa << " " << i;
      ASSERT_TRUE(same_bits(brain[i], static_cast<float>(bfloat16::from_bits(all[i])))) << set->isa << " " << i;
    }
    for (std::int64_t n = 1; n < 40; ++n) {  // ends of any length
      Guarded<float> some(n, n % 3);
      set->convert->half_to_float(all.data() + 1000, some.data(), n);
      EXPECT_EQ(different(some.data(), half.data() + 1000, n), 0);
      EXPECT_TRUE(some.unharmed());
    }
  }
}

/// Every number of the upper 16 bits with the lower ones at, just below and just above what decides the rounding.
std::vector<float> rounding_cases() {
  std::vector<float> values;
  for (std::uint32_t upper = 0; upper < 65536; ++upper) {
    for (const std::uint32_t lower : {0u, 1u, 0x0FFFu, 0x1000u, 0x1001u, 0x2FFFu, 0x3000u, 0x7FFFu, 0x8000u, 0x8001u,
                                      0x9000u, 0xB000u, 0xD000u, 0xF000u, 0xFFFFu}) {
      values.push_back(std::bit_cast<float>(upper << 16 | lower));
    }
  }
  return values;
}

TEST(Convert, EveryRoundingIsTheSame) {
  const std::vector<float> values = rounding_cases();
  const std::int64_t n = static_cast<std::int64_t>(values.size());
  std::vector<std::uint16_t> half(values.size()), brain(values.size());
  for (const Kernels* set : all_sets()) {
    set->convert->float_to_half(values.data(), half.data(), n);
    set->convert->float_to_brain(values.data(), brain.data(), n);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(half[i], float16(values[i]).bits) << set->isa << " " << std::bit_cast<std::uint32_t>(values[i]);
      ASSERT_EQ(brain[i], bfloat16(values[i]).bits) << set->isa << " " << std::bit_cast<std::uint32_t>(values[i]);
    }
    for (std::int64_t count = 1; count < 40; ++count) {
      Guarded<std::uint16_t> some(count, count % 5);
      set->convert->float_to_half(values.data() + 500000, some.data(), count);
      EXPECT_EQ(different(some.data(), half.data() + 500000, count), 0);
      EXPECT_TRUE(some.unharmed());
    }
  }
}

TEST(Convert, BytesAreScaledAndShiftedInDoubleAndRoundedOnce) {
  std::vector<std::uint8_t> bytes(256);
  for (std::size_t i = 0; i < 256; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  const double scale = 1.0 / 255, shift = -0.1307;
  for (const Kernels* set : all_sets()) {
    for (const std::int64_t n : {1, 7, 16, 100, 256}) {
      Guarded<float> out(n, 1);
      set->convert->bytes_to_float(bytes.data(), out.data(), n, scale, shift);
      for (std::int64_t i = 0; i < n; ++i) {
        const volatile double scaled = static_cast<double>(i) * scale;
        ASSERT_TRUE(same_bits(out.data()[i], static_cast<float>(scaled + shift))) << set->isa << " " << i;
      }
      EXPECT_TRUE(out.unharmed());
    }
  }
}

}  // namespace
}  // namespace weft::cpu_test
