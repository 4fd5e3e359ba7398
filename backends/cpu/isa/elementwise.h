#pragma once
// Elementwise functions on float32 and float64, contiguous, one table per instruction set.
//
// Every element takes the same path, in blocks of 16 with a padded block at the end, so its bits depend on its value
// and on the instruction set, never on its position, on n or on alignment. + - * / sqrt neg abs are correctly rounded
// and the same everywhere, and so are floor, ceil, round; the other functions are within the units in the last place
// that docs/numerics.md states. out may be an input.

#include <stdint.h>

#include <weft/core/op_kinds.h>

namespace weft::backends::cpu {

/// a and b are the parameters of UnaryArgs; most functions have none.
using UnaryKernel = void (*)(const void* in, void* out, int64_t n, double a, double b);
/// A step is 1, or 0 where one element stands for all n. Comparisons write bytes 0 and 1.
using BinaryKernel = void (*)(const void* a, int64_t a_step, const void* b, int64_t b_step, void* out, int64_t n);

struct ElementwiseKernels {
  UnaryKernel unary[unary_op_count];     // null: logical_not
  BinaryKernel binary[binary_op_count];  // null: logical_and, logical_or
};

/// 16-bit dtypes to float32 and back (to nearest even), and casts that training meets on every step.
struct ConvertKernels {
  void (*half_to_float)(const uint16_t* in, float* out, int64_t n);
  void (*float_to_half)(const float* in, uint16_t* out, int64_t n);
  void (*brain_to_float)(const uint16_t* in, float* out, int64_t n);
  void (*float_to_brain)(const float* in, uint16_t* out, int64_t n);
  /// out = in * scale + shift, two roundings; the scale and shift of data/ transforms.
  void (*bytes_to_float)(const uint8_t* in, float* out, int64_t n, double scale, double shift);
};

}  // namespace weft::backends::cpu
