#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

// Rows named by a 1-D index. The backend sees the index broadcast to the output, with stride 0 everywhere but on the
// axis, and checks its values.

namespace weft::ops {
namespace {

using backends::TensorView;

void check_indexing(const Tensor& x, const Tensor& index, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  check_defined(index, name, "index", at);
  check_same_device(x, index, name, at, "x", "index");
  check_index(index, "index", name, at);
  if (index.impl()->view.rank() != 1) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message("index must have one axis, not the shape ", index.impl()->view.shape), at);
  }
}

// Every index is out of range then, and there is nothing a backend could be given to look at.
void check_axis_not_empty(const Shape& shape, int axis, const char* name, CallSite at) {
  if (shape[axis] != 0) return;
  throw IndexError(ErrorCode::index_out_of_range, name,
                   message("axis ", axis, " of x ", shape, " has extent 0: no index is in range"), at);
}

TensorView index_over(const Tensor& index, int axis, const Shape& shape) {
  TensorView view = view_of(index);
  const std::int64_t step = view.strides[0];
  view.shape = shape;
  view.strides = Strides::filled(shape.rank(), 0);
  view.strides[axis] = step;
  return view;
}

}  // namespace

Tensor index_select(const Tensor& x, int axis, const Tensor& index, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_indexing(x, index, name, at);
  const TensorView& from = x.impl()->view;
  const int place = normalize_axis(axis, from.rank(), name, at);
  Shape shape = from.shape;
  shape[place] = index.impl()->view.shape[0];
  if (shape[place] != 0) check_axis_not_empty(from.shape, place, name, at);
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, shape, from.dtype, name, at);
  if (has_elements(out)) backend.gather(view_of(x), place, index_over(index, place, shape), view_of(out));
  return out;
}

Tensor index_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_indexing(x, index, name, at);
  check_defined(source, name, "source", at);
  check_same_device(x, source, name, at, "x", "source");
  check_same_dtype(x, source, name, at, "x", "source");
  check_supported(BinaryOp::add, x.impl()->view.dtype, name, at);
  const Shape& into = x.impl()->view.shape;
  const int place = normalize_axis(axis, into.rank(), name, at);
  Shape expected = into;
  expected[place] = index.impl()->view.shape[0];
  if (source.impl()->view.shape != expected) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("source is ", source.impl()->view.shape, "; x ", into, " and ", expected[place],
                             " indices along axis ", place, " need ", expected),
                     at);
  }
  if (expected[place] != 0) check_axis_not_empty(into, place, name, at);
  Tensor out = clone(x, name, at);
  if (has_elements(source)) {
    begin(out, name, at).scatter_add(view_of(source), place, index_over(index, place, expected), view_of(out));
  }
  return out;
}

}  // namespace weft::ops
