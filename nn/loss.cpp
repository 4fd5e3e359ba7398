#include <weft/nn/loss.h>

namespace weft::nn {

Tensor CrossEntropyLoss::operator()(const Tensor& logits, const Tensor& labels, CallSite at) const {
  return cross_entropy(logits, labels, reduction_, at);
}

}  // namespace weft::nn
