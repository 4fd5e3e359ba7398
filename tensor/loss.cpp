#include <string>

#include <weft/backends/registry.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/by_type.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {
namespace {

// Read where the host can: on another device a bad weight shows in the loss. While a step is being recorded the memory
// may hold nothing yet.
void check_weight_values(const Tensor& weight, const char* name, CallSite at) {
  if (!in_host_memory(weight.device()) || &begin(weight, name, at) != &backends::backend_for(weight.device(), at))
    return;
  const backends::TensorView view = view_of(weight);
  by_type(view.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    for (std::int64_t c = 0; c < view.shape[0]; ++c) {
      const auto w = static_cast<double>(static_cast<float>(view.as<const T>()[c * view.strides[0]]));
      if (w >= 0) continue;
      throw ValueError(ErrorCode::value_out_of_range, name,
                       message("weight of class ", c, " is ", w, "; it must be 0 or more"), at);
    }
  });
}

}  // namespace

void check_class_loss(const Tensor& scores, const char* argument, const Tensor& labels, const ClassLoss& options,
                      const char* name, CallSite at) {
  check_defined(scores, name, argument, at);
  check_defined(labels, name, "labels", at);
  check_same_device(scores, labels, name, at, argument, "labels");
  check_floating(scores, argument, name, at);
  check_index(labels, "labels", name, at);
  const Shape& in = scores.impl()->view.shape;
  const Shape& target = labels.impl()->view.shape;
  if (in.rank() < 2) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message(argument, " must be (batch, classes) or (batch, classes, ..), not ", in), at);
  }
  if (target.rank() != in.rank() - 1) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message("labels must be ", in.rank() == 2 ? "(batch,)" : "(batch, ..)", " for ", argument, " of ",
                             in, ", not ", target),
                     at);
  }
  bool fits = true;
  for (int i = 0; i < target.rank(); ++i) fits &= target[i] == in[i == 0 ? 0 : i + 1];
  if (!fits) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message(argument, " are ", in, " for ", in[0], " samples, labels are ", target), at);
  }
  if (in.numel() == 0) {
    throw ValueError(ErrorCode::value_invalid, name,
                     message(argument, " are ", in, ": a loss over no ", target.numel() == 0 ? "samples" : "classes",
                             " has no value"),
                     at);
  }
  if (!(options.smoothing >= 0 && options.smoothing <= 1)) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message("label_smoothing must be 0 to 1, not ", options.smoothing), at);
  }
  if (!options.weight.defined()) return;
  check_same_device(scores, options.weight, name, at, argument, "weight");
  check_same_dtype(scores, options.weight, name, at, argument, "weight");
  const Shape& classes = options.weight.impl()->view.shape;
  if (classes.rank() != 1 || classes[0] != in[1]) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("weight must be (", in[1], ",), one for each class of ", argument, ", not ", classes), at);
  }
  check_weight_values(options.weight, name, at);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Tensor* dlogits, const char* name, CallSite at,
                     const ClassLoss& options, bool mean) {
  const TraceSpan span(name, "op");
  check_class_loss(logits, "logits", labels, options, name, at);
  const Shape& in = logits.impl()->view.shape;
  const DType dtype = logits.impl()->view.dtype;
  backends::Backend& backend = begin(logits, name, at);
  Tensor losses = make_like(backend, logits, mean ? Shape{} : Shape{in[0]}, dtype, name, at);
  Tensor gradient;
  if (dlogits != nullptr) gradient = make_like(backend, logits, in, dtype, name, at);
  const auto optional = [](const Tensor& x) { return x.defined() ? view_of(x) : backends::TensorView{}; };
  backend.cross_entropy({options.ignore_index, options.smoothing, mean}, view_of(logits), view_of(labels),
                        optional(options.weight), view_of(losses), optional(gradient));
  if (dlogits != nullptr) *dlogits = gradient;
  return losses;
}

}  // namespace weft::ops
