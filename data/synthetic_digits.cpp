#include <weft/data/synthetic_digits.h>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/thread_pool.h>
#include <weft/data/draw_digit.h>
#include <weft/tensor/creation.h>

namespace weft {

ImageDataset synthetic_digits(Split split, std::int64_t count, std::uint64_t seed, CallSite at) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  if (count < 0 || count > most) {
    throw ValueError(ErrorCode::value_out_of_range, "synthetic_digits",
                     message("count is ", count, ", expected 0 (all) to ", most), at);
  }
  if (count == 0) count = split == Split::train ? 60000 : 10000;
  const std::uint64_t first = split == Split::train ? 0 : std::uint64_t{1} << 40;
  Tensor images = empty({count, digit_side, digit_side}, DType::uint8, at);
  Tensor labels = empty({count}, DType::int64, at);
  std::uint8_t* pixels = images.mutable_data<std::uint8_t>(at);
  std::int64_t* classes = labels.mutable_data<std::int64_t>(at);
  parallel_for(
      count, 16,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          classes[i] = draw_digit(seed, first + static_cast<std::uint64_t>(i), pixels + i * digit_side * digit_side);
        }
      },
      Schedule::dynamic_queue, at);
  return ImageDataset(images, labels, 10, "synthetic digits",
                      message("drawn from pen strokes, seed ", seed, "; not handwriting, not MNIST"), at);
}

}  // namespace weft
