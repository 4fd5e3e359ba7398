#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {

Tensor softmax(bool log, const Tensor& x, int axis, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  check_floating(x, "x", name, at);
  const backends::TensorView& in = x.impl()->view;
  const int place = normalize_axis(axis, in.rank(), name, at);
  backends::Backend& backend = begin(x, name, at);
  Tensor y = make_like(backend, x, in.shape, in.dtype, name, at);
  if (has_elements(y)) backend.softmax(log, view_of(x), place, view_of(y));
  return y;
}

Tensor softmax_backward(bool log, const Tensor& dy, const Tensor& y, int axis, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(dy, name, "dy", at);
  check_defined(y, name, "y", at);
  check_same_device(dy, y, name, at, "dy", "y");
  check_same_dtype(dy, y, name, at, "dy", "y");
  check_floating(y, "y", name, at);
  const Shape& shape = y.impl()->view.shape;
  if (dy.impl()->view.shape != shape) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("dy is ", dy.impl()->view.shape, ", the output was ", shape), at);
  }
  const int place = normalize_axis(axis, shape.rank(), name, at);
  backends::Backend& backend = begin(y, name, at);
  Tensor dx = make_like(backend, y, shape, y.impl()->view.dtype, name, at);
  if (has_elements(dx)) backend.softmax_backward(log, view_of(dy), view_of(y), place, view_of(dx));
  return dx;
}

}  // namespace weft::ops
