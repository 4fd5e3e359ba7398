#pragma once
// The matrix product's entry points, one table per instruction set and element type.
//
// What is computed, for every 0 <= i < rows, 0 <= j < columns, and for every instruction set, tile and batch alike:
//
//   chain(p) = fma(A[i,k], B[k,j], ...fma(A[i,256p], B[256p,j], +0))   over the k of panel p, k increasing
//   sum      = ((chain(0) + chain(1)) + chain(2)) + ...                 panels of 256, in order
//   C[i,j]   = round(sum), or round(C[i,j] + sum) with `accumulate`     round: to C's own dtype, once
//
// An instruction set without FMA (baseline x86-64) multiplies and adds in the same order: other bits. float16 and
// bfloat16 are converted to float32 as they are packed. float64 works in float64.

#include <stddef.h>
#include <stdint.h>

namespace weft::backends::cpu {

struct Product {
  const void* a;
  const void* b;
  void* c;
  int64_t rows, columns, depth;          // of C, C, and the sum
  int64_t a_row_stride, a_depth_stride;  // in elements; any, also negative or 0
  int64_t b_depth_stride, b_column_stride;
  int64_t c_row_stride;  // C's columns are contiguous
  bool accumulate;
  bool turned;  // C lies transposed: its rows are contiguous, c_row_stride from column to column
};

struct ProductKernels {
  int64_t panel_columns;  ///< columns of a packed panel of B; tile borders in j are multiples of it
  int64_t panel_rows;     ///< rows of a micro-kernel: what a tile's height is best a multiple of
  size_t item;            ///< bytes of a working element (4 or 8)
  size_t stored;          ///< bytes of an element of A, B and C (2, 4 or 8)

  /// Packs columns [j0, j1) of B, all of its depth, to where pack and tile agree; j0 a multiple of panel_columns.
  /// `packed` is the start of the whole packed matrix: depth * (columns rounded up to panel_columns) working elements,
  /// 64-byte aligned.
  void (*pack)(const Product&, void* packed, int64_t j0, int64_t j1);

  /// Computes C[i0:i1, j0:j1]. j0 is a multiple of panel_columns. `packed` as above, or null: B is then packed panel by
  /// panel as it is met; not with `turned`. Needs `work` of tile_work(i1 - i0, j1 - j0, packed == null) bytes, 64-byte
  /// aligned. Tiles may run at the same time, in any order.
  void (*tile)(const Product&, const void* packed, int64_t i0, int64_t i1, int64_t j0, int64_t j1, void* work);
  size_t (*tile_work)(int64_t rows, int64_t columns, bool packs_b);
};

inline constexpr int64_t product_panel = 256;  ///< the K panel of the definition above

}  // namespace weft::backends::cpu
