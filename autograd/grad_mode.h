#pragma once
// Whether operations record gradients. Thread-local; on at the start of every thread.

#include <weft/core/export.h>

namespace weft {

WEFT_API bool grad_enabled() noexcept;
WEFT_API void set_grad_enabled(bool on) noexcept;

/// Nothing is recorded while one lives:  { weft::NoGrad off; accuracy = evaluate(model); }
class WEFT_API NoGrad {
 public:
  NoGrad() noexcept : before_(grad_enabled()) { set_grad_enabled(false); }
  ~NoGrad() { set_grad_enabled(before_); }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// Turns recording on again inside a NoGrad.
class WEFT_API EnableGrad {
 public:
  EnableGrad() noexcept : before_(grad_enabled()) { set_grad_enabled(true); }
  ~EnableGrad() { set_grad_enabled(before_); }
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  bool before_;
};

}  // namespace weft
