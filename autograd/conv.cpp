// Convolution and its transpose. With C the map (x, w) -> y, linear in both, and <., .> the sum of products,
//
//   <C(x, w), dy> = <x, X(dy, w)> = <w, W(x, dy)>
//
// defines X, the gradient with respect to x (which is what a transposed convolution computes), and W, with respect to
// w. The derivatives of each of the three are the other two, so they go back any number of times.

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;
using backends::ConvGeometry;

namespace {

Tensor grad_input(const Tensor& dy, const Tensor& w, const Tensor& bias, const ConvGeometry& g, const Shape& shape,
                  const char* name, CallSite at);
Tensor grad_weight(const Tensor& x, const Tensor& dy, const ConvGeometry& g, const Shape& shape, const char* name,
                   CallSite at);

/// The gradient of a bias: everything that was added to a channel.
Tensor per_channel(const Tensor& dy, CallSite at) {
  Axes others = 0;
  for (int i = 2; i < dy.rank(); ++i) others.push_back(i);
  return sum(dy, others, false, at);
}

/// C(x, w) + bias; bias may be undefined.
Tensor convolve(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvGeometry& g, const Shape& shape,
                const char* name, CallSite at) {
  Tensor y = ops::conv(x, w, bias, g, shape, name, at);
  if (Recorder r{name, at, x, w, bias}) {
    r.record(y, [g, name, xs = x.shape(), ws = w.shape(), x = r.keep_for(1, x), w = r.keep_for(0, w)](Back& back) {
      if (back.wants(0)) back[0] = grad_input(back.dy, back(w), {}, g, xs, name, back.at);
      if (back.wants(1)) back[1] = grad_weight(back(x), back.dy, g, ws, name, back.at);
      if (back.wants(2)) back[2] = per_channel(back.dy, back.at);
    });
  }
  return y;
}

/// X(dy, w) + bias, of the shape given.
Tensor grad_input(const Tensor& dy, const Tensor& w, const Tensor& bias, const ConvGeometry& g, const Shape& shape,
                  const char* name, CallSite at) {
  Tensor dx = ops::conv_grad_input(dy, w, bias, g, shape, name, at);
  if (Recorder r{name, at, dy, w, bias}) {
    r.record(dx, [g, name, ys = dy.shape(), ws = w.shape(), y = r.keep_for(1, dy), w = r.keep_for(0, w)](Back& back) {
      if (back.wants(0)) back[0] = convolve(back.dy, back(w), {}, g, ys, name, back.at);
      if (back.wants(1)) back[1] = grad_weight(back.dy, back(y), g, ws, name, back.at);
      if (back.wants(2)) back[2] = per_channel(back.dy, back.at);
    });
  }
  return dx;
}

/// W(x, dy)
Tensor grad_weight(const Tensor& x, const Tensor& dy, const ConvGeometry& g, const Shape& shape, const char* name,
                   CallSite at) {
  Tensor dw = ops::conv_grad_weight(x, dy, g, shape, name, at);
  if (Recorder r{name, at, x, dy}) {
    r.record(dw, [g, name, xs = x.shape(), ys = dy.shape(), x = r.keep_for(1, x), y = r.keep_for(0, dy)](Back& back) {
      if (back.wants(0)) back[0] = grad_input(back(y), back.dy, {}, g, xs, name, back.at);
      if (back.wants(1)) back[1] = convolve(back(x), back.dy, {}, g, ys, name, back.at);
    });
  }
  return dw;
}

/// One sample without a batch axis: (C, spatial...).
bool is_sample(const Tensor& x, int spatial) { return x.defined() && x.rank() == spatial + 1; }

Tensor forward(const Tensor& x, const Tensor& weight, const Tensor& bias, int spatial, const ConvOptions& options,
               const char* name, CallSite at) {
  if (const autograd::In16 in; in) {
    return forward(in(x, at), in(weight, at), in(bias, at), spatial, options, name, at);
  }
  if (is_sample(x, spatial)) {
    return squeeze(forward(unsqueeze(x, 0, at), weight, bias, spatial, options, name, at), 0, at);
  }
  const ops::ConvCall call = ops::check_conv(x, weight, bias, spatial, options, name, at);
  return convolve(x, weight, bias, call.geometry, call.result, name, at);
}

Tensor transposed(const Tensor& x, const Tensor& weight, const Tensor& bias, int spatial,
                  const ConvTransposeOptions& options, const char* name, CallSite at) {
  if (const autograd::In16 in; in) {
    return transposed(in(x, at), in(weight, at), in(bias, at), spatial, options, name, at);
  }
  if (is_sample(x, spatial)) {
    return squeeze(transposed(unsqueeze(x, 0, at), weight, bias, spatial, options, name, at), 0, at);
  }
  const ops::ConvCall call = ops::check_conv_transpose(x, weight, bias, spatial, options, name, at);
  return grad_input(x, weight, bias, call.geometry, call.result, name, at);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options, CallSite at) {
  return forward(x, weight, bias, 1, options, "conv1d", at);
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options, CallSite at) {
  return forward(x, weight, bias, 2, options, "conv2d", at);
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTransposeOptions& options,
                        CallSite at) {
  return transposed(x, weight, bias, 1, options, "conv_transpose1d", at);
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTransposeOptions& options,
                        CallSite at) {
  return transposed(x, weight, bias, 2, options, "conv_transpose2d", at);
}

}  // namespace weft
