// Losses of scores per class: cross_entropy, one fused call with its gradient, and nll_loss, composed.
//
// With P = softmax(logits), one-hot labels L, class weights w (1 where none), C classes, smoothing s and k = 0 for
// ignored rows, else 1, a row's gradient is k (P ((1 - s) w_t + s / C sum(w)) - (1 - s) w_t L - s / C w) dy.

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace {

// 0, 1, .. n - 1 as int64, counted on the device.
Tensor counted(std::int64_t n, Device device, CallSite at) {
  return sub({cumsum(ones({n}, TensorOptions(device, DType::int64), at), 0, at), at}, 1);
}

// Classes last, everything else one axis of rows; labels to match. Row-major also where a view would do (one sample):
// a backend may take strided rows another way, and a sample's bits must not depend on how many there are.
Tensor as_rows(const Tensor& scores, CallSite at) {
  const int rank = scores.rank();
  if (rank == 2) return scores;
  Axes order = {0};
  for (int i = 2; i < rank; ++i) order.push_back(i);
  order.push_back(1);
  return contiguous(reshape(permute(scores, order, at), {scores.numel() / scores.size(1), scores.size(1)}, at), at);
}
Tensor as_line(const Tensor& labels, CallSite at) {
  return labels.rank() == 1 ? labels : reshape(labels, {labels.numel()}, at);
}

// What each row's label says: which rows count, the class looked at (0 where none), and its weight, 0 for ignored rows.
struct Targets {
  Tensor kept, classes, weights;
};
Targets targets(const Tensor& labels, const ops::ClassLoss& options, const Tensor& like, const char* name,
                CallSite at) {
  const NoGrad off;
  Targets t;
  t.kept = ops::binary(BinaryOp::ne, {labels, at}, {options.ignore_index, at}, name, at);
  t.classes = ops::where(t.kept, {labels, at}, {0, at}, name, at);
  const Tensor table = options.weight.defined() ? options.weight.detach(at)
                                                : ones({like.size(1)}, TensorOptions(like.device(), like.dtype()), at);
  t.weights = ops::where(t.kept, {ops::index_select(table, 0, t.classes, name, at), at}, {0, at}, name, at);
  return t;
}

// The divisor of the mean: the weights of the rows kept, rank 0.
Tensor weight_of_rows(const Tensor& labels, const ops::ClassLoss& options, const Tensor& like, const char* name,
                      CallSite at) {
  const NoGrad off;
  if (options.weight.defined()) {
    const Tensor weights = targets(labels, options, like, name, at).weights;
    const bool narrow = item_size(like.dtype()) < sizeof(float);
    return ops::reduce(ReduceOp::sum, narrow ? ops::cast(weights, DType::float32, name, at) : weights, {}, false, name,
                       at);
  }
  const Tensor kept = ops::binary(BinaryOp::ne, {labels, at}, {options.ignore_index, at}, name, at);
  const DType wide = item_size(like.dtype()) < sizeof(float) ? DType::float32 : like.dtype();
  return ops::cast(ops::reduce(ReduceOp::sum, kept, {}, false, name, at), wide, name, at);
}

// (rows, classes) with 1 at each row's class.
Tensor one_hot(const Tensor& classes, const Tensor& like, CallSite at) {
  const Tensor column = unsqueeze(to(classes, DType::int64, at), 1, at);
  return to(eq({column, at}, counted(like.size(1), like.device(), at)), like.dtype(), at);
}

// The gradient of the sum of the rows' losses, composed: for differentiating again.
Tensor composed_gradient(const Tensor& logits, const Tensor& labels, const ops::ClassLoss& options, const char* name,
                         CallSite at) {
  const Targets t = targets(labels, options, logits, name, at);
  const std::int64_t classes = logits.size(1);
  const double s = options.smoothing, share = s / static_cast<double>(classes);
  const Tensor pulled = unsqueeze(mul({t.weights, at}, 1 - s), 1, at);
  Tensor total = pulled, fixed = mul({one_hot(t.classes, logits, at), at}, pulled);
  if (s != 0) {
    const Tensor table = options.weight.defined() ? options.weight.detach(at)
                                                  : ones({classes}, TensorOptions(logits.device(), logits.dtype()), at);
    const Tensor kept = unsqueeze(to(t.kept, logits.dtype(), at), 1, at);
    const Tensor shares = mul(mul({kept, at}, table), share);
    total = add({pulled, at}, sum(shares, 1, true, at));
    fixed = add({fixed, at}, shares);
  }
  return sub(mul({softmax(logits, 1, at), at}, total), fixed);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& o, CallSite at) {
  if (const autograd::In32 in; in) {
    CrossEntropyOptions wide = o;
    wide.weight = in(o.weight, at);
    return cross_entropy(in(logits, at), labels, wide, at);
  }
  const char* const name = "cross_entropy";
  const ops::ClassLoss options = {o.weight, o.ignore_index, o.label_smoothing};
  const bool spatial = logits.defined() && logits.rank() > 2;
  if (spatial) {
    ops::check_class_loss(logits, "logits", labels, options, name, at);
    const Tensor losses = cross_entropy(as_rows(logits, at), as_line(labels, at), o, at);
    return o.reduction == Reduction::none ? reshape(losses, labels.shape(), at) : losses;
  }
  Recorder r{name, at, logits};
  // The mean comes from the same call, but for 16-bit dtypes: they divide the gradient by the rows when a loss scale
  // has been multiplied in, or it would be rounded away before.
  const bool narrow = logits.defined() && item_size(logits.dtype()) < sizeof(float);
  const bool mean_of_call = o.reduction == Reduction::mean && !narrow;
  Tensor dlogits;  // of the sum of the losses, or of the mean; made in the same pass when there will be a way back
  const Tensor losses = ops::cross_entropy(logits, labels, r ? &dlogits : nullptr, name, at, options, mean_of_call);
  Tensor y = losses, divisor;
  if (o.reduction == Reduction::sum) y = ops::reduce(ReduceOp::sum, losses, {}, false, name, at);
  if (o.reduction == Reduction::mean && narrow) {
    divisor = weight_of_rows(labels, options, logits, name, at);
    const Tensor wide = ops::cast(losses, divisor.dtype(), name, at);
    const Tensor total = ops::reduce(ReduceOp::sum, wide, {}, false, name, at);
    y = ops::cast(ops::binary(BinaryOp::div, {total, at}, {divisor, at}, name, at), logits.dtype(), name, at);
  }
  if (r) {
    autograd::Node& node = r.record(y, [options, reduction = o.reduction, mean_of_call, dlogits, divisor,
                                        x = r.keep(logits), target = r.keep(labels)](Back& back) {
      if (back.is_one()) {
        back[0] = dlogits;
        return;
      }
      const char* const call = "cross_entropy";
      Tensor dy = back.dy;  // per row
      if (reduction == Reduction::none) dy = unsqueeze(dy, 1, back.at);
      if (reduction == Reduction::mean && (!mean_of_call || grad_enabled())) {
        const Tensor by = mean_of_call ? weight_of_rows(back(target), options, back(x), call, back.at) : divisor;
        dy = to(div({to(dy, by.dtype(), back.at), back.at}, by), dy.dtype(), back.at);
      }
      if (grad_enabled()) {
        back[0] = mul({composed_gradient(back(x), back(target), options, call, back.at), back.at}, dy);
      } else {
        back[0] = mul({dlogits, back.at}, dy);
      }
    });
    node.knows_one = !narrow;
  }
  return y;
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Reduction reduction, CallSite at) {
  CrossEntropyOptions options;
  options.reduction = reduction;
  return cross_entropy(logits, labels, options, at);
}

// Picks one score of each row by its position in the whole; the classes are checked where their weights are looked up.
Tensor nll_loss(const Tensor& log_probs, const Tensor& labels, const NllLossOptions& o, CallSite at) {
  if (const autograd::In32 in; in) {
    NllLossOptions wide = o;
    wide.weight = in(o.weight, at);
    return nll_loss(in(log_probs, at), labels, wide, at);
  }
  const char* const name = "nll_loss";
  const ops::ClassLoss options = {o.weight, o.ignore_index, 0};
  ops::check_class_loss(log_probs, "log_probs", labels, options, name, at);
  const Tensor rows = as_rows(log_probs, at), line = as_line(labels, at);
  const Targets t = targets(line, options, rows, name, at);
  const Tensor first = mul(counted(rows.size(0), rows.device(), at), rows.size(1));
  const Tensor position = add({first, at}, {to(t.classes, DType::int64, at), at});
  const Tensor picked = index_select(reshape(rows, {rows.numel()}, at), 0, position, at);
  const Tensor losses = where(t.kept, {mul({neg(picked, at), at}, t.weights), at}, {0, at});
  if (o.reduction == Reduction::none) return reshape(losses, labels.shape(), at);
  Tensor total = sum(losses, {}, false, at);
  if (o.reduction == Reduction::sum) return total;
  const Tensor divisor = weight_of_rows(line, options, rows, name, at);
  if (divisor.dtype() == rows.dtype()) return div({total, at}, divisor);
  return to(div({sum(to(losses, divisor.dtype(), at), {}, false, at), at}, divisor), rows.dtype(), at);
}

Tensor nll_loss(const Tensor& log_probs, const Tensor& labels, Reduction reduction, CallSite at) {
  NllLossOptions options;
  options.reduction = reduction;
  return nll_loss(log_probs, labels, options, at);
}

}  // namespace weft
