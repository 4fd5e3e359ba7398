#pragma once
// Private: the ten digits as pen strokes, for the synthetic data set.

#include <cstdint>
#include <span>

namespace weft {

struct StrokePoint {
  double x, y;  ///< in a unit box, y downwards
};

/// One movement of the pen: a polyline, or a Catmull-Rom curve through its points.
struct PenStroke {
  bool curved = false;
  std::span<const StrokePoint> points;
};

/// One way of writing a digit.
using DigitShape = std::span<const PenStroke>;

/// The ways of writing `digit`, 0 to 9; at least one.
std::span<const DigitShape> digit_shapes(int digit) noexcept;

inline constexpr int most_digit_strokes = 3;
inline constexpr int most_stroke_points = 13;

}  // namespace weft
