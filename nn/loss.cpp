#include <weft/nn/loss.h>

namespace weft::nn {

Tensor CrossEntropyLoss::operator()(const Tensor& logits, const Tensor& labels, CallSite at) const {
  return cross_entropy(logits, labels, options_, at);
}

Tensor NLLLoss::operator()(const Tensor& log_probs, const Tensor& labels, CallSite at) const {
  return nll_loss(log_probs, labels, options_, at);
}

Tensor MSELoss::operator()(const Tensor& x, const Tensor& target, CallSite at) const {
  return mse_loss(x, target, reduction_, at);
}

Tensor L1Loss::operator()(const Tensor& x, const Tensor& target, CallSite at) const {
  return l1_loss(x, target, reduction_, at);
}

Tensor SmoothL1Loss::operator()(const Tensor& x, const Tensor& target, CallSite at) const {
  return smooth_l1_loss(x, target, reduction_, beta_, at);
}

Tensor BCEWithLogitsLoss::operator()(const Tensor& logits, const Tensor& target, CallSite at) const {
  return bce_with_logits(logits, target, options_, at);
}

}  // namespace weft::nn
