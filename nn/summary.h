#pragma once
// What a model consists of, as a table for people.

#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/core/shape.h>
#include <weft/nn/module.h>
#include <weft/tensor/tensor.h>

namespace weft::nn {

/// Calls the model once with `input` and tells, for every module below it: its name, the shape of its result (and how
/// often it was called, where that is not once; "-" where it was not called through operator(const Tensor&)), the
/// elements of its own parameters and their bytes, each counted where it is first met. Below stand the sums.
///
/// The call is made in eval mode without recording: running statistics, generators, gradients and modes are afterwards
/// what they were, also when it throws. Hooks of the model run.
WEFT_API std::string summary(Module& model, const Tensor& input, CallSite at = CallSite::here());
/// With zeros of that shape, in the dtype and on the device of the first parameter.
WEFT_API std::string summary(Module& model, const Shape& input, CallSite at = CallSite::here());

}  // namespace weft::nn
