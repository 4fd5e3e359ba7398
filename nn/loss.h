#pragma once
// Losses as objects that remember their options. The functions are in autograd/functions.h.

#include <weft/autograd/functions.h>
#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft::nn {

/// -log softmax(logits)[label], reduced: logits (B, C), labels (B) int64 or int32. Errors as weft::cross_entropy.
class WEFT_API CrossEntropyLoss {
 public:
  explicit CrossEntropyLoss(Reduction reduction = Reduction::mean) noexcept : reduction_(reduction) {}
  Tensor operator()(const Tensor& logits, const Tensor& labels, CallSite at = CallSite::here()) const;

 private:
  Reduction reduction_;
};

}  // namespace weft::nn
