#pragma once
// Ranges of the random streams of core/philox.h: the same numbers, a vector at a time.

#include <stdint.h>

namespace weft::backends::cpu {

/// The elements [first, first + n) of a stream; first is a multiple of random_group.
inline constexpr int64_t random_group = 64;

struct RandomKernels {
  void (*bits)(uint64_t seed, uint64_t draw, int64_t first, int64_t n, uint32_t* out);
  void (*uniform_float32)(uint64_t seed, uint64_t draw, int64_t first, int64_t n, float* out);
  void (*uniform_float64)(uint64_t seed, uint64_t draw, int64_t first, int64_t n, double* out);
  void (*normal_float32)(uint64_t seed, uint64_t draw, int64_t first, int64_t n, float* out);
  void (*normal_float64)(uint64_t seed, uint64_t draw, int64_t first, int64_t n, double* out);
  /// y = x / (1 - p) where uniform_float32 >= p, else 0; y may be x.
  void (*dropout_float32)(uint64_t seed, uint64_t draw, int64_t first, int64_t n, double p, const float* x, float* y);
  void (*dropout_float64)(uint64_t seed, uint64_t draw, int64_t first, int64_t n, double p, const double* x, double* y);
};

}  // namespace weft::backends::cpu
