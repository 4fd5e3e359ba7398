#include <string>

#include <weft/backends/common/conv_geometry.h>
#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/window_checks.h>

// Convolution: checks and extents. x (N, C, spatial...), weight (K, C / groups, kernel...), y (N, K, spatial...).

namespace weft::ops {

using backends::ConvGeometry;
using backends::Pass;

namespace {

[[noreturn]] void refuse_rank(const char* argument, const Shape& shape, int spatial, const char* layout,
                              const char* name, CallSite at) {
  throw ShapeError(ErrorCode::rank_unsupported, name,
                   message(argument, " is ", shape, "; ", spatial, " spatial axes need the layout ", layout), at);
}

/// What both directions ask for: dtypes, devices, ranks and the window's numbers.
ConvGeometry check_operands(const Tensor& x, const Tensor& weight, const Tensor& bias, int spatial,
                            const PerAxis& stride, const PerAxis& padding, const PerAxis& dilation, std::int64_t groups,
                            const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  check_defined(weight, name, "weight", at);
  check_same_device(x, weight, name, at, "x", "weight");
  check_same_dtype(x, weight, name, at, "x", "weight");
  if (!supports_conv(x.impl()->view.dtype)) check_floating(x, "x", name, at);
  if (bias.defined()) {
    check_same_device(x, bias, name, at, "x", "bias");
    check_same_dtype(x, bias, name, at, "x", "bias");
  }
  const Shape& xs = x.impl()->view.shape;
  const Shape& ws = weight.impl()->view.shape;
  if (xs.rank() != spatial + 2) {
    refuse_rank("x", xs, spatial, spatial == 1 ? "(N, C, L) or (C, L)" : "(N, C, H, W) or (C, H, W)", name, at);
  }
  if (ws.rank() != spatial + 2) {
    refuse_rank("weight", ws, spatial, "(out channels, in channels, kernel), transposed: (in, out, kernel)", name, at);
  }
  ConvGeometry g;
  g.spatial = spatial;
  g.groups = groups;
  spread(stride, spatial, 1, "stride", name, at, g.stride);
  spread(padding, spatial, 0, "padding", name, at, g.padding);
  spread(dilation, spatial, 1, "dilation", name, at, g.dilation);
  if (groups < 1) {
    throw ValueError(ErrorCode::value_out_of_range, name, message("groups is ", groups, "; at least 1 is needed"), at);
  }
  for (int i = 0; i < ws.rank(); ++i) {
    if (ws[i] == 0) {
      throw ShapeError(ErrorCode::shape_invalid, name, message("weight is ", ws, ": an empty filter computes nothing"),
                       at);
    }
  }
  for (int i = 0; i < spatial; ++i) g.kernel[i] = ws[2 + i];
  return g;
}

void check_groups(std::int64_t channels, const char* what, std::int64_t groups, const char* name, CallSite at) {
  if (channels % groups == 0) return;
  throw ShapeError(ErrorCode::shape_mismatch, name,
                   message("groups is ", groups, " and does not divide ", channels, ' ', what), at);
}

void check_bias(const Tensor& bias, std::int64_t channels, const char* name, CallSite at) {
  if (!bias.defined() || bias.impl()->view.shape == Shape{channels}) return;
  throw ShapeError(
      ErrorCode::shape_mismatch, name,
      message("bias is ", bias.impl()->view.shape, "; ", channels, " output channels need (", channels, ",)"), at);
}

/// y += bias, along axis 1.
void add_bias(backends::Backend& backend, const Tensor& y, const Tensor& bias) {
  const backends::TensorView target = view_of(y);
  backends::TensorView row = view_of(bias);
  const std::int64_t step = row.strides[0];
  row.shape = target.shape;
  row.strides = Strides::filled(target.rank(), 0);
  row.strides[1] = step;
  backend.binary(BinaryOp::add, target, row, target);
}

}  // namespace

ConvCall check_conv(const Tensor& x, const Tensor& weight, const Tensor& bias, int spatial, const ConvOptions& options,
                    const char* name, CallSite at) {
  ConvCall call;
  call.geometry = check_operands(x, weight, bias, spatial, options.stride, options.padding, options.dilation,
                                 options.groups, name, at);
  const ConvGeometry& g = call.geometry;
  const Shape& xs = x.impl()->view.shape;
  const Shape& ws = weight.impl()->view.shape;
  check_groups(ws[0], "output channels", g.groups, name, at);
  check_groups(xs[1], "input channels", g.groups, name, at);
  if (xs[1] / g.groups != ws[1]) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("x ", xs, " has ", xs[1], " channels; weight ", ws, " with groups = ", g.groups, " takes ",
                             message(ws[1]), " * ", g.groups),
                     at);
  }
  check_bias(bias, ws[0], name, at);
  call.result = {xs[0], ws[0]};
  for (int i = 0; i < spatial; ++i) {
    call.result.push_back(extent_of(
        backends::window_count(xs[2 + i], g.kernel[i], g.stride[i], g.padding[i], g.dilation[i]), i, xs, g, name, at));
  }
  return call;
}

ConvCall check_conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias, int spatial,
                              const ConvTransposeOptions& options, const char* name, CallSite at) {
  ConvCall call;
  call.geometry = check_operands(x, weight, bias, spatial, options.stride, options.padding, options.dilation,
                                 options.groups, name, at);
  const ConvGeometry& g = call.geometry;
  std::int64_t added[3] = {};
  spread(options.output_padding, spatial, 0, "output_padding", name, at, added);
  const Shape& xs = x.impl()->view.shape;
  const Shape& ws = weight.impl()->view.shape;
  check_groups(xs[1], "input channels", g.groups, name, at);
  if (xs[1] != ws[0]) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("x ", xs, " has ", xs[1], " channels; weight ", ws, " takes ", ws[0],
                             " (its layout is (in channels, out channels / groups, kernel))"),
                     at);
  }
  const std::int64_t channels = check_shape({ws[1], g.groups}, 1, name, at);
  check_bias(bias, channels, name, at);
  call.result = {xs[0], channels};
  for (int i = 0; i < spatial; ++i) {
    if (added[i] >= g.stride[i] && added[i] >= g.dilation[i]) {
      throw ValueError(ErrorCode::value_out_of_range, name,
                       message("output_padding ", added[i], " along spatial axis ", i,
                               " must be smaller than the stride ", g.stride[i], " or the dilation ", g.dilation[i]),
                       at);
    }
    call.result.push_back(extent_of(
        backends::transposed_extent(xs[2 + i], g.kernel[i], g.stride[i], g.padding[i], g.dilation[i], added[i]), i, xs,
        g, name, at));
  }
  return call;
}

Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvGeometry& g, const Shape& shape,
            const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  backends::Backend& backend = begin(x, name, at);
  Tensor y = make_like(backend, x, shape, x.impl()->view.dtype, name, at);
  if (!has_elements(y)) return y;
  if (has_elements(x)) {
    backend.conv(Pass::forward, g, view_of(x), view_of(weight), view_of(y));
  } else {
    backend.fill(view_of(y), 0);  // nothing but padding
  }
  if (bias.defined()) add_bias(backend, y, bias);
  return y;
}

Tensor conv_grad_input(const Tensor& dy, const Tensor& weight, const Tensor& bias, const ConvGeometry& g,
                       const Shape& shape, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  backends::Backend& backend = begin(dy, name, at);
  Tensor dx = make_like(backend, dy, shape, dy.impl()->view.dtype, name, at);
  if (!has_elements(dx)) return dx;
  if (has_elements(dy)) {
    backend.conv(Pass::grad_input, g, view_of(dx), view_of(weight), view_of(dy));
  } else {
    backend.fill(view_of(dx), 0);
  }
  if (bias.defined()) add_bias(backend, dx, bias);
  return dx;
}

Tensor conv_grad_weight(const Tensor& x, const Tensor& dy, const ConvGeometry& g, const Shape& shape, const char* name,
                        CallSite at) {
  const TraceSpan span(name, "op");
  backends::Backend& backend = begin(x, name, at);
  Tensor dw = make_like(backend, x, shape, x.impl()->view.dtype, name, at);
  if (!has_elements(dw)) return dw;
  if (has_elements(x) && has_elements(dy)) {
    backend.conv(Pass::grad_weight, g, view_of(x), view_of(dw), view_of(dy));
  } else {
    backend.fill(view_of(dw), 0);
  }
  return dw;
}

}  // namespace weft::ops
