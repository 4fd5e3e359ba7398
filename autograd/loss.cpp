// Losses. With P = softmax(logits) and one-hot labels L, cross-entropy's gradient is (P - L) dy per row.

#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace {

// (batch, classes) with 1 at each row's label.
Tensor one_hot(const Tensor& labels, const Tensor& like, CallSite at) {
  const Tensor classes =
      arange(0, static_cast<double>(like.size(1)), 1, TensorOptions(like.device(), DType::int64), at);
  const Tensor column = unsqueeze(to(labels, DType::int64, at), 1, at);
  return to(eq({column, at}, classes), like.dtype(), at);
}

Tensor reduced(const Tensor& losses, Reduction reduction, CallSite at) {
  if (reduction == Reduction::none) return losses;
  if (reduction == Reduction::mean) return autograd::mean_of(losses, {}, false, "cross_entropy", at);
  return ops::reduce(ReduceOp::sum, losses, {}, false, "cross_entropy", at);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Reduction reduction, CallSite at) {
  Recorder r{"cross_entropy", at, logits};
  Tensor dlogits;  // of the sum of the losses; made in the same pass when there will be a way back
  const Tensor losses = ops::cross_entropy(logits, labels, r ? &dlogits : nullptr, "cross_entropy", at);
  const Tensor y = reduced(losses, reduction, at);
  if (r) {
    r.record(y, [reduction, dlogits, x = r.keep(logits), target = r.keep(labels)](Back& back) {
      Tensor dy = back.dy;  // per row
      if (reduction == Reduction::none) dy = unsqueeze(dy, 1, back.at);
      if (reduction == Reduction::mean) dy = div({dy, back.at}, dlogits.size(0));
      if (grad_enabled()) {
        const Tensor in = back(x);
        const Tensor hot = one_hot(back(target), in, back.at);
        back[0] = mul(sub({softmax(in, 1, back.at), back.at}, hot), {dy, back.at});
      } else {
        back[0] = mul({dlogits, back.at}, dy);
      }
    });
  }
  return y;
}

}  // namespace weft
