#pragma once
// Convolution without a matrix of columns: the micro-kernels of a product whose one operand is read where it lies in an
// image with its padding around it (columns.h), at an offset for every term. float32 and float64.
//
// The order of every sum is that of product.h: one chain of multiply-adds from +0 over the terms of a panel, panels
// added in order. Elements of the padding take part as zeros.

#include <stdint.h>

namespace weft::backends::cpu {

/// Of a vector's lanes, `count` from `lane` on are results: the first goes to element `at` of an output row.
struct WindowRun {
  int64_t lane, count, at;
};

/// out[r][at] = sum over k of rows[r][k] image[vector + lane + term[k]]
struct Windows {
  const void* rows;  ///< packed by pack_rows
  int64_t row_count, depth;
  int64_t panel;   ///< terms of one chain
  bool onto_zero;  ///< the first chain too is added, to +0
  const void* image;
  const int64_t* term;  ///< [depth]
  int64_t vectors;
  const int64_t* vector;   ///< [vectors] where a vector's first lane lies; all lanes may be read
  const int64_t* run_end;  ///< [vectors] its results are runs[run_end[v - 1]] .. runs[run_end[v]), from 0 for the first
  const WindowRun* runs;
  void* out;
  int64_t out_row_stride, out_step;  ///< from row to row, and between neighbouring results
};

/// sums[r][f] (+)= sum over the positions p of image[row[r] + p] turned[p][f]: one chain.
struct Correlation {
  const void* image;
  int64_t rows;
  const int64_t* row;  ///< [rows]
  int64_t lines;
  const int64_t* line;    ///< [lines] positions that lie side by side: where the first one is
  const int64_t* length;  ///< [lines] and how many they are
  const void* turned;     ///< by turn; the panel's first position
  int64_t turned_stride;  ///< from one group of columns to the next
  int64_t columns;
  void* sums;           ///< 64-byte aligned
  int64_t sums_stride;  ///< at least `columns` rounded up to `group`
  bool add;
};

struct ConvKernels {
  int64_t lanes;  ///< of a vector
  int64_t group;  ///< columns of `turned` that lie together
  /// rows[r][k] = w[r * row_stride + at[k]] to `out`, row_count * depth elements, as `windows` wants them.
  void (*pack_rows)(const void* w, int64_t row_count, int64_t row_stride, const int64_t* at, int64_t depth, void* out);
  void (*windows)(const Windows&);
  /// from[f][p] to groups [f / group][p][f % group], filled up with zeros: positions * (columns rounded up to group).
  void (*turn)(const void* from, int64_t columns, int64_t positions, void* turned);
  void (*correlate)(const Correlation&);
};

}  // namespace weft::backends::cpu
