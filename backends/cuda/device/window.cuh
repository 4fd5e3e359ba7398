#pragma once
// Private: windows that slide over up to three spatial axes, as kernels see them; used by pool.cu and conv_direct.cu.
// Numbers are for three axes; missing ones stand in front with extent 1.

#include <cstdint>
#include <type_traits>

#include <weft/backends/op_args.h>
#include <weft/core/dtype.h>
#include <weft/backends/cuda/device/element.cuh>

namespace weft::backends::cuda::window {

/// Extents and strides of a view [a, b, spatial...].
struct Planes {
  std::int64_t extent[3] = {1, 1, 1};
  std::int64_t step[3] = {0, 0, 0};
  std::int64_t outer = 0, inner = 0;

  Planes() = default;
  Planes(const TensorView& view, int spatial) : outer(view.strides[0]), inner(view.strides[1]) {
    for (int i = 0; i < spatial; ++i) {
      extent[3 - spatial + i] = view.shape[2 + i];
      step[3 - spatial + i] = view.strides[2 + i];
    }
  }
  __host__ __device__ std::int64_t size() const { return extent[0] * extent[1] * extent[2]; }
  __host__ __device__ std::int64_t offset(std::int64_t a, std::int64_t b, std::int64_t i0, std::int64_t i1,
                                          std::int64_t i2) const {
    return a * outer + b * inner + i0 * step[0] + i1 * step[1] + i2 * step[2];
  }
};

struct Geometry {
  std::int64_t kernel[3] = {1, 1, 1};
  std::int64_t stride[3] = {1, 1, 1};
  std::int64_t padding[3] = {0, 0, 0};
  std::int64_t dilation[3] = {1, 1, 1};

  explicit Geometry(const ConvGeometry& g) {
    for (int i = 0; i < g.spatial; ++i) {
      const int to = 3 - g.spatial + i;
      kernel[to] = g.kernel[i];
      stride[to] = g.stride[i];
      padding[to] = g.padding[i];
      dilation[to] = g.dilation[i];
    }
  }
};

/// Where a thread's element lies: `flat` is taken apart with 32-bit divisions where they are enough.
struct Place {
  std::int64_t outer, i0, i1, i2;
};
__device__ inline Place place_of(std::int64_t flat, const std::int64_t (&extent)[3]) {
  if (flat <= 0x7FFFFFFF && extent[0] <= 0x7FFF && extent[1] <= 0x7FFF && extent[2] <= 0x7FFF) {
    std::uint32_t rest = static_cast<std::uint32_t>(flat);
    const std::uint32_t e0 = static_cast<std::uint32_t>(extent[0]), e1 = static_cast<std::uint32_t>(extent[1]),
                        e2 = static_cast<std::uint32_t>(extent[2]);
    const std::uint32_t i2 = rest % e2;
    rest /= e2;
    const std::uint32_t i1 = rest % e1;
    rest /= e1;
    return {rest / e0, rest % e0, i1, i2};
  }
  std::int64_t rest = flat;
  const std::int64_t i2 = rest % extent[2];
  rest /= extent[2];
  const std::int64_t i1 = rest % extent[1];
  rest /= extent[1];
  return {rest / extent[0], rest % extent[0], i1, i2};
}

}  // namespace weft::backends::cuda::window
