#include <weft/backends/common/conv_geometry.h>
#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/window_checks.h>

// Pooling: checks and extents. x (N, C, spatial...) -> y (N, C, spatial...).

namespace weft::ops {

using backends::PoolGeometry;
using backends::PoolKind;
using backends::TensorView;

namespace {

void check_input(const Tensor& x, int spatial, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const TensorView& view = x.impl()->view;
  if (!supports_pool(view.dtype)) check_floating(x, "x", name, at);
  if (view.rank() != spatial + 2) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message("x is ", view.shape, "; ", spatial, " spatial ", spatial == 1 ? "axis needs" : "axes need",
                             " the layout ", spatial == 1 ? "(N, C, L) or (C, L)" : "(N, C, H, W) or (C, H, W)"),
                     at);
  }
}

/// With dilation a window can step over the whole axis, from padding to padding.
void check_sees_something(const backends::WindowAxis& a, int axis, const Shape& x, const char* name, CallSite at) {
  if (a.dilation == 1 && a.in > 0) return;  // padding is at most half the window
  for (std::int64_t o = 0; o < a.out; ++o) {
    const std::int64_t first = a.first(o);
    const std::int64_t taps = first >= 0 ? 0 : (-first + a.dilation - 1) / a.dilation;  // in front of the axis
    if (taps < a.kernel && first + taps * a.dilation < a.in) continue;
    throw ShapeError(ErrorCode::shape_invalid, name,
                     message("window ", o, " along spatial axis ", axis, " of x ", x, " sees nothing but padding"), at);
  }
}

/// A plane (N, C, spatial...) as (N, C, elements), where the position in it is one index. Only for dense planes.
TensorView as_lines(const TensorView& view) {
  TensorView lines = view;
  std::int64_t elements = 1;
  for (int i = 2; i < view.rank(); ++i) elements *= view.shape[i];
  lines.shape = {view.shape[0], view.shape[1], elements};
  lines.strides = contiguous_strides(lines.shape);
  return lines;
}

}  // namespace

PoolCall check_pool(const Tensor& x, int spatial, PoolKind kind, const PerAxis& kernel, const PerAxis& stride,
                    const PerAxis& padding, const PerAxis& dilation, bool ceil_mode, const char* name, CallSite at) {
  check_input(x, spatial, name, at);
  PoolCall call;
  call.geometry.kind = kind;
  backends::ConvGeometry& w = call.geometry.window;
  w.spatial = spatial;
  spread(kernel, spatial, 1, "kernel", name, at, w.kernel);
  spread(stride.given() ? stride : kernel, spatial, 1, "stride", name, at, w.stride);
  spread(padding, spatial, 0, "padding", name, at, w.padding);
  spread(dilation, spatial, 1, "dilation", name, at, w.dilation);
  const Shape& shape = x.impl()->view.shape;
  call.result = {shape[0], shape[1]};
  for (int i = 0; i < spatial; ++i) {
    if (w.padding[i] > w.kernel[i] / 2) {
      throw ValueError(ErrorCode::value_out_of_range, name,
                       message("padding ", w.padding[i], " along spatial axis ", i,
                               " is more than half the window's extent ", w.kernel[i]),
                       at);
    }
    const std::int64_t out = extent_of(
        backends::window_count(shape[2 + i], w.kernel[i], w.stride[i], w.padding[i], w.dilation[i], ceil_mode), i,
        shape, w, name, at);
    check_sees_something({shape[2 + i], out, w.kernel[i], w.stride[i], w.padding[i], w.dilation[i]}, i, shape, name,
                         at);
    call.result.push_back(out);
  }
  return call;
}

PoolCall check_adaptive_pool(const Tensor& x, int spatial, PoolKind kind, const PerAxis& output, const char* name,
                             CallSite at) {
  check_input(x, spatial, name, at);
  PoolCall call;
  call.geometry.kind = kind;
  call.geometry.adaptive = true;
  call.geometry.window.spatial = spatial;
  std::int64_t extents[3] = {};
  spread(output, spatial, 0, "output_size", name, at, extents);
  const Shape& shape = x.impl()->view.shape;
  call.result = {shape[0], shape[1]};
  for (int i = 0; i < spatial; ++i) {
    if (shape[2 + i] == 0 && extents[i] != 0) {
      throw ShapeError(ErrorCode::shape_invalid, name,
                       message("spatial axis ", i, " of x ", shape, " is empty: there is nothing to pool"), at);
    }
    call.result.push_back(extents[i]);
  }
  return call;
}

Tensor pool(const Tensor& x, const PoolGeometry& g, const Shape& shape, Tensor* index, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  backends::Backend& backend = begin(x, name, at);
  Tensor y = make_like(backend, x, shape, x.impl()->view.dtype, name, at);
  if (index != nullptr) *index = make_like(backend, x, shape, DType::int64, name, at);
  if (has_elements(y)) backend.pool(g, view_of(x), view_of(y), index != nullptr ? view_of(*index) : TensorView());
  return y;
}

Tensor pool_backward(const Tensor& dy, const PoolGeometry& g, const Tensor& x, const Tensor& y, const Tensor& index,
                     const Shape& shape, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  backends::Backend& backend = begin(dy, name, at);
  Tensor dx = make_like(backend, dy, shape, dy.impl()->view.dtype, name, at);
  if (!has_elements(dx)) return dx;
  const auto view = [](const Tensor& t) { return t.defined() ? view_of(t) : TensorView(); };
  if (has_elements(dy)) {
    backend.pool_backward(g, view(x), view(y), view_of(dy), view(index), view_of(dx));
  } else {
    backend.fill(view_of(dx), 0);
  }
  return dx;
}

Tensor pool_pick(const Tensor& x, const Tensor& index, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  const Tensor dense = contiguous(x, name, at);
  backends::Backend& backend = begin(dense, name, at);
  Tensor y = make_like(backend, dense, index.impl()->view.shape, x.impl()->view.dtype, name, at);
  if (has_elements(y)) backend.gather(as_lines(view_of(dense)), 2, as_lines(view_of(index)), as_lines(view_of(y)));
  return y;
}

}  // namespace weft::ops
