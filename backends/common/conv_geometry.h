#pragma once
// Private: the arithmetic of windows that slide over up to three spatial axes: extents with overflow looked for, and a
// convolution's or pooling's extents in one place for the loops over it. `serial` has loops of its own.

#include <cstdint>
#include <optional>

#include <weft/backends/op_args.h>

namespace weft::backends {

/// From the first to the last position a window of `kernel` taps looks at, both counted: dilation (kernel - 1) + 1.
/// Nothing when it does not fit into 63 bits. kernel and dilation are at least 1.
inline std::optional<std::int64_t> window_reach(std::int64_t kernel, std::int64_t dilation) noexcept {
  std::int64_t reach = 0;
  if (__builtin_mul_overflow(kernel - 1, dilation, &reach) || __builtin_add_overflow(reach, 1, &reach)) return {};
  return reach;
}

/// Positions of a window along an axis of `in` elements: floor((in + 2 padding - reach) / stride) + 1, and 0 where the
/// window is larger than the padded axis. `ceil` rounds up instead, so that a last window may hang over the end, but
/// never starts one behind the axis and its left padding (PyTorch's rule). Nothing when a step leaves 63 bits.
inline std::optional<std::int64_t> window_count(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                                                std::int64_t padding, std::int64_t dilation,
                                                bool ceil = false) noexcept {
  const std::optional<std::int64_t> reach = window_reach(kernel, dilation);
  std::int64_t padded = 0;
  if (!reach || __builtin_mul_overflow(padding, 2, &padded) || __builtin_add_overflow(padded, in, &padded)) return {};
  const std::int64_t room = padded - *reach;
  if (room < 0 && (!ceil || -room >= stride)) return 0;
  std::int64_t steps = room < 0 ? 0 : room / stride;
  if (ceil && room > 0 && room % stride != 0) ++steps;
  if (ceil && steps > 0 && steps > (in + padding - 1) / stride) --steps;
  return steps + 1;
}

/// The extent a transposed convolution gives: (in - 1) stride - 2 padding + reach + output_padding; may be 0 or less.
/// Nothing when a step leaves 63 bits.
inline std::optional<std::int64_t> transposed_extent(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                                                     std::int64_t padding, std::int64_t dilation,
                                                     std::int64_t output_padding) noexcept {
  const std::optional<std::int64_t> reach = window_reach(kernel, dilation);
  std::int64_t extent = 0, twice = 0;
  if (!reach || __builtin_mul_overflow(in - 1, stride, &extent) || __builtin_mul_overflow(padding, 2, &twice) ||
      __builtin_sub_overflow(extent, twice, &extent) || __builtin_add_overflow(extent, *reach, &extent) ||
      __builtin_add_overflow(extent, output_padding, &extent)) {
    return {};
  }
  return extent;
}

/// One spatial axis: output position o looks at input positions o stride - padding + t dilation for t < kernel.
struct WindowAxis {
  std::int64_t in = 1, out = 1;
  std::int64_t kernel = 1, stride = 1, padding = 0, dilation = 1;

  std::int64_t first(std::int64_t o) const noexcept { return o * stride - padding; }
  /// The output positions [begin, end) for which tap t falls inside the axis.
  void inside(std::int64_t t, std::int64_t* begin, std::int64_t* end) const noexcept {
    const std::int64_t shift = t * dilation - padding;  // position o stride + shift
    *begin = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    *end = shift >= in ? 0 : (in - 1 - shift) / stride + 1;
    if (*end > out) *end = out;
    if (*begin > *end) *begin = *end;
  }
};

/// A convolution with always three spatial axes, missing ones in front with extent 1. Contiguous layouts:
/// x [batch, groups channels, in...], w [groups filters, channels, kernel...], y [batch, groups filters, out...].
struct ConvPlan {
  std::int64_t batch = 1;
  std::int64_t groups = 1;
  std::int64_t channels = 1;  ///< of x, in one group
  std::int64_t filters = 1;   ///< channels of y, in one group
  WindowAxis axis[3];
  std::int64_t in_size = 1, out_size = 1;  ///< elements of one channel of x, of y
  std::int64_t taps = 1;                   ///< elements of one channel of one filter
  std::int64_t depth = 1;                  ///< channels * taps: terms of one element of y

  /// y's positions are x's positions: no window to gather.
  bool pointwise() const noexcept {
    for (const WindowAxis& a : axis) {
      if (a.kernel != 1 || a.stride != 1 || a.padding != 0 || a.in != a.out) return false;
    }
    return true;
  }
};

/// x, w and y as the contract's conv() gets them.
inline ConvPlan conv_plan(const ConvGeometry& g, const Shape& x, const Shape& w, const Shape& y) noexcept {
  ConvPlan plan;
  plan.batch = x[0];
  plan.groups = g.groups;
  plan.channels = w[1];
  plan.filters = w[0] / g.groups;
  for (int i = 0; i < g.spatial; ++i) {
    plan.axis[3 - g.spatial + i] = {x[2 + i], y[2 + i], g.kernel[i], g.stride[i], g.padding[i], g.dilation[i]};
  }
  for (const WindowAxis& a : plan.axis) {
    plan.in_size *= a.in;
    plan.out_size *= a.out;
    plan.taps *= a.kernel;
  }
  plan.depth = plan.channels * plan.taps;
  return plan;
}

}  // namespace weft::backends
