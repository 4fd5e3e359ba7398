#pragma once
// Random numbers as a pure function of (seed, draw, element): Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel
// random numbers: as easy as 1, 2, 3", SC 2011 (the Random123 generator of that name).
//
//   key     = seed, low and high word
//   counter = block, low and high word; draw, low and high word        ->  four 32-bit words
//
//   bits, uniform float32, normal float32:  element i is in block i / 4, uniform float64 and normal float64: i / 2
//   uniform float32 = (word >> 8) 2^-24, float64 = (the upper 53 bits of two words) 2^-53; both in [0, 1)
//   normal = Box and Muller's pair sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v). (u, v) are words (0, 1) and (2, 3) in
//            float32, word pairs (0, 1) and (2, 3) in float64; an even element takes the cosine, an odd one the sine.
//
// The normals have their own logarithm, sine and cosine, written so that no a * b + c exists outside an explicit fma:
// every compiler, optimisation level and -ffp-contract setting gives the same bits, and so does a GPU with division and
// square root correctly rounded. (Without an fma instruction the C library's exact fmaf is called: same bits, slowly.)
// Largest errors found against double and long double, in units in the last place: logarithm 0.96 in float32 (every
// argument tried) and 0.97 in float64, sine 0.77 and 0.73, cosine 1.01 and 1.03; |normal| <= 6.77 and 8.58.
//
// Everything here is stateless, exception-free and safe from any thread or kernel. It is always inlined, so that files
// built for one instruction set leave no copy that another could pick up. The block functions are straight-line code: a
// loop over blocks vectorises.

#include <bit>
#include <cstdint>

#if defined(__CUDACC__)
#define WEFT_PHILOX [[gnu::always_inline]] __host__ __device__ inline
#else
#define WEFT_PHILOX [[gnu::always_inline]] inline
#endif

namespace weft {

struct PhiloxBlock {
  std::uint32_t word[4];
};

/// Ten rounds over a 128-bit counter with a 64-bit key; words in the order of Random123's known answers.
WEFT_PHILOX constexpr PhiloxBlock philox4x32(std::uint32_t c0, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3,
                                             std::uint32_t k0, std::uint32_t k1) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9u;  // the golden ratio and sqrt(3) - 1, in 32 bits
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

WEFT_PHILOX constexpr PhiloxBlock philox_block(std::uint64_t seed, std::uint64_t draw, std::uint64_t block) noexcept {
  return philox4x32(static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                    static_cast<std::uint32_t>(draw), static_cast<std::uint32_t>(draw >> 32),
                    static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
}

namespace philox_detail {

WEFT_PHILOX float fma(float a, float b, float c) noexcept {
#if defined(__CUDA_ARCH__)
  return __fmaf_rn(a, b, c);
#else
  return __builtin_fmaf(a, b, c);
#endif
}

WEFT_PHILOX double fma(double a, double b, double c) noexcept {
#if defined(__CUDA_ARCH__)
  return __fma_rn(a, b, c);
#else
  return __builtin_fma(a, b, c);
#endif
}

WEFT_PHILOX float divide(float a, float b) noexcept {
#if defined(__CUDA_ARCH__)
  return __fdiv_rn(a, b);
#else
  return a / b;
#endif
}

WEFT_PHILOX double divide(double a, double b) noexcept { return a / b; }

WEFT_PHILOX float square_root(float x) noexcept {
#if defined(__CUDA_ARCH__)
  return __fsqrt_rn(x);
#else
  return __builtin_sqrtf(x);
#endif
}

WEFT_PHILOX double square_root(double x) noexcept {
#if defined(__CUDA_ARCH__)
  return __dsqrt_rn(x);
#else
  return __builtin_sqrt(x);
#endif
}

WEFT_PHILOX constexpr std::uint64_t join(std::uint32_t low, std::uint32_t high) noexcept {
  return std::uint64_t{high} << 32 | low;
}

}  // namespace philox_detail

/// ln x for a normal x > 0. With x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)) and s = f / (2 + f):
/// ln(1 + f) = 2 atanh s = f - s (f - s^2 P(s^2)). The polynomials here are minimax fits (Remez).
WEFT_PHILOX float philox_log(float x) noexcept {
  using philox_detail::fma;
  const std::int32_t from_root = std::bit_cast<std::int32_t>(x) - 0x3F3504F3;  // bits of sqrt(1/2)
  const std::int32_t exponent = from_root >> 23;
  const float f = std::bit_cast<float>((from_root & 0x7FFFFF) + 0x3F3504F3) - 1.0f;
  const float k = static_cast<float>(exponent);
  const float s = philox_detail::divide(f, 2.0f + f);
  const float z = s * s;
  const float p = fma(fma(0x1.31e34cp-2f, z, 0x1.995eb6p-2f), z, 0x1.55557ap-1f);
  const float correction = s * fma(-z, p, f);
  const float low = fma(k, 0x1.7f7d1cp-20f, -correction);
  return fma(k, 0x1.62e4p-1f, f + low);  // ln 2 in two parts; k times the upper one is exact
}

WEFT_PHILOX double philox_log(double x) noexcept {
  using philox_detail::fma;
  const std::int64_t from_root = std::bit_cast<std::int64_t>(x) - 0x3FE6A09E667F3BCD;
  const std::int64_t exponent = from_root >> 52;
  const double f = std::bit_cast<double>((from_root & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD) - 1.0;
  const double k = static_cast<double>(static_cast<std::int32_t>(exponent));
  const double s = philox_detail::divide(f, 2.0 + f);
  const double z = s * s;
  double p = fma(0x1.2f0634b5ae21bp-3, z, 0x1.39a1a6ef62312p-3);
  p = fma(p, z, 0x1.74663fa29ad57p-3);
  p = fma(p, z, 0x1.c71c520604c50p-3);
  p = fma(p, z, 0x1.24924941f5011p-2);
  p = fma(p, z, 0x1.999999997fd76p-2);
  p = fma(p, z, 0x1.5555555555592p-1);
  const double correction = s * fma(-z, p, f);
  const double low = fma(k, 0x1.ef35793c76730p-45, -correction);
  return fma(k, 0x1.62e42fefa3800p-1, f + low);
}

template <class Real>
struct SinCos {
  Real sin, cos;
};

/// sin and cos of pi/2 r for |r| <= 1/2.
WEFT_PHILOX SinCos<float> philox_sincos(float r) noexcept {
  using philox_detail::fma;
  const float z = r * r;
  const float s = fma(fma(-0x1.2dc84cp-8f, z, 0x1.466004p-4f), z, -0x1.4abbbep-1f);
  const float c = fma(fma(fma(0x1.d9d57ep-11f, z, -0x1.55c5e0p-6f), z, 0x1.03c1dep-2f), z, -0x1.3bd3ccp+0f);
  const float rest = r * fma(s, z, -0x1.777a5cp-25f);  // with the part of pi/2 below its float32
  return {fma(r, 0x1.921fb6p+0f, rest), fma(c, z, 1.0f)};
}

WEFT_PHILOX SinCos<double> philox_sincos(double r) noexcept {
  using philox_detail::fma;
  const double z = r * r;
  double s = fma(0x1.e3ff27bdadb4fp-25, z, -0x1.e3009897605b2p-19);
  s = fma(s, z, 0x1.5078300c421f3p-13);
  s = fma(s, z, -0x1.32d2cce324134p-8);
  s = fma(s, z, 0x1.466bc67758cb2p-4);
  s = fma(s, z, -0x1.4abbce625be46p-1);
  double c = fma(-0x1.b263c362f0d8cp-28, z, 0x1.f9cc40acf508ep-22);
  c = fma(c, z, -0x1.a6d1ec7e0bd9ap-16);
  c = fma(c, z, 0x1.e1f5068367b24p-11);
  c = fma(c, z, -0x1.55d3c7e3c9280p-6);
  c = fma(c, z, 0x1.03c1f081b5aaep-2);
  c = fma(c, z, -0x1.3bd3cc9be45dep+0);
  const double rest = r * fma(s, z, 0x1.1a62633145c07p-54);
  return {fma(r, 0x1.921fb54442d18p+0, rest), fma(c, z, 1.0)};
}

namespace philox_detail {

/// Turns (sin, cos) of the angle within its quadrant into those of the whole angle.
template <class Real>
WEFT_PHILOX SinCos<Real> turn(SinCos<Real> a, std::uint32_t quadrant) noexcept {
  const Real sin = (quadrant & 1) != 0 ? a.cos : a.sin;
  const Real cos = (quadrant & 1) != 0 ? a.sin : a.cos;
  return {(quadrant & 2) != 0 ? -sin : sin, ((quadrant + 1) & 2) != 0 ? -cos : cos};
}

struct Pair32 {
  float first, second;
};
struct Pair64 {
  double first, second;
};

WEFT_PHILOX Pair32 normal_pair(std::uint32_t a, std::uint32_t b) noexcept {
  const float u = static_cast<float>(a) * 0x1p-32f + 0x1p-33f;  // in [2^-33, 1]; the product is exact
  // b 2^-32 turns: the nearest quadrant and what is left of it, in [-1/2, 1/2]
  const float r = static_cast<float>(static_cast<std::int32_t>(b << 2)) * 0x1p-32f;
  const SinCos<float> angle = turn(philox_sincos(r), (b + 0x20000000u) >> 30);
  const float radius = square_root(-2.0f * philox_log(u));
  return {radius * angle.cos, radius * angle.sin};
}

WEFT_PHILOX Pair64 normal_pair(std::uint64_t a, std::uint64_t b) noexcept {
  const double u = static_cast<double>((a >> 11) + 1) * 0x1p-53;  // in [2^-53, 1]
  const std::uint64_t v = b >> 11 << 11;                          // 53 bits
  const double r = static_cast<double>(static_cast<std::int64_t>(v << 2)) * 0x1p-64;
  const SinCos<double> angle = turn(philox_sincos(r), static_cast<std::uint32_t>((v + 0x2000000000000000u) >> 62));
  const double radius = square_root(-2.0 * philox_log(u));
  return {radius * angle.cos, radius * angle.sin};
}

}  // namespace philox_detail

// ---- whole blocks: four float32 or two float64 elements, for loops over aligned ranges

WEFT_PHILOX constexpr float philox_uniform_from(std::uint32_t word) noexcept {
  return static_cast<float>(word >> 8) * 0x1p-24f;
}
WEFT_PHILOX constexpr double philox_uniform_from(std::uint32_t low, std::uint32_t high) noexcept {
  return static_cast<double>(philox_detail::join(low, high) >> 11) * 0x1p-53;
}

WEFT_PHILOX constexpr void philox_bits4(std::uint64_t seed, std::uint64_t draw, std::uint64_t block,
                                        std::uint32_t* out) noexcept {
  const PhiloxBlock b = philox_block(seed, draw, block);
  for (int j = 0; j < 4; ++j) out[j] = b.word[j];
}

WEFT_PHILOX constexpr void philox_uniform4_f32(std::uint64_t seed, std::uint64_t draw, std::uint64_t block,
                                               float* out) noexcept {
  const PhiloxBlock b = philox_block(seed, draw, block);
  for (int j = 0; j < 4; ++j) out[j] = philox_uniform_from(b.word[j]);
}

WEFT_PHILOX constexpr void philox_uniform2_f64(std::uint64_t seed, std::uint64_t draw, std::uint64_t block,
                                               double* out) noexcept {
  const PhiloxBlock b = philox_block(seed, draw, block);
  out[0] = philox_uniform_from(b.word[0], b.word[1]);
  out[1] = philox_uniform_from(b.word[2], b.word[3]);
}

WEFT_PHILOX void philox_normal4_f32(std::uint64_t seed, std::uint64_t draw, std::uint64_t block, float* out) noexcept {
  const PhiloxBlock b = philox_block(seed, draw, block);
  const philox_detail::Pair32 low = philox_detail::normal_pair(b.word[0], b.word[1]);
  const philox_detail::Pair32 high = philox_detail::normal_pair(b.word[2], b.word[3]);
  out[0] = low.first;
  out[1] = low.second;
  out[2] = high.first;
  out[3] = high.second;
}

WEFT_PHILOX void philox_normal2_f64(std::uint64_t seed, std::uint64_t draw, std::uint64_t block, double* out) noexcept {
  const PhiloxBlock b = philox_block(seed, draw, block);
  const philox_detail::Pair64 pair =
      philox_detail::normal_pair(philox_detail::join(b.word[0], b.word[1]), philox_detail::join(b.word[2], b.word[3]));
  out[0] = pair.first;
  out[1] = pair.second;
}

// ---- single elements

WEFT_PHILOX constexpr std::uint32_t philox_bits(std::uint64_t seed, std::uint64_t draw, std::uint64_t i) noexcept {
  return philox_block(seed, draw, i / 4).word[i % 4];
}

WEFT_PHILOX constexpr float philox_uniform_f32(std::uint64_t seed, std::uint64_t draw, std::uint64_t i) noexcept {
  return philox_uniform_from(philox_bits(seed, draw, i));
}

WEFT_PHILOX constexpr double philox_uniform_f64(std::uint64_t seed, std::uint64_t draw, std::uint64_t i) noexcept {
  const PhiloxBlock b = philox_block(seed, draw, i / 2);
  return i % 2 == 0 ? philox_uniform_from(b.word[0], b.word[1]) : philox_uniform_from(b.word[2], b.word[3]);
}

WEFT_PHILOX float philox_normal_f32(std::uint64_t seed, std::uint64_t draw, std::uint64_t i) noexcept {
  const PhiloxBlock b = philox_block(seed, draw, i / 4);
  const bool upper = i % 4 >= 2;
  const philox_detail::Pair32 pair =
      philox_detail::normal_pair(upper ? b.word[2] : b.word[0], upper ? b.word[3] : b.word[1]);
  return i % 2 == 0 ? pair.first : pair.second;
}

WEFT_PHILOX double philox_normal_f64(std::uint64_t seed, std::uint64_t draw, std::uint64_t i) noexcept {
  double pair[2];
  philox_normal2_f64(seed, draw, i / 2, pair);
  return i % 2 == 0 ? pair[0] : pair[1];
}

}  // namespace weft

#undef WEFT_PHILOX
