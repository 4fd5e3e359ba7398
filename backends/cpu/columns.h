#pragma once
// Private: between an image and the matrix a convolution multiplies. The matrix has a row for every (channel, tap) and
// a column for every output position; its element is what that tap sees there, 0 in the padding.

#include <weft/backends/common/conv_geometry.h>

namespace weft::backends::cpu {

/// Rows [row0, row1), positions [p0, p1) of the matrix, row-major and dense, from the channels of one group of one
/// image.
template <class T>
void gather_columns(const ConvPlan& plan, const T* image, std::int64_t row0, std::int64_t row1, std::int64_t p0,
                    std::int64_t p1, T* columns);

/// The way back: adds every element of that part of the matrix to the image's element it was taken from, row after row.
template <class T>
void add_columns(const ConvPlan& plan, const T* columns, std::int64_t row0, std::int64_t row1, std::int64_t p0,
                 std::int64_t p1, T* image);

}  // namespace weft::backends::cpu
