#include <weft/data/draw_digit.h>

#include <algorithm>
#include <cmath>

#include <weft/core/philox.h>
#include <weft/data/digit_strokes.h>

namespace weft {
namespace {

// How much the writing varies. Chosen so that a linear classifier stays well under 93 % and the 784-512-512-10 network
// passes 97 %: synthetic_digits.h has the figures.
constexpr double jitter = 0.035;   // of every point, standard deviation, in units of the box
constexpr double rotation = 0.20;  // radians, standard deviation
constexpr double slant = 0.22;     // shear, standard deviation
constexpr double narrowest = 0.68, widest = 1.08;
constexpr double shortest = 0.80, tallest = 1.08;
constexpr double shift = 1.2;                     // pixels, standard deviation
constexpr double thinnest = 1.2, thickest = 3.0;  // pixels
constexpr double wave = 0.03;                     // amplitude of the smooth warp, standard deviation
constexpr double noise = 0.10;                    // of the ink's full range, either way, where it is strongest
constexpr double box = 19.0;                      // pixels

constexpr double pi = 3.14159265358979323846;

/// The numbers of one digit, in order.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t index) noexcept : seed_(seed), index_(index) {}

  double uniform() noexcept { return philox_uniform_f64(seed_, index_, next_++); }
  double uniform(double low, double high) noexcept { return low + (high - low) * uniform(); }
  /// Nearly: the sum of three uniforms. Bounded at three standard deviations, so that no digit leaves its picture.
  double normal() noexcept {
    const double a = uniform(), b = uniform(), c = uniform();
    return (a + b + c - 1.5) * 2;
  }
  int below(int n) noexcept { return static_cast<int>(uniform() * n); }

 private:
  std::uint64_t seed_;
  std::uint64_t index_;
  std::uint64_t next_ = 0;
};

struct Turn {
  double sin, cos;
};
Turn turn(double radians) noexcept {
  double quarters = radians * (2 / pi);
  const double whole = std::floor(quarters + 0.5);
  const auto angle = philox_sincos(quarters - whole);
  switch (static_cast<long>(whole) & 3) {
    case 0:
      return {angle.sin, angle.cos};
    case 1:
      return {angle.cos, -angle.sin};
    case 2:
      return {-angle.sin, -angle.cos};
    default:
      return {-angle.cos, angle.sin};
  }
}

/// From the unit box to pixels: a smooth warp, then an affine map about the middle.
struct Placement {
  double xx, xy, yx, yy, x0, y0;
  double wave_x, wave_y, phase_x, phase_y, frequency_x, frequency_y;

  StrokePoint operator()(StrokePoint p) const noexcept {
    const double u = p.x - 0.5 + wave_x * turn(frequency_x * p.y + phase_x).sin;
    const double v = p.y - 0.5 + wave_y * turn(frequency_y * p.x + phase_y).sin;
    return {x0 + xx * u + xy * v, y0 + yx * u + yy * v};
  }
};

Placement draw_placement(Draws& draws) noexcept {
  const Turn tilt = turn(rotation * draws.normal());
  const double shear = slant * draws.normal();
  const double width = box * draws.uniform(narrowest, widest);
  const double height = box * draws.uniform(shortest, tallest);
  Placement place{};
  place.xx = tilt.cos * width;
  place.yx = tilt.sin * width;
  place.xy = (-tilt.sin - shear * tilt.cos) * height;
  place.yy = (tilt.cos - shear * tilt.sin) * height;
  place.x0 = digit_side / 2.0 + shift * draws.normal();
  place.y0 = digit_side / 2.0 + shift * draws.normal();
  place.wave_x = wave * draws.normal();
  place.wave_y = wave * draws.normal();
  place.phase_x = draws.uniform(0, 2 * pi);
  place.phase_y = draws.uniform(0, 2 * pi);
  place.frequency_x = draws.uniform(3, 7);
  place.frequency_y = draws.uniform(3, 7);
  return place;
}

class Canvas {
 public:
  explicit Canvas(double width) noexcept : reach_(static_cast<float>(width / 2 + 0.5)) {}

  /// Ink falls off over one pixel at the edge of the pen. Works on four pixels at once.
  void line(StrokePoint from, StrokePoint to) noexcept {
    const float ax = static_cast<float>(from.x), ay = static_cast<float>(from.y);
    const float dx = static_cast<float>(to.x) - ax, dy = static_cast<float>(to.y) - ay;
    const int first = pixel(std::min(ax, ax + dx) - reach_) / block,
              last = pixel(std::max(ax, ax + dx) + reach_) / block;
    const int top = pixel(std::min(ay, ay + dy) - reach_), bottom = pixel(std::max(ay, ay + dy) + reach_);
    const float length2 = dx * dx + dy * dy;
    const float scale = length2 > 0 ? 1 / length2 : 0;
    for (int row = top; row <= bottom; ++row) {
      const float py = static_cast<float>(row) + 0.5f - ay;
      for (int b = first; b <= last; ++b) {
        const float px = static_cast<float>(b * block) + 0.5f - ax;
        const Vector qx = px + column;
        const Vector along = at_least(at_most((qx * dx + py * dy) * scale, 1), 0);
        const Vector ex = qx - along * dx, ey = py - along * dy;
        Vector& ink = ink_[row * blocks + b];
        ink = at_least(ink, at_most(reach_ - square_root(ex * ex + ey * ey), 1));
      }
    }
  }
  float ink(int pixel) const noexcept { return ink_[pixel / block][pixel % block]; }

 private:
  // Four floats as one value: an extension g++ and clang share, on machines without such registers as well.
  using Vector = float __attribute__((vector_size(16)));
  static constexpr int block = 4;
  static constexpr int blocks = digit_side / block;
  static_assert(digit_side % block == 0);
  static constexpr Vector column = {0, 1, 2, 3};

  static Vector at_least(Vector x, float low) noexcept { return x < low ? low - Vector{} : x; }
  static Vector at_least(Vector x, Vector low) noexcept { return x < low ? low : x; }
  static Vector at_most(Vector x, float high) noexcept { return x > high ? high - Vector{} : x; }
  static Vector square_root(Vector x) noexcept {
    for (int j = 0; j < block; ++j) x[j] = std::sqrt(x[j]);
    return x;
  }
  static int pixel(float coordinate) noexcept {
    return static_cast<int>(std::clamp(coordinate, 0.0f, digit_side - 1.0f));
  }

  float reach_;
  Vector ink_[digit_side * blocks] = {};
};

StrokePoint catmull_rom(StrokePoint a, StrokePoint b, StrokePoint c, StrokePoint d, double t) noexcept {
  const auto along = [t](double p, double q, double r, double s) {
    return q + 0.5 * t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)));
  };
  return {along(a.x, b.x, c.x, d.x), along(a.y, b.y, c.y, d.y)};
}

void draw_stroke(const PenStroke& stroke, const StrokePoint* points, const Placement& place, Canvas& canvas) noexcept {
  constexpr int pieces = 5;
  const int n = static_cast<int>(stroke.points.size());
  StrokePoint from = place(points[0]);
  for (int i = 0; i + 1 < n; ++i) {
    for (int piece = 1; piece <= pieces; ++piece) {
      const double t = piece / static_cast<double>(pieces);
      const StrokePoint b = points[i], c = points[i + 1];
      const StrokePoint p = stroke.curved
                                ? catmull_rom(points[std::max(i - 1, 0)], b, c, points[std::min(i + 2, n - 1)], t)
                                : StrokePoint{b.x + t * (c.x - b.x), b.y + t * (c.y - b.y)};
      const StrokePoint to = place(p);
      canvas.line(from, to);
      from = to;
    }
  }
}

}  // namespace

int draw_digit(std::uint64_t seed, std::uint64_t index, std::uint8_t* pixels) noexcept {
  constexpr std::uint64_t digits_stream = 0x6469676974733031;  // "digits01"
  Draws draws(seed ^ digits_stream, index);
  const int digit = draws.below(10);
  const auto shapes = digit_shapes(digit);
  const DigitShape shape = shapes[static_cast<std::size_t>(draws.below(static_cast<int>(shapes.size())))];
  const Placement place = draw_placement(draws);
  Canvas canvas(draws.uniform(thinnest, thickest));
  const double brightness = draws.uniform(0.75, 1.0);
  const double grain = noise * draws.uniform();

  StrokePoint end{};
  StrokePoint written{};
  for (const PenStroke& stroke : shape) {
    StrokePoint points[most_stroke_points];
    for (std::size_t i = 0; i < stroke.points.size(); ++i) {
      const StrokePoint p = stroke.points[i];
      // a stroke that goes on where the last one ended still does
      const bool joined = i == 0 && p.x == end.x && p.y == end.y;
      points[i] = joined ? written : StrokePoint{p.x + jitter * draws.normal(), p.y + jitter * draws.normal()};
      end = p;
      written = points[i];
    }
    draw_stroke(stroke, points, place, canvas);
  }
  constexpr std::uint64_t grain_blocks = std::uint64_t{1} << 32;  // beyond what Draws reaches
  for (int i = 0; i < digit_side * digit_side; i += 16) {
    const PhiloxBlock block = philox_block(seed ^ digits_stream, index, grain_blocks + static_cast<std::uint64_t>(i));
    for (int j = 0; j < 16; ++j) {
      const int byte = static_cast<int>(block.word[j / 4] >> (8 * (j % 4)) & 0xFFu);
      const double ink = static_cast<double>(canvas.ink(i + j)) * brightness * 255 + grain * (2 * byte - 255);
      pixels[i + j] = static_cast<std::uint8_t>(std::clamp(ink, 0.0, 255.0) + 0.5);
    }
  }
  return digit;
}

}  // namespace weft
