#include <tuple>

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

std::int64_t product(const Shape& shape, int count) {
  std::int64_t n = 1;
  for (int i = 0; i < count; ++i) n *= shape[i];
  return n;
}

// x (.., n) as rows (r, n): a view where the leading axes allow it.
Tensor fold_rows(const Tensor& x, const char* name, CallSite at) {
  const TensorView& view = x.impl()->view;
  if (view.rank() == 2) return x;
  const std::int64_t n = view.shape[view.rank() - 1];
  const Shape rows = {product(view.shape, view.rank() - 1), n};
  Strides strides;
  if (can_view_as(x, rows, &strides)) return ops::view(x, rows, strides, 0);
  return ops::view(clone(x, name, at), rows, contiguous_strides(rows), 0);
}

// Rows or columns that follow each other without repeating: what a matrix product reads at full speed. A gradient that
// sum() spread over a tensor has strides 0 and is written out once instead of being gathered three times.
bool is_matrix(const TensorView& view) {
  const std::int64_t rows = view.shape[0], columns = view.shape[1];
  const bool by_row = (view.strides[1] == 1 || columns == 1) && (view.strides[0] >= columns || rows == 1);
  const bool by_column = (view.strides[0] == 1 || rows == 1) && (view.strides[1] >= rows || columns == 1);
  return by_row || by_column;
}

void check_linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  check_defined(weight, name, "weight", at);
  check_same_device(x, weight, name, at, "x", "weight");
  check_same_dtype(x, weight, name, at, "x", "weight");
  const Shape& in = x.impl()->view.shape;
  const Shape& w = weight.impl()->view.shape;
  if (!supports_matmul(x.impl()->view.dtype)) check_floating(x, "x", name, at);
  if (w.rank() != 2) {
    throw ShapeError(ErrorCode::rank_unsupported, name, message("weight must be (out, in), not ", w), at);
  }
  if (in.rank() == 0) {
    throw ShapeError(ErrorCode::rank_unsupported, name, message("x must be (.., in), not ", in), at);
  }
  if (in[in.rank() - 1] != w[1]) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("x is ", in, " with ", in[in.rank() - 1], " features, weight is ", w, " and takes ", w[1],
                             w[0] == in[in.rank() - 1] ? "; did you mean weight.transpose(0, 1)?" : ""),
                     at);
  }
  if (!bias.defined()) return;
  check_same_device(x, bias, name, at, "x", "bias");
  check_same_dtype(x, bias, name, at, "x", "bias");
  const Shape& b = bias.impl()->view.shape;
  if (b != Shape{w[0]}) {
    throw ShapeError(ErrorCode::shape_mismatch, name, message("bias is ", b, ", weight ", w, " needs ", Shape{w[0]}),
                     at);
  }
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const char* name, CallSite at,
              Activation activation, Tensor* aux) {
  const TraceSpan span(name, "op");
  check_linear(x, weight, bias, "linear", at);
  Shape shape = x.impl()->view.shape;
  const std::int64_t features = weight.impl()->view.shape[1], outputs = weight.impl()->view.shape[0];
  const std::int64_t rows = product(shape, shape.rank() - 1);
  shape[shape.rank() - 1] = outputs;
  backends::Backend& backend = begin(x, name, at);
  Tensor y = make_like(backend, x, shape, x.impl()->view.dtype, name, at);
  if (!has_elements(y)) return y;
  const TensorView out = with_shape(view_of(y), {rows, outputs});
  if (features == 0) {  // a product over nothing is 0
    if (bias.defined()) {
      backend.copy(broadcast_view(view_of(bias), out.shape), out);
    } else {
      backend.fill(out, 0);
    }
    return activation == Activation::none ? y : unary(function_of(activation), y, name, at);
  }
  const Tensor flat = fold_rows(x, name, at);
  void* remembered = nullptr;
  if (aux != nullptr) {
    const auto bytes = static_cast<std::int64_t>(backend.linear_aux_bytes(activation, out));
    if (bytes > 0) {
      *aux = make_like(backend, x, {bytes}, DType::uint8, name, at);
      remembered = view_of(*aux).data;
    }
  }
  backend.linear(activation, view_of(flat), view_of(weight), bias.defined() ? view_of(bias) : TensorView{}, out,
                 remembered);
  return y;
}

LinearGrads linear_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const LinearBackward& call,
                            const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_linear(x, weight, {}, name, at);
  check_defined(dy, name, "dy", at);
  check_same_device(x, dy, name, at, "x", "dy");
  check_same_dtype(x, dy, name, at, "x", "dy");
  const Shape& in = x.impl()->view.shape;
  const Shape& w = weight.impl()->view.shape;
  Shape expected = in;
  expected[in.rank() - 1] = w[0];
  if (dy.impl()->view.shape != expected) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("dy is ", dy.impl()->view.shape, ", the output was ", expected), at);
  }
  const DType dtype = x.impl()->view.dtype;
  const std::int64_t rows = product(in, in.rank() - 1), features = w[1], outputs = w[0];
  const auto [want_dx, want_dweight, want_dbias] = std::tuple(call.want_dx, call.want_dweight, call.want_dbias);
  backends::Backend& backend = begin(x, name, at);
  LinearGrads grads;
  if (want_dx) grads.dx = make_like(backend, x, in, dtype, name, at);
  if (want_dweight) grads.dweight = make_like(backend, x, w, dtype, name, at);
  if (want_dbias) grads.dbias = make_like(backend, x, {outputs}, dtype, name, at);

  if (rows != 0 && features != 0 && outputs != 0) {
    if (!want_dx && !want_dweight && !want_dbias) return grads;
    Tensor flat_dy = fold_rows(dy, name, at);
    if (!is_matrix(flat_dy.impl()->view)) flat_dy = clone(flat_dy, name, at);
    const Tensor flat_x = fold_rows(x, name, at);
    const bool with_activation = call.activation != Activation::none;
    const TensorView y = with_activation ? with_shape(view_of(call.y), {rows, outputs}) : TensorView{};
    backends::Backend& target = begin(x, name, at);
    target.linear_backward(call.activation, view_of(flat_dy), y, call.aux.defined() ? view_of(call.aux).data : nullptr,
                           view_of(flat_x), view_of(weight), call.below, call.below_aux,
                           want_dx ? with_shape(view_of(grads.dx), {rows, features}) : TensorView{},
                           want_dweight ? view_of(grads.dweight) : TensorView{},
                           want_dbias ? view_of(grads.dbias) : TensorView{});
    return grads;
  }
  // A product over nothing is 0; only the bias may still have something to sum.
  if (want_dx && has_elements(grads.dx)) backend.fill(view_of(grads.dx), 0);
  if (want_dweight && has_elements(grads.dweight)) backend.fill(view_of(grads.dweight), 0);
  if (want_dbias && outputs != 0) {
    if (rows == 0) {
      backend.fill(view_of(grads.dbias), 0);
    } else {
      backend.reduce(ReduceOp::sum, view_of(fold_rows(dy, name, at)), with_shape(view_of(grads.dbias), {1, outputs}));
    }
  }
  return grads;
}

}  // namespace weft::ops
