#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {
namespace {

using backends::TensorView;

void check_operands(const Tensor& a, const Tensor& b, const char* name, CallSite at) {
  check_defined(a, name, "a", at);
  check_defined(b, name, "b", at);
  check_same_device(a, b, name, at);
  check_same_dtype(a, b, name, at);
  const TensorView& left = a.impl()->view;
  const TensorView& right = b.impl()->view;
  if (!supports_matmul(left.dtype)) check_floating(a, "a", name, at);
  if (left.rank() == 0 || right.rank() == 0) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message("a is ", left.shape, ", b is ", right.shape,
                             "; both need at least one axis, use * for a number times a tensor"),
                     at);
  }
}

[[noreturn]] void refuse_inner(const Shape& a, const Shape& b, const char* name, CallSite at) {
  std::string text = message("inner dimensions differ: a is ", a, ", b is ", b);
  const std::int64_t k = a[a.rank() - 1];
  if (b.rank() >= 2 && b[b.rank() - 1] == k) {
    text += b.rank() == 2 ? "; did you mean b.transpose(0, 1)?" : "; did you mean b.transpose(-2, -1)?";
  } else if (a.rank() >= 2 && a[a.rank() - 2] == b[b.rank() >= 2 ? b.rank() - 2 : 0]) {
    text += a.rank() == 2 ? "; did you mean a.transpose(0, 1)?" : "; did you mean a.transpose(-2, -1)?";
  }
  throw ShapeError(ErrorCode::shape_mismatch, name, text, at);
}

// A vector on the left is a row, on the right a column.
TensorView as_matrix(TensorView view, bool left) {
  if (view.rank() > 1) return view;
  const std::int64_t n = view.shape[0], step = view.strides[0];
  view.shape = left ? Shape{1, n} : Shape{n, 1};
  view.strides = left ? Strides{n * step, step} : Strides{step, 1};
  return view;
}

// The view with batch axes `batch` in front of its last two.
TensorView over_batch(const TensorView& view, const Shape& batch) {
  Shape shape = batch;
  shape.push_back(view.shape[view.rank() - 2]);
  shape.push_back(view.shape[view.rank() - 1]);
  return broadcast_view(view, shape);
}

Shape batch_of(const Shape& shape) {
  return Shape(std::span(shape.begin(), static_cast<std::size_t>(shape.rank() - 2)));
}

// Many small products with one right-hand side are one large product, when the rows of `a` follow each other evenly.
bool fold_batch(TensorView& a, TensorView& b, TensorView& out) {
  if (b.rank() != 2 || a.rank() == 2) return false;
  const int rows_axis = a.rank() - 2;
  for (int i = 0; i < rows_axis; ++i) {
    if (a.strides[i] != a.strides[i + 1] * a.shape[i + 1]) return false;
  }
  std::int64_t rows = 1;
  for (int i = 0; i <= rows_axis; ++i) rows *= a.shape[i];
  const auto fold = [&](TensorView& view) {
    const std::int64_t columns = view.shape[rows_axis + 1];
    const Strides strides = {view.strides[rows_axis], view.strides[rows_axis + 1]};
    view.shape = {rows, columns};
    view.strides = strides;
  };
  fold(a);
  fold(out);
  return true;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_operands(a, b, name, at);
  const bool row = a.impl()->view.rank() == 1, column = b.impl()->view.rank() == 1;
  TensorView left = as_matrix(view_of(a), true), right = as_matrix(view_of(b), false);
  const std::int64_t k = left.shape[left.rank() - 1];
  if (right.shape[right.rank() - 2] != k) refuse_inner(a.impl()->view.shape, b.impl()->view.shape, name, at);

  const Shape left_batch = batch_of(left.shape), right_batch = batch_of(right.shape);
  const Shape batch = left_batch == right_batch ? left_batch : broadcast_shapes(left_batch, right_batch, name, at);
  Shape full = batch, shape = batch;  // full as the backend sees it, shape as the user does
  full.push_back(left.shape[left.rank() - 2]);
  full.push_back(right.shape[right.rank() - 1]);
  if (!row) shape.push_back(full[batch.rank()]);
  if (!column) shape.push_back(full[batch.rank() + 1]);

  backends::Backend& backend = begin(a, name, at);
  Tensor out = make_like(backend, a, shape, left.dtype, name, at);
  if (!has_elements(out)) return out;
  TensorView target = with_shape(view_of(out), full);
  if (k == 0) {
    backend.fill(target, 0);
  } else if (right.rank() == 2 && left.rank() > 2 && fold_batch(left, right, target)) {
    backend.matmul(left, right, target, false);
  } else {
    backend.matmul(over_batch(left, batch), over_batch(right, batch), target, false);
  }
  return out;
}

}  // namespace weft::ops
