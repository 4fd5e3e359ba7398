#pragma once
// Shapes and strides: up to eight extents held by value, so that a view can cross into a kernel as plain bytes.
//
// Dims itself never throws and never checks (a kernel includes this file). A list of more than max_rank extents keeps
// its true length in rank() and its first eight extents; check_shape(), which every function that makes a tensor calls,
// refuses it.

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft {

inline constexpr int max_rank = 8;

class Dims {
 public:
  constexpr Dims() = default;
  constexpr Dims(std::initializer_list<std::int64_t> extents) : Dims(std::span(extents.begin(), extents.size())) {}
  constexpr explicit Dims(std::span<const std::int64_t> extents) {
    for (std::int64_t extent : extents) push_back(extent);
  }
  static constexpr Dims filled(int rank, std::int64_t value) {
    Dims d;
    for (int i = 0; i < rank; ++i) d.push_back(value);
    return d;
  }

  constexpr int rank() const noexcept { return rank_; }
  constexpr std::int64_t operator[](int i) const noexcept { return value_[i]; }
  constexpr std::int64_t& operator[](int i) noexcept { return value_[i]; }
  constexpr const std::int64_t* begin() const noexcept { return value_; }
  constexpr const std::int64_t* end() const noexcept { return value_ + (rank_ < max_rank ? rank_ : max_rank); }
  constexpr void push_back(std::int64_t value) noexcept {
    if (rank_ < max_rank) value_[rank_] = value;
    ++rank_;
  }
  /// The product of the extents, 1 for rank 0. Only for shapes that passed check_shape(): overflow is not looked for.
  constexpr std::int64_t numel() const noexcept {
    std::int64_t n = 1;
    for (std::int64_t extent : *this) n *= extent;
    return n;
  }

  friend constexpr bool operator==(const Dims& a, const Dims& b) noexcept {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_ && i < max_rank; ++i) {
      if (a.value_[i] != b.value_[i]) return false;
    }
    return true;
  }

 private:
  std::int64_t value_[max_rank] = {};
  std::int32_t rank_ = 0;
};

using Shape = Dims;    ///< extents, all >= 0 once checked
using Strides = Dims;  ///< in elements, not bytes; 0 repeats, negative walks backwards

/// Row-major ("C") strides. Axes of extent 0 or 1 get the stride they would have in a larger tensor.
constexpr Strides contiguous_strides(const Shape& shape) noexcept {
  Strides strides = shape;
  std::int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i] > 0 ? shape[i] : 1;
  }
  return strides;
}

/// "(64, 784)", "()" for rank 0, "(3,)" for rank 1, as NumPy prints them.
WEFT_API std::string to_string(const Shape& shape);

/// Refuses rank over max_rank, negative extents and element or byte counts over 2^63 - 1 (also when another extent is
/// zero); throws ShapeError naming `op`. Returns the number of elements.
WEFT_API std::int64_t check_shape(const Shape& shape, std::size_t bytes_per_element, const char* op,
                                  CallSite at = CallSite::here());

/// NumPy's rule: aligned at the last axis, extents must be equal or 1. Throws ShapeError naming both shapes.
WEFT_API Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op, CallSite at = CallSite::here());

/// Maps -rank..rank-1 to 0..rank-1; throws IndexError otherwise.
WEFT_API int normalize_axis(int axis, int rank, const char* op, CallSite at = CallSite::here());

}  // namespace weft
