#pragma once
// Sums and extremes of float32 and float64, in an order that depends on the shape only.
//
// Along contiguous elements x[0 .. n): chunks of 4,096. In a chunk, x[i] goes to lane i mod 64 (increasing i, lanes
// start at +0); the lanes are folded in halves: l += l + 32, l += l + 16, ... l += l + 1. The chunks' values are joined
// pairwise, neighbours first: a complete binary tree over each power of two of chunks, the trees of what remains joined
// from the smallest to the largest (reduce_tree()).
//
// Down columns (each column of x[0 .. rows, 0 .. columns) on its own): chunks of 64 rows, each one sum in increasing
// row, starting from its first row; the chunks joined by the same tree.
//
// No FMA is used, so the bits are the same on every instruction set. max and min take the same path (a NaN wins).

#include <stddef.h>
#include <stdint.h>

namespace weft::backends::cpu {

inline constexpr int64_t reduce_chunk = 4096;
inline constexpr int64_t reduce_rows = 64;

enum class Fold : uint8_t { sum, max, min };
inline constexpr int fold_count = 3;

/// `in` and `out` are arrays of the table's element type.
struct ReduceKernels {
  /// out[r] = fold of in[r * row_stride + 0 .. n), n <= reduce_chunk.
  void (*rows[fold_count])(const void* in, int64_t row_stride, int64_t rows, int64_t n, void* out);
  /// out[c] = fold of in[r * row_stride + c] over r < rows; rows is at most reduce_chunk (64 chunks of 64 rows).
  void (*columns[fold_count])(const void* in, int64_t row_stride, int64_t rows, int64_t columns, void* out);
  /// The sum of squares of n <= reduce_chunk elements in float64, in the order of `rows`.
  double (*squares)(const void* in, int64_t n);
};

/// The tree: values[0 .. n) joined pairwise into values[0]. Also the order in which complete trees of 64 row chunks
/// join, since 64 is a power of two.
template <class T, class F>
inline T reduce_tree(T* values, int64_t n, F join) {
  // A binary counter: after value i, one pending tree per set bit of i + 1, the largest lowest in `values`.
  int64_t pending = 0;
  for (int64_t i = 0; i < n; ++i) {
    T value = values[i];
    for (int64_t bits = i; (bits & 1) != 0; bits >>= 1) value = join(values[--pending], value);
    values[pending++] = value;
  }
  T total = values[--pending];
  while (pending > 0) total = join(values[--pending], total);
  return total;
}

}  // namespace weft::backends::cpu
