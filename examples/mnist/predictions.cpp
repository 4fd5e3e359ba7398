#include "predictions.h"

#include <png.h>

#include <algorithm>
#include <cstring>

namespace {

constexpr int columns = 20, rows = 8, border = 3, caption = 11, scale = 2;

struct Picture {
  int width, height;
  std::vector<std::uint8_t> rgb;
  void set(int x, int y, int r, int g, int b) {
    std::uint8_t* p =
        &rgb[3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x))];
    p[0] = static_cast<std::uint8_t>(r);
    p[1] = static_cast<std::uint8_t>(g);
    p[2] = static_cast<std::uint8_t>(b);
  }
};

// Digits 0-9 and '>' of 3 x 5 dots, a row in three bits.
constexpr std::uint8_t glyphs[11][5] = {{7, 5, 5, 5, 7}, {2, 6, 2, 2, 7}, {7, 1, 7, 4, 7}, {7, 1, 7, 1, 7},
                                        {5, 5, 7, 1, 1}, {7, 4, 7, 1, 7}, {7, 4, 7, 5, 7}, {7, 1, 2, 2, 2},
                                        {7, 5, 7, 5, 7}, {7, 5, 7, 1, 7}, {4, 2, 1, 2, 4}};

void write_glyph(Picture& picture, int left, int top, std::size_t glyph, bool wrong) {
  for (int y = 0; y < 5; ++y) {
    for (int x = 0; x < 3; ++x) {
      if ((glyphs[glyph][y] >> (2 - x) & 1) == 0) continue;
      for (int i = 0; i < 4; ++i) {
        picture.set(left + 2 * x + i % 2, top + 2 * y + i / 2, wrong ? 200 : 60, wrong ? 0 : 60, wrong ? 0 : 60);
      }
    }
  }
}

}  // namespace

void draw_predictions(const std::string& path, const weft::ImageDataset& data,
                      const std::vector<std::int64_t>& predicted) {
  const weft::Tensor images = data.images().to(weft::serial()).contiguous();
  const std::vector<std::int64_t> truth = data.labels().to_vector<std::int64_t>();
  const int image_rows = static_cast<int>(images.size(2)), image_columns = static_cast<int>(images.size(3));
  const auto pixels_per_image = static_cast<std::size_t>(image_rows * image_columns);

  // Mistakes first (at most half the picture), then digits in the order of the test set.
  std::vector<std::size_t> chosen;
  const std::size_t room = columns * rows;
  for (std::size_t i = 0; i < truth.size() && chosen.size() < room / 2; ++i) {
    if (truth[i] != predicted[i]) chosen.push_back(i);
  }
  for (std::size_t i = 0; i < truth.size() && chosen.size() < room; ++i) {
    if (truth[i] == predicted[i]) chosen.push_back(i);
  }

  const int cell_width = image_columns * scale + 2 * border;
  const int cell_height = image_rows * scale + 2 * border + caption + 3;
  Picture picture{columns * cell_width, rows * cell_height, {}};
  picture.rgb.assign(3 * static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height), 255);
  for (std::size_t n = 0; n < chosen.size(); ++n) {
    const std::size_t i = chosen[n];
    const bool wrong = truth[i] != predicted[i];
    const int left = static_cast<int>(n % columns) * cell_width, top = static_cast<int>(n / columns) * cell_height;
    if (wrong) {
      for (int y = 0; y < image_rows * scale + 2 * border - 2; ++y) {
        for (int x = 0; x < cell_width - 2; ++x) picture.set(left + 1 + x, top + 1 + y, 220, 0, 0);
      }
    }
    const std::uint8_t* pixels = images.data<std::uint8_t>() + i * pixels_per_image;
    for (int y = 0; y < image_rows * scale; ++y) {
      for (int x = 0; x < image_columns * scale; ++x) {
        const int ink = 255 - pixels[(y / scale) * image_columns + x / scale];
        picture.set(left + border + x, top + border + y, ink, ink, ink);
      }
    }
    const int line = top + image_rows * scale + 2 * border + 1;
    write_glyph(picture, left + border + 2, line, static_cast<std::size_t>(predicted[i] % 10), wrong);
    if (wrong) {  // "3>5": taken for a 3, is a 5
      write_glyph(picture, left + border + 12, line, 10, true);
      write_glyph(picture, left + border + 22, line, static_cast<std::size_t>(truth[i] % 10), false);
    }
  }

  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(picture.width);
  header.height = static_cast<png_uint_32>(picture.height);
  header.format = PNG_FORMAT_RGB;
  if (png_image_write_to_file(&header, path.c_str(), 0, picture.rgb.data(), 0, nullptr) == 0) {
    throw weft::IoError(weft::ErrorCode::io_write, "predictions", path + ": " + header.message);
  }
}
