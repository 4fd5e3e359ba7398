#pragma once
// Private: from runs of a strided loop to the contiguous float32 and float64 arrays the kernels take.

#include <cstdint>
#include <cstring>

#include <weft/backends/common/strided.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/core/thread_pool.h>

namespace weft::backends::cpu {

/// Elements to a chunk of parallel work, about 20 us or more of it.
inline constexpr std::int64_t cheap_grain = 32768;
inline constexpr std::int64_t costly_grain = 8192;

/// Elements that pass through a buffer at a time where they cannot be used where they lie.
inline constexpr std::int64_t buffer_elements = 512;
struct alignas(64) Buffer {
  char bytes[buffer_elements * sizeof(double)];
};

/// Where element `offset` of a view lies.
inline const char* address(const void* data, DType dtype, std::int64_t offset) noexcept {
  return static_cast<const char*>(data) + offset * static_cast<std::int64_t>(item_size(dtype));
}
inline char* address(void* data, DType dtype, std::int64_t offset) noexcept {
  return static_cast<char*>(data) + offset * static_cast<std::int64_t>(item_size(dtype));
}

/// A run of an operand as an array of its compute dtype.
struct Fetched {
  const void* data;
  std::int64_t step;  ///< 1, or 0: one element for all
};

/// What becomes of an element with stride 0: it stays one, or is written out n times.
enum class Repeat { one, spread };

/// n <= buffer_elements elements of a floating dtype at p, `stride` apart. Uses `buffer` unless they can be read in
/// place.
Fetched fetch(DType dtype, const char* p, std::int64_t stride, std::int64_t n, Buffer& buffer,
              Repeat repeat = Repeat::one) noexcept;

/// Writes n <= buffer_elements values of dtype's compute dtype to p, `stride` apart.
void put(DType dtype, const void* values, char* p, std::int64_t stride, std::int64_t n) noexcept;

/// Whether a run can be handed to a kernel whole.
inline bool in_place(DType dtype, std::int64_t stride) noexcept { return stride == 1 && is_native_float(dtype); }

/// Contiguous halves of `dtype` (16 bits) to float32 and back.
void widen(DType dtype, const void* in, float* out, std::int64_t n) noexcept;
void narrow(DType dtype, const float* in, void* out, std::int64_t n) noexcept;

inline const ElementwiseKernels& elementwise(DType dtype) {
  return compute_dtype(dtype) == DType::float64 ? *kernels().elementwise_float64 : *kernels().elementwise_float32;
}

/// f(offsets, n) for every run of the loop, in parallel chunks of `grain` elements.
template <int N, class F>
void parallel_runs(const StridedLoop<N>& loop, std::int64_t grain, F f) {
  parallel_for(loop.numel(), grain, [&](std::int64_t begin, std::int64_t end) { for_runs(loop, begin, end, f); });
}

}  // namespace weft::backends::cpu
