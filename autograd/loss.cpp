// Losses of elements, composed from functions that know their gradients.

#include <cmath>
#include <limits>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/checks.h>

namespace weft {

namespace autograd {

Tensor reduced(const Tensor& losses, Reduction reduction, const char* name, CallSite at) {
  if (reduction == Reduction::none) return losses;
  if (losses.numel() == 0) {
    throw ValueError(ErrorCode::value_invalid, name, message("a loss over ", losses.shape(), " has no value"), at);
  }
  return reduction == Reduction::mean ? mean(losses, {}, false, at) : sum(losses, {}, false, at);
}

}  // namespace autograd

namespace {

// A target of another shape is more often a mistake (a forgotten squeeze) than a wish for broadcasting.
void check_pair(const Tensor& x, const Tensor& target, const char* x_name, const char* name, CallSite at) {
  ops::check_defined(x, name, x_name, at);
  ops::check_defined(target, name, "target", at);
  ops::check_same_device(x, target, name, at, x_name, "target");
  ops::check_floating(x, x_name, name, at);
  ops::check_same_dtype(x, target, name, at, x_name, "target");
  if (x.shape() == target.shape()) return;
  throw ShapeError(ErrorCode::shape_mismatch, name,
                   message(x_name, " is ", x.shape(), ", target is ", target.shape(), "; they must have one shape"),
                   at);
}

void check_factor(const Tensor& x, const Tensor& factor, const char* argument, const char* name, CallSite at) {
  ops::check_same_device(x, factor, name, at, "logits", argument);
  ops::check_same_dtype(x, factor, name, at, "logits", argument);
  if (broadcast_shapes(x.shape(), factor.shape(), name, at) == x.shape()) return;
  throw ShapeError(ErrorCode::shape_mismatch, name,
                   message(argument, " is ", factor.shape(), ", which cannot be broadcast to logits of ", x.shape()),
                   at);
}

}  // namespace

Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction, CallSite at) {
  if (const autograd::In32 in; in) return mse_loss(in(x, at), in(target, at), reduction, at);
  check_pair(x, target, "x", "mse_loss", at);
  return autograd::reduced(square(sub({x, at}, target), at), reduction, "mse_loss", at);
}

Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction, CallSite at) {
  if (const autograd::In32 in; in) return l1_loss(in(x, at), in(target, at), reduction, at);
  check_pair(x, target, "x", "l1_loss", at);
  return autograd::reduced(abs(sub({x, at}, target), at), reduction, "l1_loss", at);
}

Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, Reduction reduction, double beta, CallSite at) {
  if (const autograd::In32 in; in) return smooth_l1_loss(in(x, at), in(target, at), reduction, beta, at);
  check_pair(x, target, "x", "smooth_l1_loss", at);
  if (!(beta >= 0) || std::isinf(beta)) {
    throw ValueError(ErrorCode::value_out_of_range, "smooth_l1_loss",
                     message("beta must be 0 or more and finite, not ", beta), at);
  }
  const Tensor d = sub({x, at}, target), size = abs(d, at);
  if (beta == 0) return autograd::reduced(size, reduction, "smooth_l1_loss", at);
  const Tensor near = mul({square(d, at), at}, 0.5 / beta), far = sub({size, at}, 0.5 * beta);
  return autograd::reduced(where(lt({size, at}, beta), {near, at}, far), reduction, "smooth_l1_loss", at);
}

// (1 - t) x + (1 + (pos_weight - 1) t) log(1 + e^-x): the logarithm's argument is at least 1 and never overflows.
Tensor bce_with_logits(const Tensor& logits, const Tensor& target, const BceOptions& options, CallSite at) {
  if (const autograd::In32 in; in) {
    BceOptions wide = options;
    wide.weight = in(options.weight, at);
    wide.pos_weight = in(options.pos_weight, at);
    return bce_with_logits(in(logits, at), in(target, at), wide, at);
  }
  const char* const name = "bce_with_logits";
  check_pair(logits, target, "logits", name, at);
  if (options.pos_weight.defined()) check_factor(logits, options.pos_weight, "pos_weight", name, at);
  if (options.weight.defined()) check_factor(logits, options.weight, "weight", name, at);
  Tensor soft = softplus(neg(logits, at), 1, std::numeric_limits<double>::infinity(), at);
  if (options.pos_weight.defined()) {
    soft = mul({soft, at}, add(mul(sub({options.pos_weight, at}, 1), target), 1));
  }
  Tensor losses = add(mul(sub({1, at}, target), logits), soft);
  if (options.weight.defined()) losses = mul({losses, at}, options.weight);
  return autograd::reduced(losses, options.reduction, name, at);
}

Tensor bce_with_logits(const Tensor& logits, const Tensor& target, Reduction reduction, CallSite at) {
  BceOptions options;
  options.reduction = reduction;
  return bce_with_logits(logits, target, options, at);
}

}  // namespace weft
