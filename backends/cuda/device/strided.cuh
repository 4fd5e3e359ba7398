#pragma once
// Private: where element i of views of any strides lies. The host (strided.h) has brought them to few axes.

#include <cstdint>

#include <weft/core/shape.h>
#include <weft/backends/cuda/device/device.cuh>

namespace weft::backends::cuda {

/// n / d for n below 2^31 by a multiplication (Granlund and Montgomery, "Division by invariant integers using
/// multiplication", PLDI 1994).
struct Divider {
  std::uint32_t divisor = 1;
  std::uint32_t factor = 1;
  std::uint32_t shift = 0;

  Divider() = default;
  explicit Divider(std::uint32_t d) : divisor(d) {
    while (shift < 31 && (std::uint32_t{1} << shift) < d) ++shift;
    factor = static_cast<std::uint32_t>(((std::uint64_t{1} << 32) * ((std::uint64_t{1} << shift) - d)) / d + 1);
  }
  __device__ std::uint32_t quotient(std::uint32_t n) const { return (__umulhi(n, factor) + n) >> shift; }
};

/// N views walked together by units: packs of V neighbours or single elements. A kernel takes it by value.
template <int N>
struct Walk {
  std::int32_t rank = 1;  ///< at least 1; the last axis is the innermost
  std::uint32_t units = 0;
  std::int32_t last = 1;  ///< elements in the last unit: less than the rest where the extent is no multiple of V
  Divider extent[max_rank];
  std::int64_t stride[N][max_rank] = {};
  std::int64_t start[N] = {};
  std::int64_t first_unit = 0;  ///< counts on from here: large walks are cut into several
  bool along[N] = {};           ///< packs: a pack of the view's own elements (true), or one element for all of a pack

  __device__ void offsets(std::uint32_t unit, std::int64_t (&at)[N]) const {
#pragma unroll
    for (int k = 0; k < N; ++k) at[k] = start[k];
    for (int axis = rank - 1; axis > 0; --axis) {
      const std::uint32_t q = extent[axis].quotient(unit);
      const std::int64_t i = unit - q * extent[axis].divisor;
#pragma unroll
      for (int k = 0; k < N; ++k) at[k] += i * stride[k][axis];
      unit = q;
    }
#pragma unroll
    for (int k = 0; k < N; ++k) at[k] += unit * stride[k][0];
  }
  __device__ std::int64_t offset(std::uint32_t unit) const {
    static_assert(N == 1);
    std::int64_t at[1];
    offsets(unit, at);
    return at[0];
  }
};

}  // namespace weft::backends::cuda
