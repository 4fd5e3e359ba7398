#pragma once
// Views with one to three spatial axes seen as if there were always three: missing ones in front, with extent 1.

#include <cstdint>

#include <weft/backends/op_args.h>

namespace weft::backends::serial {

/// A view [a, b, spatial...]: where its elements lie.
struct Spatial {
  std::int64_t extent[3] = {1, 1, 1};
  std::int64_t step[3] = {0, 0, 0};
  std::int64_t outer, inner;  // strides of the first two axes

  Spatial(const TensorView& view, int axes) : outer(view.strides[0]), inner(view.strides[1]) {
    for (int i = 0; i < axes; ++i) {
      extent[3 - axes + i] = view.shape[2 + i];
      step[3 - axes + i] = view.strides[2 + i];
    }
  }
  std::int64_t offset(std::int64_t a, std::int64_t b, const std::int64_t (&at)[3]) const noexcept {
    return a * outer + b * inner + at[0] * step[0] + at[1] * step[1] + at[2] * step[2];
  }
  bool holds(const std::int64_t (&at)[3]) const noexcept {
    for (int i = 0; i < 3; ++i) {
      if (at[i] < 0 || at[i] >= extent[i]) return false;
    }
    return true;
  }
};

/// The geometry's numbers for three axes.
struct Window {
  std::int64_t kernel[3] = {1, 1, 1};
  std::int64_t stride[3] = {1, 1, 1};
  std::int64_t padding[3] = {0, 0, 0};
  std::int64_t dilation[3] = {1, 1, 1};

  explicit Window(const ConvGeometry& g) {
    for (int i = 0; i < g.spatial; ++i) {
      const int to = 3 - g.spatial + i;
      kernel[to] = g.kernel[i];
      stride[to] = g.stride[i];
      padding[to] = g.padding[i];
      dilation[to] = g.dilation[i];
    }
  }
};

/// f(index) for every index below `extent`, row-major.
template <class F>
void each(const std::int64_t (&extent)[3], F f) {
  std::int64_t at[3];
  for (at[0] = 0; at[0] < extent[0]; ++at[0]) {
    for (at[1] = 0; at[1] < extent[1]; ++at[1]) {
      for (at[2] = 0; at[2] < extent[2]; ++at[2]) f(static_cast<const std::int64_t(&)[3]>(at));
    }
  }
}

}  // namespace weft::backends::serial
