#include <weft/core/dtype.h>

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include <weft/core/dtype_support.h>

namespace weft {
namespace {

// The definition: the representable value nearest to x, ties to the even fraction. Works on doubles, so it shares
// nothing with the bit manipulation under test. `bits`: fraction bits, `lowest`: exponent of the smallest subnormal.
double nearest(double x, int fraction_bits, int lowest_exponent, double largest) {
  if (std::isnan(x) || std::isinf(x) || x == 0) return x;
  int exponent = 0;
  std::frexp(x, &exponent);
  const int step = std::max(exponent - 1 - fraction_bits, lowest_exponent);
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(x, -step)), step);  // nearbyint: ties to even
  return std::fabs(rounded) > largest ? std::copysign(INFINITY, x) : rounded;
}

double nearest_float16(float x) { return nearest(x, 10, -24, 65504.0); }
double nearest_bfloat16(float x) { return nearest(x, 7, -133, 0x1.FEp127); }

template <class Half>
void expect_same(float x, double want) {
  const Half half(x);
  const float back = static_cast<float>(half);
  if (std::isnan(want)) {
    ASSERT_TRUE(std::isnan(back)) << std::hexfloat << x;
    return;
  }
  ASSERT_EQ(static_cast<double>(back), want) << std::hexfloat << x;
  ASSERT_EQ(std::signbit(back), std::signbit(x)) << std::hexfloat << x;
}

TEST(Float16, EveryPatternRoundTrips) {
  int nans = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float16 h = float16::from_bits(static_cast<std::uint16_t>(bits));
    const float f = static_cast<float>(h);
    const std::uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent == 31 && fraction != 0) {
      ++nans;
      EXPECT_TRUE(std::isnan(f));
      EXPECT_TRUE(std::isnan(static_cast<float>(float16(f))));
      EXPECT_FALSE(h == h);
      continue;
    }
    // the value by its definition
    const double magnitude = exponent == 31  ? INFINITY
                             : exponent == 0 ? std::ldexp(fraction, -24)
                                             : std::ldexp(1024.0 + fraction, static_cast<int>(exponent) - 25);
    EXPECT_EQ(static_cast<double>(f), (bits & 0x8000) != 0 ? -magnitude : magnitude);
    EXPECT_EQ(float16(f).bits, bits);
  }
  EXPECT_EQ(nans, 2 * 1023);
}

TEST(BFloat16, EveryPatternRoundTrips) {
  int nans = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const bfloat16 h = bfloat16::from_bits(static_cast<std::uint16_t>(bits));
    const float f = static_cast<float>(h);
    if ((bits & 0x7F80) == 0x7F80 && (bits & 0x7F) != 0) {
      ++nans;
      EXPECT_TRUE(std::isnan(f));
      EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(f))));
      continue;
    }
    EXPECT_EQ(std::bit_cast<std::uint32_t>(f), bits << 16);
    EXPECT_EQ(bfloat16(f).bits, bits);
  }
  EXPECT_EQ(nans, 2 * 127);
}

TEST(Float16, RoundsToNearestEvenBetweenAllNeighbours) {
  // Between every two neighbours: the tie, and the floats just beside it.
  for (std::uint32_t bits = 0; bits < 0x7C00; ++bits) {
    const float low = static_cast<float>(float16::from_bits(static_cast<std::uint16_t>(bits)));
    const float high =
        bits == 0x7BFF ? 65536.0f : static_cast<float>(float16::from_bits(static_cast<std::uint16_t>(bits + 1)));
    const float tie = low + (high - low) / 2;  // exact
    for (float x : {low, tie, std::nextafter(tie, 0.0f), std::nextafter(tie, high), std::nextafter(low, high)}) {
      expect_same<float16>(x, nearest_float16(x));
      expect_same<float16>(-x, nearest_float16(-x));
    }
  }
}

TEST(BFloat16, RoundsToNearestEvenBetweenAllNeighbours) {
  for (std::uint32_t bits = 0; bits < 0x7F80; ++bits) {
    const std::uint32_t low = bits << 16;
    for (std::uint32_t rest : {0u, 1u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
      const float x = std::bit_cast<float>(low + rest);
      expect_same<bfloat16>(x, nearest_bfloat16(x));
      expect_same<bfloat16>(-x, nearest_bfloat16(-x));
    }
  }
}

TEST(HalfTypes, ALargeSampleOfAllFloats) {
  for (std::uint64_t u = 0; u < (std::uint64_t{1} << 32); u += 4093) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(u));
    expect_same<float16>(x, nearest_float16(x));
    expect_same<bfloat16>(x, nearest_bfloat16(x));
  }
}

#if defined(__FLT16_MANT_DIG__) && defined(__x86_64__) && !defined(__clang__)
TEST(Float16, AgreesWithTheCompilersOwn) {
  for (std::uint64_t u = 0; u < (std::uint64_t{1} << 32); u += 8191) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(u));
    if (std::isnan(x)) continue;
    const _Float16 theirs = static_cast<_Float16>(x);
    std::uint16_t bits = 0;
    std::memcpy(&bits, &theirs, 2);
    ASSERT_EQ(float16(x).bits, bits) << std::hexfloat << x;
  }
}
#endif

TEST(HalfTypes, SpecialValues) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(float16(65504.0f).bits, 0x7BFF);
  EXPECT_EQ(float16(65519.996f).bits, 0x7BFF);
  EXPECT_EQ(float16(65520.0f).bits, 0x7C00);  // the tie goes up
  EXPECT_EQ(float16(inf).bits, 0x7C00);
  EXPECT_EQ(float16(-inf).bits, 0xFC00);
  EXPECT_EQ(float16(-0.0f).bits, 0x8000);
  EXPECT_EQ(float16(0x1p-25f).bits, 0);  // the tie between 0 and the smallest subnormal
  EXPECT_EQ(float16(0x1.000002p-25f).bits, 1);
  EXPECT_EQ(float16(std::numeric_limits<float>::denorm_min()).bits, 0);
  EXPECT_EQ(bfloat16(std::numeric_limits<float>::max()).bits, 0x7F80);
  EXPECT_EQ(bfloat16(-inf).bits, 0xFF80);
  // a NaN whose set bits are all cut off stays a NaN, with its sign
  EXPECT_EQ(bfloat16(std::bit_cast<float>(0xFF800001u)).bits, 0xFFC0);
  EXPECT_EQ(float16(std::bit_cast<float>(0xFF800001u)).bits, 0xFE00);
  static_assert(float16(1.5f).bits == 0x3E00 && bfloat16(1.5f).bits == 0x3FC0);  // usable at compile time
  EXPECT_TRUE(float16(0.0f) == float16(-0.0f));
}

TEST(DTypes, SizesNamesAndTypes) {
  struct Row {
    DType dtype;
    std::size_t size;
    const char* name;
    bool floating, integer;
  };
  constexpr Row rows[] = {
      {dtype_of<float>, sizeof(float), "float32", true, false},
      {dtype_of<double>, sizeof(double), "float64", true, false},
      {dtype_of<float16>, sizeof(float16), "float16", true, false},
      {dtype_of<bfloat16>, sizeof(bfloat16), "bfloat16", true, false},
      {dtype_of<std::int64_t>, 8, "int64", false, true},
      {dtype_of<std::int32_t>, 4, "int32", false, true},
      {dtype_of<std::uint8_t>, 1, "uint8", false, true},
      {dtype_of<bool>, 1, "bool", false, false},
  };
  int expected = 0;
  for (const Row& row : rows) {
    EXPECT_EQ(static_cast<int>(row.dtype), expected++);  // the order is part of file formats
    EXPECT_EQ(item_size(row.dtype), row.size);
    EXPECT_STREQ(name(row.dtype), row.name);
    EXPECT_EQ(is_floating(row.dtype), row.floating);
    EXPECT_EQ(is_integer(row.dtype), row.integer);
  }
  EXPECT_EQ(expected, dtype_count);
  static_assert(Element<float> && Element<bool> && !Element<char> && !Element<long double>);
}

TEST(DTypes, SupportTable) {
  for (int d = 0; d < dtype_count; ++d) {
    const DType dtype = static_cast<DType>(d);
    const bool floating = is_floating(dtype), boolean = dtype == DType::boolean;
    EXPECT_EQ(supports(UnaryOp::exp, dtype), floating);
    EXPECT_EQ(supports(UnaryOp::abs, dtype), !boolean);
    EXPECT_EQ(supports(UnaryOp::neg, dtype), !boolean && dtype != DType::uint8);
    EXPECT_EQ(supports(UnaryOp::logical_not, dtype), boolean);
    EXPECT_EQ(supports(BinaryOp::add, dtype), !boolean);
    EXPECT_EQ(supports(BinaryOp::div, dtype), floating);
    EXPECT_TRUE(supports(BinaryOp::lt, dtype));
    EXPECT_EQ(supports(BinaryOp::logical_and, dtype), boolean);
    EXPECT_EQ(supports(BinaryOp::tanh_backward, dtype), floating);
    EXPECT_TRUE(supports(ReduceOp::sum, dtype));
    EXPECT_EQ(supports(ReduceOp::prod, dtype), !boolean);
    EXPECT_EQ(supports(ReduceOp::any, dtype), boolean);
    EXPECT_EQ(supports_matmul(dtype), floating);
    EXPECT_EQ(supports_index(dtype), dtype == DType::int64 || dtype == DType::int32);
    EXPECT_EQ(result_dtype(ReduceOp::sum, dtype), floating ? dtype : DType::int64);
    EXPECT_EQ(result_dtype(ReduceOp::max, dtype), dtype);
  }
  EXPECT_EQ(result_dtype(ReduceOp::all, DType::boolean), DType::boolean);
}

}  // namespace
}  // namespace weft
