#pragma once
// Gradients kept within bounds, between backward() and step().
//
//     loss.backward();
//     weft::nn::clip_grad_norm_(model.parameters(), 1.0);
//     optimizer.step();

#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/tensor/tensor.h>

namespace weft::nn {

/// Scales all gradients together so that the norm over all of them is at most max_norm, and returns the norm they had:
/// a rank-0 float64 on the first gradient's device. Parameters without a gradient are left out; without any the norm is
/// 0. As torch.nn.utils.clip_grad_norm_: every gradient is multiplied by min(1, max_norm / (norm + 1e-6)), and where
/// the norm is NaN or infinite so is what becomes of them, unless error_if_nonfinite is set.
///
/// norm_type is 2 (one pass over all gradients of a device) or infinity (the largest absolute value). Nothing waits for
/// the device, unless error_if_nonfinite is set or the gradients lie on several devices.
/// Throws ValueError (value_out_of_range): max_norm not finite or not above 0, another norm_type, a norm that is not
/// finite with error_if_nonfinite; then no gradient has changed.
WEFT_API Tensor clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2,
                                bool error_if_nonfinite = false, CallSite at = CallSite::here());

/// Every element of every gradient becomes the nearest number in [-clip_value, clip_value]; NaN stays. ValueError
/// (value_out_of_range) unless clip_value is finite and above 0.
WEFT_API void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value,
                               CallSite at = CallSite::here());

}  // namespace weft::nn
