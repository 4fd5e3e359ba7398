#pragma once
// How a convolution's or a pooling's window slides over the spatial axes: the options of conv2d(), max_pool2d() and
// their kin, with PyTorch's names and defaults.
//
//     conv2d(x, weight, bias, {.stride = 2, .padding = {1, 0}})

#include <cstdint>
#include <initializer_list>

namespace weft {

/// A number per spatial axis: one number means the same for all of them. 3, {3, 5}.
class PerAxis {
 public:
  static constexpr int max_axes = 3;

  constexpr PerAxis() = default;                                             ///< not given
  constexpr PerAxis(std::int64_t all) : value_{all, all, all}, count_(1) {}  // NOLINT(google-explicit-constructor)
  constexpr PerAxis(std::initializer_list<std::int64_t> values) {
    for (std::int64_t value : values) {
      if (count_ < max_axes) value_[count_] = value;
      ++count_;
    }
    if (count_ == 1) value_[1] = value_[2] = value_[0];
  }
  constexpr bool given() const noexcept { return count_ > 0; }
  constexpr int count() const noexcept { return count_; }  ///< 1: the same for every axis
  constexpr std::int64_t operator[](int axis) const noexcept { return value_[axis]; }
  friend constexpr bool operator==(const PerAxis&, const PerAxis&) = default;

 private:
  std::int64_t value_[max_axes] = {};
  int count_ = 0;
};

struct ConvOptions {
  PerAxis stride = 1;
  PerAxis padding = 0;  ///< zeros on both sides
  PerAxis dilation = 1;
  std::int64_t groups = 1;  ///< each group of output channels sees its own group of input channels
};

struct ConvTransposeOptions {
  PerAxis stride = 1;
  PerAxis padding = 0;         ///< cut off on both sides of the output
  PerAxis output_padding = 0;  ///< added at one end of the output: which of the extents a stride maps to one is meant
  std::int64_t groups = 1;
  PerAxis dilation = 1;
};

struct MaxPoolOptions {
  PerAxis stride = {};  ///< the window's extents where not given
  PerAxis padding = 0;  ///< at most half the window; never the largest
  PerAxis dilation = 1;
  bool ceil_mode = false;  ///< a last window may hang over the end
};

struct AvgPoolOptions {
  PerAxis stride = {};
  PerAxis padding = 0;  ///< at most half the window
  bool ceil_mode = false;
  bool count_include_pad = true;  ///< divide by the window's size; else by how much of it lies inside
};

}  // namespace weft
