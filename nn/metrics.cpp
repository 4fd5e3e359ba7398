#include <weft/nn/metrics.h>

#include <cmath>
#include <limits>

#include <weft/autograd/functions.h>
#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/step_script.h>

namespace weft::nn {
namespace {

void check_labels(const Tensor& labels, const char* name, const char* op, CallSite at) {
  ops::check_defined(labels, op, name, at);
  if (labels.rank() != 1) {
    throw ShapeError(ErrorCode::rank_unsupported, op,
                     message(name, " is ", labels.shape(), ", one number per example (B,) is needed"), at);
  }
  if (labels.dtype() != DType::int64 && labels.dtype() != DType::int32) {
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     message(name, " is ", labels.dtype(), ", classes are int64 or int32: use .to()"), at);
  }
}

void check_scores(const Tensor& scores, const Tensor& labels, const char* op, CallSite at) {
  ops::check_defined(scores, op, "scores", at);
  check_labels(labels, "labels", op, at);
  if (scores.rank() != 2 || scores.size(0) != labels.size(0)) {
    throw ShapeError(ErrorCode::shape_mismatch, op,
                     message("scores is ", scores.shape(), ", labels ", labels.shape(), ": (B, C) and (B,) are needed"),
                     at);
  }
  if (!is_floating(scores.dtype())) {
    throw DTypeError(ErrorCode::dtype_unsupported, op, message("scores is ", scores.dtype(), ", not floating"), at);
  }
  ops::check_same_device(scores, labels, op, at);
  if (scores.numel() == 0) {
    throw ValueError(ErrorCode::value_invalid, op, message("scores ", scores.shape(), " is empty: no share of nothing"),
                     at);
  }
}

Tensor share_of(const Tensor& hits, CallSite at) { return mean(to(hits, DType::float64, at), {}, false, at); }

}  // namespace

Tensor accuracy(const Tensor& scores, const Tensor& labels, CallSite at) {
  check_scores(scores, labels, "accuracy", at);
  const NoGrad off;
  const Tensor classes = to(labels, DType::int64, at);
  return share_of(eq({argmax(scores, 1, false, at), at}, {classes, at}), at);
}

// Counts the scores that come before the label's own: larger, or equal at a lower class; a NaN is larger than any
// number, and equal to another NaN.
Tensor top_k_accuracy(const Tensor& scores, const Tensor& labels, std::int64_t k, CallSite at) {
  const char* op = "top_k_accuracy";
  check_scores(scores, labels, op, at);
  const std::int64_t count = scores.size(1);
  if (k < 1 || k > count) {
    throw ValueError(ErrorCode::value_out_of_range, op, message("k = ", k, " is not in 1 .. ", count, " classes"), at);
  }
  const NoGrad off;
  const Tensor own_class = unsqueeze(to(labels, DType::int64, at), 1, at);
  const Tensor classes = arange(0, static_cast<double>(count), 1, {scores.device(), DType::int64}, at);
  const Tensor is_own = eq({classes, at}, {own_class, at});
  const Tensor nothing = zeros({}, {scores.device(), scores.dtype()}, at);
  // The label's score stands alone in its row, so its sum is itself; a label that is no class has none.
  const Tensor own = sum(where(is_own, {scores, at}, {nothing, at}), {1}, true, at);
  const Tensor is_nan = ne({scores, at}, {scores, at}), own_is_nan = ne({own, at}, {own, at});
  const Tensor larger =
      logical_or(gt({scores, at}, {own, at}), logical_and(is_nan, logical_not(own_is_nan, at), at), at);
  const Tensor equal = logical_or(eq({scores, at}, {own, at}), logical_and(is_nan, own_is_nan, at), at);
  const Tensor before = logical_or(larger, logical_and(equal, lt({classes, at}, {own_class, at}), at), at);
  const Tensor ahead = sum(to(before, DType::int64, at), {1}, false, at);
  return share_of(logical_and(lt({ahead, at}, Operand(k, at)), any(is_own, {1}, false, at), at), at);
}

Tensor confusion_matrix(const Tensor& predicted, const Tensor& labels, std::int64_t classes, CallSite at) {
  const char* op = "confusion_matrix";
  check_labels(predicted, "predicted", op, at);
  check_labels(labels, "labels", op, at);
  if (predicted.size(0) != labels.size(0)) {
    throw ShapeError(ErrorCode::shape_mismatch, op,
                     message("predicted is ", predicted.shape(), ", labels ", labels.shape()), at);
  }
  ops::check_same_device(predicted, labels, op, at);
  if (classes < 1) {
    throw ValueError(ErrorCode::value_out_of_range, op, message("classes = ", classes, " is below 1"), at);
  }
  const NoGrad off;
  const TensorOptions options(labels.device(), DType::int64);
  const Tensor rows = ops::index_select(eye(classes, options, at), 0, predicted, op, at);
  return ops::index_add(zeros({classes, classes}, options, at), 0, labels, rows, op, at);
}

// ---- RunningMean

namespace {

void check_weight(double weight, CallSite at) {
  if (!std::isfinite(weight) || weight < 0) {
    throw ValueError(ErrorCode::value_out_of_range, "RunningMean",
                     message("weight = ", weight, " is not finite and >= 0"), at);
  }
}

}  // namespace

void RunningMean::add(double value, double weight, CallSite at) {
  check_weight(weight, at);
  sum_ += value * weight;
  weight_ += weight;
}

void RunningMean::add(const Tensor& value, double weight, CallSite at) {
  check_weight(weight, at);
  if (value.numel(at) != 1) {
    throw ShapeError(ErrorCode::shape_mismatch, "RunningMean",
                     message("the value is ", value.shape(), ", not one number"), at);
  }
  const NoGrad off;
  const Tensor wide = reshape(to(value.detach(at), DType::float64, at), {}, at);
  const Tensor weighted = mul({wide, at}, Operand(weight, at));
  if (!device_sum_.defined()) {
    device_sum_ = weighted;
  } else if (device_sum_.device() == weighted.device()) {
    ops::binary_into(BinaryOp::add, device_sum_, {weighted, at}, "RunningMean", at);
  } else {
    ops::binary_into(BinaryOp::add, device_sum_, {to(weighted, device_sum_.device(), at), at}, "RunningMean", at);
  }
  if (StepScript* script = StepScript::recording()) {  // counted by every replay
    script->act([this, weight] { weight_ += weight; }, [this, weight] { weight_ -= weight; });
  } else {
    weight_ += weight;
  }
}

double RunningMean::mean(CallSite at) const {
  if (weight_ == 0) return std::numeric_limits<double>::quiet_NaN();
  return (sum_ + (device_sum_.defined() ? device_sum_.item(at) : 0)) / weight_;
}

void RunningMean::reset() noexcept { *this = RunningMean(); }

}  // namespace weft::nn
