#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {
namespace {

/// x with its axis; a tensor without axes has one of extent 1 for whoever names axis 0 or -1.
std::pair<backends::TensorView, int> along(const Tensor& x, int axis, const char* name, CallSite at) {
  backends::TensorView in = view_of(x);
  if (in.rank() == 0 && (axis == 0 || axis == -1)) in = with_shape(in, {1});
  return {in, normalize_axis(axis, in.rank(), name, at)};
}

}  // namespace

Tensor cumsum(const Tensor& x, int axis, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  check_supported(ReduceOp::sum, x.dtype(), name, at);
  const auto [in, at_axis] = along(x, axis, name, at);
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, x.shape(), result_dtype(ReduceOp::sum, in.dtype), name, at);
  if (has_elements(out)) backend.scan(ScanOp::sum, in, at_axis, with_shape(view_of(out), in.shape));
  return out;
}

std::pair<Tensor, Tensor> topk(const Tensor& x, std::int64_t k, int axis, bool largest, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  const auto [in, at_axis] = along(x, axis, name, at);
  if (k < 0 || k > in.shape[at_axis]) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message("k must be 0 to the extent of axis ", at_axis, ", which is ", in.shape[at_axis], " of ",
                             x.shape(), "; k is ", k),
                     at);
  }
  Shape shape = in.shape;
  shape[at_axis] = k;
  const Shape result = x.rank() == 0 && k == 1 ? Shape{} : shape;
  backends::Backend& backend = begin(x, name, at);
  Tensor values = make_like(backend, x, result, in.dtype, name, at);
  Tensor indices = make_like(backend, x, result, DType::int64, name, at);
  if (has_elements(values)) {
    backend.topk(in, at_axis, largest, with_shape(view_of(values), shape), with_shape(view_of(indices), shape));
  }
  return {values, indices};
}

}  // namespace weft::ops
