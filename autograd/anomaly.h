#pragma once
// Where the NaN comes from.
//
//     const weft::DetectAnomaly on({.forward = true});
//     loss = weft::cross_entropy(model(x), labels);
//     loss.backward();
//     // [backward] the gradient of argument 0 computed by the backward of [log] (train.cpp:41) has NaN at (0, 3), ...
//
// While a scope is alive, every gradient that a backward on this thread computes is looked at, and the first one with a
// NaN throws AutogradError (non_finite) naming the function of the forward call, its file and line, and the first such
// element. Gradients given by the caller, those returned by hooks and the sums of several are looked at by themselves,
// so that a call is blamed only for what its own formula made. No leaf's grad() has changed. `forward` looks at the
// result of every recorded call as well, at the moment it is made; calls that record nothing are not seen.
//
// It costs a pass over every gradient, and on an asynchronous device a wait for each: for finding a fault, not for
// training. Not inside capture. Thread-local; scopes nest, the innermost one counts.

#include <weft/core/export.h>

namespace weft {

struct AnomalyOptions {
  bool forward = false;     ///< also the results of forward calls
  bool infinities = false;  ///< also infinities (which a mask of -inf, say, has by intention)
};

class WEFT_API DetectAnomaly {
 public:
  explicit DetectAnomaly(const AnomalyOptions& options = {}) noexcept;
  ~DetectAnomaly();
  DetectAnomaly(const DetectAnomaly&) = delete;
  DetectAnomaly& operator=(const DetectAnomaly&) = delete;

  /// Whether a scope is alive on this thread.
  static bool active() noexcept;

 private:
  AnomalyOptions options_;
  const AnomalyOptions* outer_;
};

}  // namespace weft
