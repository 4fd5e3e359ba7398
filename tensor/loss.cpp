#include <limits>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Tensor* dlogits, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(logits, name, "logits", at);
  check_defined(labels, name, "labels", at);
  check_same_device(logits, labels, name, at, "logits", "labels");
  check_floating(logits, "logits", name, at);
  check_index(labels, "labels", name, at);
  const Shape& in = logits.impl()->view.shape;
  const Shape& target = labels.impl()->view.shape;
  if (in.rank() != 2) {
    throw ShapeError(ErrorCode::rank_unsupported, name, message("logits must be (batch, classes), not ", in), at);
  }
  if (target.rank() != 1) {
    throw ShapeError(ErrorCode::rank_unsupported, name, message("labels must be (batch,), not ", target), at);
  }
  if (in[0] != target[0]) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("logits are ", in, " for ", in[0], " samples, labels are ", target), at);
  }
  if (in[0] == 0 || in[1] == 0) {
    throw ValueError(
        ErrorCode::value_invalid, name,
        message("logits are ", in, ": a loss over no ", in[0] == 0 ? "samples" : "classes", " has no value"), at);
  }
  backends::CrossEntropyArgs args;
  // No label is ignored: each must be in 0..C-1. The number set aside is the one least likely to be met.
  args.ignore_index = labels.impl()->view.dtype == DType::int32 ? std::numeric_limits<std::int32_t>::min()
                                                                : std::numeric_limits<std::int64_t>::min();
  const DType dtype = logits.impl()->view.dtype;
  backends::Backend& backend = begin(logits, name, at);
  Tensor losses = make_like(backend, logits, {in[0]}, dtype, name, at);
  Tensor gradient;
  if (dlogits != nullptr) gradient = make_like(backend, logits, in, dtype, name, at);
  backend.cross_entropy(args, view_of(logits), view_of(labels), {}, view_of(losses),
                        gradient.defined() ? view_of(gradient) : backends::TensorView{});
  if (dlogits != nullptr) *dlogits = gradient;
  return losses;
}

}  // namespace weft::ops
