#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {
namespace {

// Which axes are reduced, as a bit per axis; no axes named means all of them.
unsigned reduced_axes(const Axes& axes, int rank, const char* name, CallSite at) {
  if (axes.empty()) return (1u << rank) - 1;
  if (axes.size() > max_rank) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message(axes.size(), " axes were named; a tensor has at most ", max_rank), at);
  }
  unsigned reduced = 0;
  for (int i = 0; i < axes.size(); ++i) {
    const unsigned bit = 1u << normalize_axis(axes[i], rank, name, at);
    if ((reduced & bit) != 0) {
      throw ValueError(ErrorCode::value_invalid, name, message("axis ", axes[i], " is named twice"), at);
    }
    reduced |= bit;
  }
  return reduced;
}

// Fills what a reduction over no elements gives.
void fill_identity(ReduceOp op, backends::Backend& backend, const Tensor& out, const Shape& in, const char* name,
                   CallSite at) {
  switch (op) {
    case ReduceOp::sum:
    case ReduceOp::any:
      return backend.fill(view_of(out), 0);
    case ReduceOp::prod:
    case ReduceOp::all:
      return backend.fill(view_of(out), 1);
    case ReduceOp::max:
    case ReduceOp::min:
      break;
  }
  throw ValueError(ErrorCode::value_invalid, name,
                   message("has no value over no elements: x is ", in, " and a reduced axis has extent 0"), at);
}

}  // namespace

Tensor reduce(ReduceOp op, const Tensor& x, const Axes& axes, bool keepdim, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  const backends::TensorView& in = x.impl()->view;
  check_supported(op, in.dtype, name, at);
  const unsigned reduced = reduced_axes(axes, in.rank(), name, at);
  Shape kept = in.shape, dropped;
  for (int i = 0; i < in.rank(); ++i) {
    if ((reduced >> i & 1u) != 0) {
      kept[i] = 1;
    } else {
      dropped.push_back(in.shape[i]);
    }
  }
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, keepdim ? kept : dropped, result_dtype(op, in.dtype), name, at);
  if (!has_elements(out)) return out;
  if (in.numel() == 0) {
    fill_identity(op, backend, out, in.shape, name, at);
  } else {
    backend.reduce(op, view_of(x), with_shape(view_of(out), kept));
  }
  return out;
}

Tensor arg_reduce(ArgReduceOp op, const Tensor& x, int axis, bool keepdim, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  backends::TensorView in = view_of(x);
  if (in.rank() == 0 && (axis == 0 || axis == -1)) {  // the only element is the first: one axis of extent 1
    in = with_shape(in, {1});
  }
  const int at_axis = normalize_axis(axis, in.rank(), name, at);
  Shape kept = in.shape, dropped;
  kept[at_axis] = 1;
  for (int i = 0; i < in.rank(); ++i) {
    if (i != at_axis) dropped.push_back(in.shape[i]);
  }
  if (in.shape[at_axis] == 0 && kept.numel() != 0) {
    throw ValueError(ErrorCode::value_invalid, name,
                     message("has no value over no elements: x is ", in.shape, " and axis ", at_axis, " has extent 0"),
                     at);
  }
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, keepdim && x.impl()->view.rank() > 0 ? kept : dropped, DType::int64, name, at);
  if (has_elements(out)) backend.arg_reduce(op, in, at_axis, with_shape(view_of(out), kept));
  return out;
}

Tensor sum_to(const Tensor& x, const Shape& shape, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const Shape& from = x.impl()->view.shape;
  if (from == shape) return x;
  const int lead = from.rank() - shape.rank();
  bool fits = lead >= 0;
  Axes axes;
  for (int i = 0; i < from.rank() && fits; ++i) {
    if (i < lead) {
      axes.push_back(i);
    } else if (shape[i - lead] != from[i]) {
      fits = shape[i - lead] == 1;
      axes.push_back(i);
    }
  }
  if (!fits) {
    throw ShapeError(ErrorCode::shape_mismatch, name, message(shape, " was never broadcast to ", from), at);
  }
  const Tensor summed = reduce(ReduceOp::sum, x, axes, true, name, at);
  return view(summed, shape, contiguous_strides(shape), 0);
}

}  // namespace weft::ops
