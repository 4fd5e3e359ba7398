// RandomAffine: for every pixel of the result, the point of the image it shows.

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/philox.h>
#include <weft/data/transforms.h>

namespace weft::transforms {
namespace {

// Philox's own sine and cosine, because the C library's differ between machines.
SinCos<double> of_degrees(double degrees) {
  const double quarters = degrees / 90, whole = std::nearbyint(quarters);
  return philox_detail::turn(philox_sincos(quarters - whole),
                             static_cast<std::uint32_t>(static_cast<std::int64_t>(whole)));
}

// The four pixels around (y, x), weighted; what lies outside is `fill`.
float bilinear(const Image& image, std::int64_t channel, double y, double x, float fill) {
  const double top = std::floor(y), left = std::floor(x);
  const double down = y - top, right = x - left;
  const auto pixel = [&](double row, double column) -> double {
    const bool inside =
        row >= 0 && row < static_cast<double>(image.rows) && column >= 0 && column < static_cast<double>(image.columns);
    return inside ? image.row(channel, static_cast<std::int64_t>(row))[static_cast<std::int64_t>(column)] : fill;
  };
  const double upper = pixel(top, left) * (1 - right) + pixel(top, left + 1) * right;
  const double lower = pixel(top + 1, left) * (1 - right) + pixel(top + 1, left + 1) * right;
  return static_cast<float>(upper * (1 - down) + lower * down);
}

}  // namespace

RandomAffine::RandomAffine(const AffineOptions& options, CallSite at) : options_(options) {
  const auto check = [&](const char* what, double value, double low, double high) {
    if (value >= low && value <= high) return;
    throw ValueError(ErrorCode::value_out_of_range, "RandomAffine",
                     message(what, " is ", value, ", expected ", low, " to ", high), at);
  };
  check("degrees", options.degrees, 0, 360);
  check("translate_rows", options.translate_rows, 0, 1);
  check("translate_columns", options.translate_columns, 0, 1);
  check("max_scale", options.max_scale, 0.01, 100);
  check("min_scale", options.min_scale, 0.01, options.max_scale);
}

void RandomAffine::apply(Image& image, RandomStream& random) const {
  const double degrees = random.uniform(-options_.degrees, options_.degrees);
  const double limit_y = options_.translate_rows * static_cast<double>(image.rows);
  const double limit_x = options_.translate_columns * static_cast<double>(image.columns);
  const double move_y = random.uniform(-limit_y, limit_y), move_x = random.uniform(-limit_x, limit_x);
  const double scale = random.uniform(options_.min_scale, options_.max_scale);

  const SinCos<double> angle = of_degrees(degrees);
  const double centre_y = static_cast<double>(image.rows - 1) / 2,
               centre_x = static_cast<double>(image.columns - 1) / 2;
  Image result{image.channels, image.rows, image.columns, std::vector<float>(image.pixels.size())};
  for (std::int64_t y = 0; y < image.rows; ++y) {
    for (std::int64_t x = 0; x < image.columns; ++x) {
      const double dy = (static_cast<double>(y) - centre_y - move_y) / scale;
      const double dx = (static_cast<double>(x) - centre_x - move_x) / scale;
      // Turned back; rows grow downwards, so anticlockwise as seen has the sine's sign the other way round.
      const double from_x = angle.cos * dx - angle.sin * dy + centre_x;
      const double from_y = angle.sin * dx + angle.cos * dy + centre_y;
      for (std::int64_t c = 0; c < image.channels; ++c) {
        result.row(c, y)[x] = bilinear(image, c, from_y, from_x, options_.fill);
      }
    }
  }
  image = std::move(result);
}

}  // namespace weft::transforms
