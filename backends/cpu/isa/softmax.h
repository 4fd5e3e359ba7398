#pragma once
// Rows of softmax and its relatives in one pass over memory, float32 and float64.
//
// m = max x, e_i = exp(x_i - m), s = sum e_i in the order of reduce.h; softmax y_i = e_i / s, log_softmax
// y_i = (x_i - m) - log s. A row's bits do not depend on the other rows.

#include <stdint.h>

namespace weft::backends::cpu {

struct SoftmaxKernels {
  /// Row strides in elements; y may be x.
  void (*forward)(bool log, const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t n);
  /// softmax: dx = y (dy - sum y dy); log_softmax: dx = dy - exp(y) sum dy. dx may be dy or y.
  void (*backward)(bool log, const void* dy, int64_t dy_stride, const void* y, int64_t y_stride, void* dx,
                   int64_t dx_stride, int64_t rows, int64_t n);
  /// Writes e_i / s to y, and m and log s of each row.
  void (*probabilities)(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t n, void* m,
                        void* log_s);
};

}  // namespace weft::backends::cpu
