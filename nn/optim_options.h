#pragma once
// Private: what the optimisers' options have in common.

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/optim.h>

namespace weft::nn {

/// Checks the options of one optimiser; its errors name the optimiser, the option and the value.
class OptionCheck {
 public:
  OptionCheck(const char* op, CallSite at) noexcept : op_(op), at_(at) {}

  void below_one(const char* name, double value) const {
    if (!(value >= 0 && value < 1)) refuse(name, value, "is not in [0, 1)");
  }
  void fraction(const char* name, double value) const {
    if (!(value >= 0 && value <= 1)) refuse(name, value, "is not in [0, 1]");
  }
  void not_negative(const char* name, double value) const {
    if (!std::isfinite(value) || value < 0) refuse(name, value, "is not a finite number >= 0");
  }
  void positive(const char* name, double value) const {
    if (!std::isfinite(value) || value <= 0) refuse(name, value, "is not a finite number > 0");
  }

 private:
  [[noreturn]] void refuse(const char* name, double value, const char* range) const {
    throw ValueError(ErrorCode::value_out_of_range, op_, message(name, " = ", value, ' ', range), at_);
  }

  const char* op_;
  CallSite at_;
};

}  // namespace weft::nn
