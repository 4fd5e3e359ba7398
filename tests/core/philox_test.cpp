#include <weft/core/philox.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "core/philox_hashes.h"

namespace weft {
namespace {

using testing::expected_hashes;
using testing::PhiloxHashes;

std::string hex(const PhiloxBlock& b) {
  char text[40];
  std::snprintf(text, sizeof text, "%08x %08x %08x %08x", b.word[0], b.word[1], b.word[2], b.word[3]);
  return text;
}

// kat_vectors of Random123, "philox4x32 10".
TEST(Philox, KnownAnswersOfRandom123) {
  constexpr std::uint32_t m = 0xffffffff;
  EXPECT_EQ(hex(philox4x32(0, 0, 0, 0, 0, 0)), "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  EXPECT_EQ(hex(philox4x32(m, m, m, m, m, m)), "408f276d 41c83b0e a20bc7c6 6d5451fd");
  EXPECT_EQ(hex(philox4x32(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0)),
            "d16cfe09 94fdcceb 5001e420 24126ea1");
  static_assert(philox4x32(0, 0, 0, 0, 0, 0).word[0] == 0x6627e8d5);  // usable at compile time
}

TEST(Philox, CounterAndKeyLayout) {
  const std::uint64_t seed = 0x299f31d0a4093822, block = 0x85a308d3243f6a88, draw = 0x0370734413198a2e;
  EXPECT_EQ(hex(philox_block(seed, draw, block)), "d16cfe09 94fdcceb 5001e420 24126ea1");
  EXPECT_EQ(philox_bits(seed, draw, (block << 2) + 2),
            philox_block(seed, draw, block & (~std::uint64_t{0} >> 2)).word[2]);
  const PhiloxBlock b = philox_block(7, 9, 11);
  for (std::uint64_t j = 0; j < 4; ++j) {
    EXPECT_EQ(philox_bits(7, 9, 44 + j), b.word[j]);
    EXPECT_EQ(philox_uniform_f32(7, 9, 44 + j), static_cast<float>(std::ldexp(b.word[j] >> 8, -24)));
  }
  for (std::uint64_t j = 0; j < 2; ++j) {
    const std::uint64_t joined = std::uint64_t{b.word[2 * j + 1]} << 32 | b.word[2 * j];
    EXPECT_EQ(philox_uniform_f64(7, 9, 22 + j), std::ldexp(static_cast<double>(joined >> 11), -53));
  }
  constexpr float at_compile_time = philox_uniform_f32(1, 2, 3);
  EXPECT_EQ(at_compile_time, philox_uniform_f32(1, 2, 3));
}

TEST(Philox, SameBitsForEveryCompilerSetting) {
  EXPECT_EQ(testing::hashes_debug(), expected_hashes);
  EXPECT_EQ(testing::hashes_off(), expected_hashes);
  EXPECT_EQ(testing::hashes_fast_plain(), expected_hashes);
  if (testing::can_run_hashes_fast()) {
    EXPECT_EQ(testing::hashes_fast(), expected_hashes);
  } else {
    std::puts("this processor lacks AVX2 or FMA: the vectorised build was not run");
  }
}

template <class Real>
double ulps(Real got, long double want) {
  int exponent = 0;
  std::frexp(static_cast<Real>(want), &exponent);
  const long double unit = std::ldexp(1.0L, exponent - (sizeof(Real) == 4 ? 24 : 53));
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) / unit);
}

TEST(Philox, LogarithmSineCosineWithinTheStatedError) {
  constexpr long double half_pi = 1.57079632679489661923132169163975144L;
  double log32 = 0, sin32 = 0, cos32 = 0, log64 = 0, sin64 = 0, cos64 = 0;
  for (std::uint64_t i = 0; i < 400000; ++i) {
    const PhiloxBlock b = philox_block(17, 4, i);
    // every magnitude the normals use, and many arguments close to 1, where the logarithm cancels
    const int down = static_cast<int>(b.word[2] % 33);
    double x = std::ldexp(1.0 + b.word[0] * 0x1p-32, -1 - down);
    if (i % 4 == 0) x = 1.0 - std::ldexp(0.5 + b.word[0] * 0x1p-33, -down);
    const float x32 = static_cast<float>(x);
    if (x32 < 1.0f) log32 = std::max(log32, ulps(philox_log(x32), std::log(static_cast<long double>(x32))));
    log64 = std::max(log64, ulps(philox_log(x), std::log(static_cast<long double>(x))));
    const double r = std::ldexp(static_cast<double>(static_cast<std::int32_t>(b.word[1])) + b.word[3] * 0x1p-32,
                                i % 3 == 0 ? -32 - down : -32);
    const float r32 = static_cast<float>(r);
    if (r32 != 0) sin32 = std::max(sin32, ulps(philox_sincos(r32).sin, std::sin(r32 * half_pi)));
    cos32 = std::max(cos32, ulps(philox_sincos(r32).cos, std::cos(r32 * half_pi)));
    if (r != 0) sin64 = std::max(sin64, ulps(philox_sincos(r).sin, std::sin(r * half_pi)));
    cos64 = std::max(cos64, ulps(philox_sincos(r).cos, std::cos(r * half_pi)));
  }
  EXPECT_LE(log32, 0.96);
  EXPECT_LE(log64, 0.97);
  EXPECT_LE(sin32, 0.77);
  EXPECT_LE(sin64, 0.73);
  EXPECT_LE(cos32, 1.01);
  EXPECT_LE(cos64, 1.03);
  // and they are measured, not trivially small
  EXPECT_GT(std::min({log32, log64, sin32, sin64, cos32, cos64}), 0.6);
  EXPECT_EQ(philox_log(1.0f), 0.0f);
  EXPECT_EQ(philox_log(1.0), 0.0);
}

TEST(Philox, NormalsFollowBoxAndMuller) {
  for (std::uint64_t block = 0; block < 20000; ++block) {
    const PhiloxBlock b = philox_block(3, 1, block);
    for (int pair = 0; pair < 2; ++pair) {
      const double u = b.word[2 * pair] * 0x1p-32 + 0x1p-33, v = b.word[2 * pair + 1] * 0x1p-32;
      const double radius = std::sqrt(-2 * std::log(static_cast<double>(static_cast<float>(u))));
      const std::uint64_t i = block * 4 + static_cast<std::uint64_t>(pair) * 2;
      EXPECT_NEAR(philox_normal_f32(3, 1, i), radius * std::cos(6.283185307179586 * v), 2e-6) << i;
      EXPECT_NEAR(philox_normal_f32(3, 1, i + 1), radius * std::sin(6.283185307179586 * v), 2e-6) << i;
    }
    const double u = (static_cast<double>((std::uint64_t{b.word[1]} << 32 | b.word[0]) >> 11) + 1) * 0x1p-53;
    const double v = static_cast<double>((std::uint64_t{b.word[3]} << 32 | b.word[2]) >> 11) * 0x1p-53;
    const double radius = std::sqrt(-2 * std::log(u));
    EXPECT_NEAR(philox_normal_f64(3, 1, block * 2), radius * std::cos(6.283185307179586 * v), 1e-14);
    EXPECT_NEAR(philox_normal_f64(3, 1, block * 2 + 1), radius * std::sin(6.283185307179586 * v), 1e-14);
  }
}

struct Moments {
  double mean, variance, skew, kurtosis, neighbours;
};

template <class Draw>
Moments moments(std::uint64_t n, Draw draw) {
  std::vector<double> x(n);
  double mean = 0;
  for (std::uint64_t i = 0; i < n; ++i) mean += x[i] = draw(i);
  mean /= static_cast<double>(n);
  double m2 = 0, m3 = 0, m4 = 0, next = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double d = x[i] - mean;
    m2 += d * d;
    m3 += d * d * d;
    m4 += d * d * d * d;
    if (i + 1 < n) next += d * (x[i + 1] - mean);
  }
  const double count = static_cast<double>(n);
  m2 /= count;
  return {mean, m2, m3 / count / std::pow(m2, 1.5), m4 / count / (m2 * m2), next / count / m2};
}

// Bounds are five standard deviations of each estimator for n draws.
TEST(Philox, MomentsOfUniforms) {
  constexpr std::uint64_t n = 1 << 20;
  const double root = std::sqrt(static_cast<double>(n));
  const auto check = [&](const Moments& m) {
    EXPECT_NEAR(m.mean, 0.5, 5 * std::sqrt(1.0 / 12) / root);
    EXPECT_NEAR(m.variance, 1.0 / 12, 5 * std::sqrt(1.0 / 180) / root);
    EXPECT_NEAR(m.skew, 0, 5 * 2.0 / root);
    EXPECT_NEAR(m.kurtosis, 1.8, 5 * 1.0 / root);
    EXPECT_NEAR(m.neighbours, 0, 5 / root);
  };
  for (std::uint64_t seed : {0ull, 1ull, 0xffffffffffffffffull}) {
    check(moments(n, [&](std::uint64_t i) { return philox_uniform_f32(seed, 0, i); }));
    check(moments(n, [&](std::uint64_t i) { return philox_uniform_f64(seed, 1, i); }));
  }
}

TEST(Philox, MomentsAndTailsOfNormals) {
  constexpr std::uint64_t n = 1 << 20;
  const double root = std::sqrt(static_cast<double>(n));
  const auto check = [&](auto draw) {
    const Moments m = moments(n, draw);
    EXPECT_NEAR(m.mean, 0, 5 / root);
    EXPECT_NEAR(m.variance, 1, 5 * std::sqrt(2.0) / root);
    EXPECT_NEAR(m.skew, 0, 5 * std::sqrt(6.0) / root);
    EXPECT_NEAR(m.kurtosis, 3, 5 * std::sqrt(24.0) / root);
    EXPECT_NEAR(m.neighbours, 0, 5 / root);
    for (double bound : {-3.0, -1.0, 0.0, 0.5, 2.0, 4.0}) {
      double above = 0;
      for (std::uint64_t i = 0; i < n; ++i) above += draw(i) > bound ? 1 : 0;
      const double p = 0.5 * std::erfc(bound / std::sqrt(2.0));
      EXPECT_NEAR(above / static_cast<double>(n), p, 5 * std::sqrt(p * (1 - p)) / root) << bound;
    }
  };
  check([](std::uint64_t i) { return static_cast<double>(philox_normal_f32(1, 0, i)); });
  check([](std::uint64_t i) { return philox_normal_f64(1, 0, i); });
}

TEST(Philox, UniformsFillTheirBins) {
  constexpr std::uint64_t n = 1 << 20;
  constexpr int bins = 1024;
  std::vector<double> hits(bins);
  for (std::uint64_t i = 0; i < n; ++i) {
    const float u = philox_uniform_f32(99, 5, i);
    ASSERT_TRUE(u >= 0.0f && u < 1.0f);
    hits[static_cast<std::size_t>(u * bins)] += 1;
  }
  double chi2 = 0;
  for (double h : hits) chi2 += (h - n / bins) * (h - n / bins) / (n / bins);
  EXPECT_NEAR(chi2, bins - 1, 5 * std::sqrt(2.0 * (bins - 1)));
}

TEST(Philox, SeedsAndDrawsAreDifferentStreams) {
  int equal = 0;
  for (std::uint64_t i = 0; i < 4096; ++i) {
    equal += philox_bits(1, 0, i) == philox_bits(2, 0, i);
    equal += philox_bits(1, 0, i) == philox_bits(1, 1, i);
    equal += philox_bits(1, 0, i) == philox_bits(1ull << 32 | 1, 0, i);
    equal += philox_bits(1, 0, i) == philox_bits(1, 1ull << 32, i);
    equal += philox_bits(1, 0, i) == philox_bits(1, 0, i + (1ull << 34));
  }
  EXPECT_LE(equal, 1);
}

TEST(Philox, ExtremeWordsGiveFiniteNormals) {
  constexpr std::uint32_t m = 0xffffffff;
  for (std::uint32_t a : {0u, 1u, m - 1, m}) {
    for (std::uint32_t b : {0u, 0x1fffffffu, 0x20000000u, 0x3fffffffu, 0x40000000u, 0x7fffffffu, 0x80000000u, m}) {
      const auto pair = philox_detail::normal_pair(a, b);
      EXPECT_LE(std::hypot(pair.first, pair.second), 6.77) << a << ' ' << b;
      const auto wide = philox_detail::normal_pair(std::uint64_t{a} << 32 | a, std::uint64_t{b} << 32 | b);
      EXPECT_LE(std::hypot(wide.first, wide.second), 8.58) << a << ' ' << b;
    }
  }
  EXPECT_GT(philox_detail::normal_pair(std::uint32_t{0}, std::uint32_t{0}).first, 6.76f);
  EXPECT_GT(philox_detail::normal_pair(std::uint64_t{0}, std::uint64_t{0}).first, 8.57);
}

}  // namespace

bool testing::can_run_hashes_fast() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

}  // namespace weft
