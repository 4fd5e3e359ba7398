#include <weft/data/epoch_order.h>

#include <numeric>
#include <utility>

#include <weft/core/philox.h>

namespace weft {
namespace {

/// The upper half of a 64 x 64 bit product.
std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
  const std::uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xFFFFFFFFu)) >> 32);
}

}  // namespace

std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
  constexpr std::uint64_t shuffle_stream = 0x73687566666C6531;  // "shuffle1"
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  PhiloxBlock block{};
  std::uint64_t draw = 0;
  for (std::size_t left = order.size(); left > 1; --left, ++draw) {
    const std::size_t half = 2 * (draw % 2);
    if (half == 0) block = philox_block(seed ^ shuffle_stream, static_cast<std::uint64_t>(epoch), draw / 2);
    const std::uint64_t bits = std::uint64_t{block.word[half + 1]} << 32 | block.word[half];
    std::swap(order[left - 1], order[multiply_high(bits, left)]);
  }
  return order;
}

}  // namespace weft
