#include <limits>
#include <string>
#include <utility>

#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

// Rows named by a 1-D index, which the backend sees broadcast to the output, with stride 0 everywhere but on the axis;
// and elements named by an index of x's rank. The backend checks the values.

namespace weft::ops {
namespace {

using backends::TensorView;

void check_operands(const Tensor& x, const Tensor& index, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  check_defined(index, name, "index", at);
  check_same_device(x, index, name, at, "x", "index");
  check_index(index, "index", name, at);
}

void check_indexing(const Tensor& x, const Tensor& index, const char* name, CallSite at) {
  check_operands(x, index, name, at);
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

// index reaches no further than `shape`, but along `beside` (-1: no such axis).
void check_within(const Shape& shape, const char* argument, const Tensor& index, int beside, const char* name,
                  CallSite at) {
  const Shape& reach = index.impl()->view.shape;
  bool fits = reach.rank() == shape.rank();
  for (int i = 0; i < shape.rank() && fits; ++i) fits = i == beside || reach[i] <= shape[i];
  if (fits) return;
  throw ShapeError(ErrorCode::shape_mismatch, name,
                   message("index is ", reach, ", ", argument, " is ", shape,
                           "; index needs the same number of axes and no larger extents",
                           beside >= 0 ? message(" beside axis ", beside) : std::string()),
                   at);
}

// The part of a tensor that an index of this shape reaches, with the axis whole.
TensorView within(TensorView view, const Shape& shape, int axis) {
  const std::int64_t whole = view.shape[axis];
  view.shape = shape;
  view.shape[axis] = whole;
  return view;
}

int axis_of(const Tensor& x, int axis, const char* name, CallSite at) {
  const Shape& shape = x.impl()->view.shape;
  if (shape.rank() > 0) return normalize_axis(axis, shape.rank(), name, at);
  throw ShapeError(ErrorCode::rank_unsupported, name, "x has no axis to index: it is of rank 0", at);
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

Tensor gather(const Tensor& x, int axis, const Tensor& index, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_operands(x, index, name, at);
  const int place = axis_of(x, axis, name, at);
  const TensorView& from = x.impl()->view;
  check_within(from.shape, "x", index, place, name, at);
  const Shape& shape = index.impl()->view.shape;
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, shape, from.dtype, name, at);
  if (!has_elements(out)) return out;
  check_axis_not_empty(from.shape, place, name, at);
  backend.gather(within(view_of(x), shape, place), place, view_of(index), view_of(out));
  return out;
}

Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, const char* name,
                   CallSite at) {
  const TraceSpan span(name, "op");
  check_operands(x, index, name, at);
  check_defined(source, name, "source", at);
  check_same_device(x, source, name, at, "x", "source");
  check_same_dtype(x, source, name, at, "x", "source");
  check_supported(BinaryOp::add, x.impl()->view.dtype, name, at);
  const int place = axis_of(x, axis, name, at);
  const Shape& into = x.impl()->view.shape;
  check_within(into, "x", index, place, name, at);
  check_within(source.impl()->view.shape, "source", index, -1, name, at);
  if (has_elements(index)) check_axis_not_empty(into, place, name, at);
  Tensor out = clone(x, name, at);
  if (has_elements(index)) {
    TensorView from = view_of(source);
    from.shape = index.impl()->view.shape;
    begin(out, name, at).scatter_add(from, place, view_of(index), within(view_of(out), from.shape, place));
  }
  return out;
}

Tensor one_hot(const Tensor& labels, std::int64_t classes, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(labels, name, "labels", at);
  check_index(labels, "labels", name, at);
  if (classes < 0 && classes != -1) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message("num_classes is ", classes, "; expected 0 or more, or -1 for the largest label + 1"), at);
  }
  if (classes == -1) {
    if (!has_elements(labels)) {
      throw ValueError(
          ErrorCode::value_invalid, name,
          message("labels ", labels.impl()->view.shape, " are empty, so there is no largest one; name num_classes"),
          at);
    }
    const Tensor largest = cast(reduce(ReduceOp::max, labels, {}, false, name, at), DType::int64, name, at);
    classes = largest.item<std::int64_t>(at);
    classes = classes < 0 ? 1 : classes + (classes < std::numeric_limits<std::int64_t>::max());
  }
  Shape shape = labels.impl()->view.shape;
  shape.push_back(classes);
  check_shape(shape, sizeof(std::int64_t), name, at);
  Tensor out = zeros(shape, {labels.impl()->storage->device, DType::int64}, at);
  if (!has_elements(labels)) return out;
  check_axis_not_empty(shape, shape.rank() - 1, name, at);
  const Tensor one = ones({}, {labels.impl()->storage->device, DType::int64}, at);
  TensorView index = view_of(labels);
  index.shape.push_back(1);
  index.strides.push_back(1);
  begin(labels, name, at).scatter_add(broadcast_view(view_of(one), index.shape), shape.rank() - 1, index, view_of(out));
  return out;
}

std::pair<Tensor, Tensor> gather_batch(const Tensor& data, const Tensor& labels, const Tensor& index,
                                       const backends::GatherBatchArgs& args, DType dtype, const char* name,
                                       CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(data, name, "data", at);
  check_defined(index, name, "index", at);
  check_same_device(data, index, name, at, "data", "index");
  check_index(index, "index", name, at);
  const Shape& from = data.impl()->view.shape;
  const Shape& chosen = index.impl()->view.shape;
  if (data.impl()->view.dtype != DType::uint8) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("data must be uint8, not ", data.impl()->view.dtype,
                             "; rows of another dtype come from index_select()"),
                     at);
  }
  if (!is_floating(dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("dtype must be floating, not ", dtype, "; the bytes themselves come from index_select()"),
                     at);
  }
  if (from.rank() == 0 || chosen.rank() != 1) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message("data must be (N, ..) and index (B), not ", from, " and ", chosen), at);
  }
  if (labels.defined()) {
    check_same_device(data, labels, name, at, "data", "labels");
    const DType kind = labels.impl()->view.dtype;
    if (is_floating(kind) || kind == DType::boolean) {
      throw DTypeError(ErrorCode::dtype_unsupported, name, message("labels must be integers, not ", kind), at);
    }
    if (labels.impl()->view.shape != Shape{from[0]}) {
      throw ShapeError(ErrorCode::shape_mismatch, name,
                       message("labels are ", labels.impl()->view.shape, "; data ", from, " needs one for each row, ",
                               Shape{from[0]}),
                       at);
    }
  }
  Shape shape = from;
  shape[0] = chosen[0];
  if (shape[0] != 0) check_axis_not_empty(from, 0, name, at);
  const Tensor rows_index = index.impl()->view.dtype == DType::int64 ? index : cast(index, DType::int64, name, at);
  backends::Backend& backend = begin(data, name, at);
  Tensor rows = make_like(backend, data, shape, dtype, name, at), truth;
  if (labels.defined()) truth = make_like(backend, data, {shape[0]}, DType::int64, name, at);
  if (has_elements(rows)) {
    const auto optional = [](const Tensor& x) { return x.defined() ? view_of(x) : TensorView{}; };
    backend.gather_batch(args, view_of(data), optional(labels), view_of(rows_index), view_of(rows), optional(truth));
  } else if (truth.defined() && has_elements(truth)) {  // rows of nothing still have labels
    truth = cast(index_select(labels, 0, rows_index, name, at), DType::int64, name, at);
  }
  return {std::move(rows), std::move(truth)};
}

}  // namespace weft::ops
