#pragma once
// Layer and batch norm of float32 and float64, a few passes over rows that stay in the cache.
//
// Layer norm: rows x[rows, n]. Sums along a row have the order of reduce.h, so a row's bits do not depend on the
// others; the variance is taken about the mean. Gradients of scale and shift are sums down the rows, given in parts: a
// part is one sum over its rows in increasing order.
//
// Batch norm comes in two shapes. Segments: x[rows, n], row r belonging to channel r mod `channels` ([N, C, S] with
// S > 1). Columns: x[rows, n] with a channel per column (S = 1). Both give sums in parts, one per segment or per block
// of rows, which the caller adds up in the order of reduce.h.
//
// xhat = (x - mean) rstd. No FMA is used: the bits are the same on every instruction set.

#include <stdint.h>

namespace weft::backends::cpu {

struct NormKernels {
  /// y = xhat scale + shift; mean and rstd are written. scale and shift may be null.
  void (*layer)(const void* x, int64_t rows, int64_t n, double epsilon, const void* scale, const void* shift, void* y,
                void* mean, void* rstd);
  /// dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy scale; scale may be null.
  void (*layer_dx)(const void* dy, const void* x, const void* scale, const void* mean, const void* rstd, int64_t rows,
                   int64_t n, void* dx);
  /// dscale[j] = sum over these rows of dy xhat, dshift[j] = sum of dy; either may be null.
  void (*layer_parts)(const void* dy, const void* x, const void* mean, const void* rstd, int64_t rows, int64_t n,
                      void* dscale, void* dshift);

  // Segments: the rows are `first` .. `first + rows - 1`; pointers to x, y, dy, dx and the parts are those of row
  // `first`, everything else is indexed by channel.
  void (*segment_sums)(const void* x, int64_t rows, int64_t n, void* sums);
  /// Sums of (x - mean)^2.
  void (*segment_squares)(const void* x, int64_t first, int64_t rows, int64_t channels, int64_t n, const void* mean,
                          void* sums);
  /// y = (x - mean) factor + shift
  void (*segment_apply)(const void* x, int64_t first, int64_t rows, int64_t channels, int64_t n, const void* mean,
                        const void* factor, const void* shift, void* y);
  /// Sums of dy and of dy xhat.
  void (*segment_products)(const void* dy, const void* x, int64_t first, int64_t rows, int64_t channels, int64_t n,
                           const void* mean, const void* rstd, void* sums, void* products);
  /// dx = (dy - mean_dy - xhat mean_product) factor
  void (*segment_dx)(const void* dy, const void* x, int64_t first, int64_t rows, int64_t channels, int64_t n,
                     const void* mean, const void* rstd, const void* factor, const void* mean_dy,
                     const void* mean_product, void* dx);

  // Columns: the same with everything indexed by column.
  void (*column_squares)(const void* x, int64_t rows, int64_t n, const void* mean, void* sums);
  void (*column_apply)(const void* x, int64_t rows, int64_t n, const void* mean, const void* factor, const void* shift,
                       void* y);
  void (*column_products)(const void* dy, const void* x, int64_t rows, int64_t n, const void* mean, const void* rstd,
                          void* sums, void* products);
  void (*column_dx)(const void* dy, const void* x, int64_t rows, int64_t n, const void* mean, const void* rstd,
                    const void* factor, const void* mean_dy, const void* mean_product, void* dx);
};

}  // namespace weft::backends::cpu
