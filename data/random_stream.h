#pragma once
// Random numbers for one example: a pure function of where they are drawn, never of when or by which thread.
//
//     RandomStream root(slot.seed());
//     RandomStream of_example = root.child(epoch).child(index);
//     double x = of_example.uniform(-1, 1);
//
// A stream is a 64-bit key and a counter over Philox4x32-10 (core/philox.h). child(i) is a stream whose key is the
// first 64 bits of block 0 of draw 2^63 + i of this key; numbers come from draw 0, so children and numbers share none.

#include <cstdint>

#include <weft/core/philox.h>

namespace weft {

class RandomStream {
 public:
  explicit RandomStream(std::uint64_t key) noexcept : key_(key) {}

  /// Stream i, 0 <= i < 2^63, below this one; the same however many numbers were drawn here.
  RandomStream child(std::int64_t i) const noexcept {
    const PhiloxBlock b = philox_block(key_, std::uint64_t{1} << 63 | static_cast<std::uint64_t>(i), 0);
    return RandomStream(std::uint64_t{b.word[1]} << 32 | b.word[0]);
  }

  std::uint64_t bits() noexcept {
    const int half = static_cast<int>(2 * (count_ % 2));
    if (half == 0) block_ = philox_block(key_, 0, count_ / 2);
    ++count_;
    return std::uint64_t{block_.word[half + 1]} << 32 | block_.word[half];
  }
  /// In [0, 1), of 53 bits.
  double uniform() noexcept { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) noexcept { return low + (high - low) * uniform(); }
  /// In 0 .. n - 1 for n >= 1: the upper half of a 64 x 64 bit product; its bias is below n / 2^64.
  std::int64_t below(std::int64_t n) noexcept {
    const std::uint64_t a = bits(), b = static_cast<std::uint64_t>(n);
    const std::uint64_t a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
    const std::uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    return static_cast<std::int64_t>(a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xFFFFFFFFu)) >> 32));
  }
  bool happens(double probability) noexcept { return uniform() < probability; }

 private:
  std::uint64_t key_;
  std::uint64_t count_ = 0;
  PhiloxBlock block_{};
};

}  // namespace weft
