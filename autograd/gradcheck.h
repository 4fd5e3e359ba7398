#pragma once
// Are the gradients of a function right? Compared with central differences, element by element.
//
//     auto f = [](const std::vector<weft::Tensor>& in) { return weft::matmul(in[0], in[1]).tanh(); };
//     auto report = weft::gradcheck(f, {a, b});   // a, b float64 with requires_grad_()
//     if (!report) puts(report.message.c_str());
//
// For every element of every input with requires_grad the function is evaluated at x + eps and x - eps; the column of
// differences is compared with the whole Jacobian, obtained by one backward per element of the result. Accepted when
// |analytic - numeric| <= atol + rtol |numeric| everywhere. Every backward is run twice and must give the same bits.
//
// float64 only: with eps = 1e-6 the truncation error of a central difference is about eps^2 = 1e-12 times the third
// derivative and its rounding error about 2^-53 / eps = 1e-10, both far below atol; in float32 rounding alone is 6e-2.
//
// What a passing check does not prove:
// - anything about other points: it looks at this one input. Kinks (relu at 0, a tie of max, abs at 0) have no
//   derivative there and must be kept at a distance of more than eps; a wrong branch nobody entered stays unseen.
// - anything about other dtypes, devices, shapes or memory layouts: they may take another kernel.
// - that the function itself is right: a function wrong by a constant has the right gradient.
// - both formulas of a node: a plain backward may use a fused one, which gradcheck runs; under create_graph the node
// runs
//   a composed one, which gradgradcheck differentiates. Run both checks, and compare the two formulas with each other.
// - errors below the tolerances, and gradients so large or so small that they hide behind rtol and atol.
// - anything where fn reads random numbers anew at every call; draw them before, or seed inside fn.
//
// The inputs' values and their grad() are left as they are. Cost: 2 evaluations per input element and 2 backwards per
// element of the result. Not for large tensors. fn must depend on its argument, not on captured copies of the inputs.

#include <functional>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/tensor/tensor.h>

namespace weft {

struct GradcheckOptions {
  double eps = 1e-6;   ///< half the distance of the two evaluations; above 0
  double atol = 1e-5;  ///< absolute tolerance
  double rtol = 1e-3;  ///< tolerance relative to the numeric value
};

struct GradcheckResult {
  bool ok = true;
  std::string message;  ///< empty when ok; otherwise the worst element: which input, which index, both values
  double worst = 0;     ///< the largest |analytic - numeric| met
  explicit operator bool() const noexcept { return ok; }
};

using GradcheckFunction = std::function<Tensor(const std::vector<Tensor>&)>;

/// Checks the first derivative. ValueError: no input has requires_grad, or an option is not a positive number;
/// DTypeError: an input with requires_grad, or the result, is not float64. What fn throws passes through.
WEFT_API GradcheckResult gradcheck(const GradcheckFunction& fn, const std::vector<Tensor>& inputs,
                                   const GradcheckOptions& options = {}, CallSite at = CallSite::here());

/// Checks the second derivative: gradcheck of the function (inputs, v) -> the gradients of <fn(inputs), v>, with a
/// fixed pseudo-random v that is itself an input.
WEFT_API GradcheckResult gradgradcheck(const GradcheckFunction& fn, const std::vector<Tensor>& inputs,
                                       const GradcheckOptions& options = {}, CallSite at = CallSite::here());

}  // namespace weft
