#pragma once
// Losses as objects that remember their options. The functions, their formulas and errors are in autograd/functions.h;
// tensors among the options (weights) are not parameters and are not moved with a module.

#include <weft/autograd/functions.h>
#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft::nn {

/// weft::cross_entropy
class WEFT_API CrossEntropyLoss {
 public:
  explicit CrossEntropyLoss(Reduction reduction = Reduction::mean) noexcept { options_.reduction = reduction; }
  explicit CrossEntropyLoss(const CrossEntropyOptions& options) : options_(options) {}
  Tensor operator()(const Tensor& logits, const Tensor& labels, CallSite at = CallSite::here()) const;

 private:
  CrossEntropyOptions options_;
};

/// weft::nll_loss
class WEFT_API NLLLoss {
 public:
  explicit NLLLoss(Reduction reduction = Reduction::mean) noexcept { options_.reduction = reduction; }
  explicit NLLLoss(const NllLossOptions& options) : options_(options) {}
  Tensor operator()(const Tensor& log_probs, const Tensor& labels, CallSite at = CallSite::here()) const;

 private:
  NllLossOptions options_;
};

/// weft::mse_loss
class WEFT_API MSELoss {
 public:
  explicit MSELoss(Reduction reduction = Reduction::mean) noexcept : reduction_(reduction) {}
  Tensor operator()(const Tensor& x, const Tensor& target, CallSite at = CallSite::here()) const;

 private:
  Reduction reduction_;
};

/// weft::l1_loss
class WEFT_API L1Loss {
 public:
  explicit L1Loss(Reduction reduction = Reduction::mean) noexcept : reduction_(reduction) {}
  Tensor operator()(const Tensor& x, const Tensor& target, CallSite at = CallSite::here()) const;

 private:
  Reduction reduction_;
};

/// weft::smooth_l1_loss; a beta it refuses is refused at the call.
class WEFT_API SmoothL1Loss {
 public:
  explicit SmoothL1Loss(Reduction reduction = Reduction::mean, double beta = 1) noexcept
      : reduction_(reduction), beta_(beta) {}
  Tensor operator()(const Tensor& x, const Tensor& target, CallSite at = CallSite::here()) const;

 private:
  Reduction reduction_;
  double beta_;
};

/// weft::bce_with_logits
class WEFT_API BCEWithLogitsLoss {
 public:
  explicit BCEWithLogitsLoss(Reduction reduction = Reduction::mean) noexcept { options_.reduction = reduction; }
  explicit BCEWithLogitsLoss(const BceOptions& options) : options_(options) {}
  Tensor operator()(const Tensor& logits, const Tensor& target, CallSite at = CallSite::here()) const;

 private:
  BceOptions options_;
};

}  // namespace weft::nn
