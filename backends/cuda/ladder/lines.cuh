#pragma once
// Private: what the rungs of the sum have in common.

#include <weft/backends/cuda/ladder/ladder.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/device.cuh>

namespace weft::backends::cuda::ladder {

inline constexpr unsigned most_sum_threads = 256;

struct Piece {
  const float* in;
  std::int64_t length;
};

__device__ inline Piece piece_of(const Lines& s, std::uint32_t number) {
  const std::int64_t line = number / s.chunks, first = number % s.chunks * s.chunk;
  const std::int64_t left = s.length - first;
  return {s.in + line * s.step + first, left < s.chunk ? left : s.chunk};
}

/// A power of two, as many as a piece has elements, between `least` and most_sum_threads.
inline unsigned threads_for(const Lines& s, unsigned least) {
  unsigned threads = least;
  while (threads < most_sum_threads && threads < s.chunk) threads *= 2;
  return threads;
}

}  // namespace weft::backends::cuda::ladder
