// What the machine can do at most: the rate of independent fused multiply-adds (float32, in operations per second, a
// multiply-add counts two) and of copying 32 MiB (bytes read and written). Threads: WEFT_NUM_THREADS.
//
//     bench_peak     prints "threads flops bytes"
//
// Compiled for the machine it is built on.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include <weft/core/thread_pool.h>

#include "timing.h"

namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16, chains = 24;
#elif defined(__AVX2__)
constexpr int lanes = 8, chains = 12;
#else
constexpr int lanes = 4, chains = 8;
#endif
typedef float Vec __attribute__((vector_size(lanes * 4)));
constexpr int steps = 200000;

float multiply_adds(float start) {
  Vec sum[chains], a, b;
  for (int i = 0; i < chains; ++i) sum[i] = Vec{} + start;
  a = Vec{} + 0.999f;
  b = Vec{} + start;
  for (int k = 0; k < steps; ++k) {
#pragma GCC unroll 32
    for (int i = 0; i < chains; ++i) sum[i] = sum[i] * a + b;
    __asm__ volatile("" : "+x"(a), "+x"(b));
  }
  Vec total = {};
  for (int i = 0; i < chains; ++i) total += sum[i];
  return total[0];
}

template <class F>
double best_seconds(F f) {
  double best = 1e30;
  for (int round = 0; round < 15; ++round) {
    const double begin = bench::now();
    f();
    const double time = bench::now() - begin;
    if (time < best) best = time;
  }
  return best;
}

}  // namespace

int main() {
  const int threads = weft::num_threads();
  std::vector<float> results(static_cast<std::size_t>(threads));
  const double flop_time = best_seconds([&] {
    weft::parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) results[static_cast<std::size_t>(i)] = multiply_adds(1e-3f);
    });
  });
  const double flops = 2.0 * lanes * chains * steps * threads / flop_time;
  constexpr std::int64_t bytes = 32 << 20;
  std::vector<char> from(bytes, 1), to(bytes);
  const double copy_time = best_seconds([&] {
    weft::parallel_for(bytes, bytes / threads, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin));
    });
  });
  std::printf("%d %.6g %.6g\n", threads, results[0] < 1e30f ? flops : 0, 2.0 * bytes / copy_time);
}
