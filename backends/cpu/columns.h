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

/// An image with its padding around it. Along the last axis the elements lie in `phases` runs of `run` elements:
/// element i in run i mod phases, so that what a stride steps over lies side by side.
struct PaddedImage {
  std::int64_t low[3] = {};            ///< elements in front of the image's first; below 0 where some are left out
  std::int64_t step[3] = {1, 1, 1};    ///< every step-th element is there
  std::int64_t extent[3] = {1, 1, 1};  ///< padding included; of the last axis a multiple of phases
  std::int64_t phases = 1;

  std::int64_t run() const noexcept { return extent[2] / phases; }
  std::int64_t plane() const noexcept { return extent[0] * extent[1] * extent[2]; }
  /// Where element (i0, i1, i2), counted with the padding, lies in a plane.
  std::int64_t at(std::int64_t i0, std::int64_t i1, std::int64_t i2) const noexcept {
    return (i0 * extent[1] + i1) * extent[2] + i2 % phases * run() + i2 / phases;
  }
};

/// Copies `channels` planes of extents in[3], contiguous, with zeros around them.
template <class T>
void pad_image(const PaddedImage& padded, const T* image, const std::int64_t* in, std::int64_t channels, T* to);

}  // namespace weft::backends::cpu
