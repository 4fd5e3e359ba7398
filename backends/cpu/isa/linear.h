#pragma once
// What follows a product while its tile is in the cache, float32 and float64. Bits as with separate elementwise calls.

#include <stdint.h>

namespace weft::backends::cpu {

enum class Epilogue : uint8_t { none, relu, tanh, sigmoid, gelu_tanh };

struct LinearKernels {
  /// c = act(c + bias) for rows of `columns` contiguous elements; bias may be null.
  /// before, where not null, gets c + bias, as rows of before_stride elements.
  void (*activate)(Epilogue act, void* c, int64_t c_stride, const void* bias, void* before, int64_t before_stride,
                   int64_t rows, int64_t columns);
  /// c = c act'(y), the derivative as a function of the activation's output y; of gelu_tanh of its argument.
  void (*derive)(Epilogue act, void* c, int64_t c_stride, const void* y, int64_t y_stride, int64_t rows,
                 int64_t columns);
};

}  // namespace weft::backends::cpu
