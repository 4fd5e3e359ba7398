#include <cmath>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {
namespace {

using backends::TensorView;

DType statistics_dtype(DType dtype) { return dtype == DType::float64 ? DType::float64 : DType::float32; }

/// x seen with another shape of the same count; a row-major copy where its strides do not allow it.
Tensor seen_as(const Tensor& x, const Shape& shape, const char* name, CallSite at) {
  Strides strides;
  if (can_view_as(x, shape, &strides)) return view(x, shape, strides, 0);
  return view(clone(x, name, at), shape, contiguous_strides(shape), 0);
}

TensorView optional_view(const Tensor& x) { return x.defined() ? view_of(x) : TensorView{}; }

// ---- layer norm: rows of n

struct Rows {
  std::int64_t rows = 1, n = 1;
  Shape shape() const { return {rows, n}; }
};

Rows rows_of(const Tensor& x, const Shape& normalized, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  check_floating(x, "x", name, at);
  const Shape& in = x.impl()->view.shape;
  const int lead = in.rank() - normalized.rank();
  bool fits = normalized.rank() > 0 && lead >= 0;
  for (int i = 0; i < normalized.rank() && fits; ++i) fits = normalized[i] == in[lead + i];
  if (!fits) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("normalized_shape ", normalized, " must be the last extents of x, which is ", in), at);
  }
  Rows rows;
  for (int i = 0; i < in.rank(); ++i) (i < lead ? rows.rows : rows.n) *= in[i];
  return rows;
}

// ---- batch norm: (N, C, S)

Shape channels_of(const Tensor& x, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  check_floating(x, "x", name, at);
  const Shape& in = x.impl()->view.shape;
  if (in.rank() < 2) {
    throw ShapeError(ErrorCode::rank_unsupported, name, message("x must be (N, C) or (N, C, spatial..), not ", in), at);
  }
  std::int64_t spatial = 1;
  for (int i = 2; i < in.rank(); ++i) spatial *= in[i];
  return {in[0], in[1], spatial};
}

void check_running(const Tensor& running, const Tensor& x, std::int64_t channels, bool written, const char* argument,
                   const char* name, CallSite at) {
  if (!running.defined()) return;
  check_same_device(x, running, name, at, "x", argument);
  const DType dtype = running.impl()->view.dtype;
  if (dtype != x.impl()->view.dtype && dtype != statistics_dtype(x.impl()->view.dtype)) {
    check_same_dtype(x, running, name, at, "x", argument);
  }
  if (running.impl()->view.shape != Shape{channels}) {
    throw ShapeError(
        ErrorCode::shape_mismatch, name,
        message(argument, " is ", running.impl()->view.shape, ", x ", x.impl()->view.shape, " needs ", Shape{channels}),
        at);
  }
  if (written) check_writable(running, name, at);
}

NormGrads make_grads(backends::Backend& backend, const Tensor& x, const Shape& vector, bool want_dx, bool want_dweight,
                     bool want_dbias, const char* name, CallSite at) {
  const DType dtype = x.impl()->view.dtype;
  NormGrads grads;
  if (want_dx) grads.dx = make_like(backend, x, x.impl()->view.shape, dtype, name, at);
  if (want_dweight) grads.dweight = make_like(backend, x, vector, dtype, name, at);
  if (want_dbias) grads.dbias = make_like(backend, x, vector, dtype, name, at);
  if (x.impl()->view.numel() == 0) {  // sums over nothing
    for (const Tensor* sum : {&grads.dweight, &grads.dbias}) {
      if (sum->defined() && has_elements(*sum)) backend.fill(view_of(*sum), 0);
    }
  }
  return grads;
}

void check_output_gradient(const Tensor& dy, const Tensor& x, const char* name, CallSite at) {
  check_defined(dy, name, "dy", at);
  check_same_device(x, dy, name, at, "x", "dy");
  check_same_dtype(x, dy, name, at, "x", "dy");
  if (dy.impl()->view.shape == x.impl()->view.shape) return;
  throw ShapeError(ErrorCode::shape_mismatch, name,
                   message("dy is ", dy.impl()->view.shape, ", the output was ", x.impl()->view.shape), at);
}

}  // namespace

void check_norm_eps(double eps, const char* name, CallSite at) {
  if (eps > 0 && std::isfinite(eps)) return;
  throw ValueError(ErrorCode::value_out_of_range, name,
                   message("eps = ", eps, ": it keeps the variance away from 0 and must be positive and finite"), at);
}

void check_norm_vector(const Tensor& vector, const Tensor& x, const Shape& shape, const char* argument,
                       const char* name, CallSite at) {
  if (!vector.defined()) return;
  check_same_device(x, vector, name, at, "x", argument);
  check_same_dtype(x, vector, name, at, "x", argument);
  if (vector.impl()->view.shape == shape) return;
  throw ShapeError(ErrorCode::shape_mismatch, name,
                   message(argument, " is ", vector.impl()->view.shape, ", x ", x.impl()->view.shape, " needs ", shape),
                   at);
}

Normalized layer_norm(const Tensor& x, const Shape& normalized, const Tensor& weight, const Tensor& bias, double eps,
                      const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  const Rows rows = rows_of(x, normalized, name, at);
  check_norm_vector(weight, x, normalized, "weight", name, at);
  check_norm_vector(bias, x, normalized, "bias", name, at);
  check_norm_eps(eps, name, at);
  const DType dtype = x.impl()->view.dtype;
  backends::Backend& backend = begin(x, name, at);
  Normalized out;
  out.y = make_like(backend, x, x.impl()->view.shape, dtype, name, at);
  out.mean = make_like(backend, x, {rows.rows}, statistics_dtype(dtype), name, at);
  out.rstd = make_like(backend, x, {rows.rows}, statistics_dtype(dtype), name, at);
  if (!has_elements(out.y)) return out;
  const Tensor in = seen_as(x, rows.shape(), name, at);
  const Tensor scale = weight.defined() ? seen_as(weight, {rows.n}, name, at) : Tensor();
  const Tensor shift = bias.defined() ? seen_as(bias, {rows.n}, name, at) : Tensor();
  backends::NormArgs args;
  args.epsilon = eps;
  begin(x, name, at)
      .layer_norm(args, view_of(in), optional_view(scale), optional_view(shift),
                  with_shape(view_of(out.y), rows.shape()), view_of(out.mean), view_of(out.rstd));
  return out;
}

NormGrads layer_norm_backward(const Tensor& dy, const Tensor& x, const Shape& normalized, const Tensor& weight,
                              const Tensor& mean, const Tensor& rstd, bool want_dx, bool want_dweight, bool want_dbias,
                              const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  const Rows rows = rows_of(x, normalized, name, at);
  check_output_gradient(dy, x, name, at);
  backends::Backend& backend = begin(x, name, at);
  NormGrads grads = make_grads(backend, x, normalized, want_dx, want_dweight, want_dbias, name, at);
  if (!has_elements(x)) return grads;
  const Tensor dout = seen_as(dy, rows.shape(), name, at), in = seen_as(x, rows.shape(), name, at);
  const Tensor scale = weight.defined() ? seen_as(weight, {rows.n}, name, at) : Tensor();
  begin(x, name, at)
      .layer_norm_backward(view_of(dout), view_of(in), optional_view(scale), view_of(mean), view_of(rstd),
                           want_dx ? with_shape(view_of(grads.dx), rows.shape()) : TensorView{},
                           want_dweight ? with_shape(view_of(grads.dweight), {rows.n}) : TensorView{},
                           want_dbias ? with_shape(view_of(grads.dbias), {rows.n}) : TensorView{});
  return grads;
}

Normalized batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                      const Tensor& bias, const backends::NormArgs& args, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  const Shape shape = channels_of(x, name, at);
  const Shape& given = x.impl()->view.shape;
  check_running(running_mean, x, shape[1], args.training, "running_mean", name, at);
  check_running(running_var, x, shape[1], args.training, "running_var", name, at);
  check_norm_vector(weight, x, {shape[1]}, "weight", name, at);
  check_norm_vector(bias, x, {shape[1]}, "bias", name, at);
  check_norm_eps(args.epsilon, name, at);
  if (!(args.momentum >= 0 && args.momentum <= 1)) {
    throw ValueError(ErrorCode::value_out_of_range, name, message("momentum = ", args.momentum, " is not in [0, 1]"),
                     at);
  }
  if (running_mean.defined() != running_var.defined()) {
    throw StateError(ErrorCode::tensor_undefined, name,
                     message(running_mean.defined() ? "running_var" : "running_mean",
                             " is undefined: the running statistics are given together or not at all"),
                     at);
  }
  if (!args.training && !running_mean.defined()) {
    throw StateError(ErrorCode::tensor_undefined, name,
                     "running_mean and running_var are undefined, and without training there are no others", at);
  }
  if (args.training && shape[1] != 0 && shape[0] * shape[2] < 2) {
    throw ValueError(ErrorCode::value_invalid, name,
                     message("x is ", given, ": training needs at least 2 values per channel for a variance, here ",
                             shape[0] * shape[2] == 1 ? "there is 1" : "there are none"),
                     at);
  }
  const DType dtype = x.impl()->view.dtype;
  backends::Backend& backend = begin(x, name, at);
  Normalized out;
  out.y = make_like(backend, x, given, dtype, name, at);
  out.mean = make_like(backend, x, {shape[1]}, statistics_dtype(dtype), name, at);
  out.rstd = make_like(backend, x, {shape[1]}, statistics_dtype(dtype), name, at);
  if (!has_elements(out.y)) {
    // An evaluation of no samples; gradients of nothing still have a shape.
    for (const Tensor* statistic : {&out.mean, &out.rstd}) {
      if (has_elements(*statistic)) backend.fill(view_of(*statistic), 0);
    }
    return out;
  }
  const Tensor in = seen_as(x, shape, name, at);
  begin(x, name, at)
      .batch_norm(args, view_of(in), optional_view(weight), optional_view(bias), optional_view(running_mean),
                  optional_view(running_var), with_shape(view_of(out.y), shape), view_of(out.mean), view_of(out.rstd));
  if (args.training && running_mean.defined()) {
    bump_version(running_mean);
    bump_version(running_var);
  }
  return out;
}

NormGrads batch_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                              const Tensor& rstd, bool want_dx, bool want_dweight, bool want_dbias, const char* name,
                              CallSite at) {
  const TraceSpan span(name, "op");
  const Shape shape = channels_of(x, name, at);
  check_output_gradient(dy, x, name, at);
  backends::Backend& backend = begin(x, name, at);
  NormGrads grads = make_grads(backend, x, {shape[1]}, want_dx, want_dweight, want_dbias, name, at);
  if (!has_elements(x)) return grads;
  const Tensor dout = seen_as(dy, shape, name, at), in = seen_as(x, shape, name, at);
  begin(x, name, at)
      .batch_norm_backward(view_of(dout), view_of(in), optional_view(weight), view_of(mean), view_of(rstd),
                           want_dx ? with_shape(view_of(grads.dx), shape) : TensorView{}, optional_view(grads.dweight),
                           optional_view(grads.dbias));
  return grads;
}

}  // namespace weft::ops
