#include <weft/nn/early_stopping.h>

#include <cmath>
#include <limits>

#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/ops.h>

namespace weft::nn {

EarlyStopping::EarlyStopping(Module& model, EarlyStoppingOptions options, CallSite at)
    : model_(&model), options_(options), best_(std::numeric_limits<double>::quiet_NaN()) {
  if (options.patience < 1) {
    throw ValueError(ErrorCode::value_out_of_range, "EarlyStopping",
                     message("patience = ", options.patience, " is below 1"), at);
  }
  if (!std::isfinite(options.min_delta) || options.min_delta < 0) {
    throw ValueError(ErrorCode::value_out_of_range, "EarlyStopping",
                     message("min_delta = ", options.min_delta, " is not a finite number >= 0"), at);
  }
}

bool EarlyStopping::step(double value, CallSite at) {
  const bool first = best_step_ < 0 && !std::isnan(value);
  const bool better =
      options_.mode == Mode::min ? value < best_ - options_.min_delta : value > best_ + options_.min_delta;
  if (first || better) {
    const NoGrad off;
    StateDict now;
    for (const auto& [name, tensor] : model_->state_dict())
      now.push_back({name, ops::clone(tensor, "EarlyStopping", at)});
    state_ = std::move(now);
    best_ = value;
    best_step_ = steps_;
    waited_ = 0;
  } else {
    ++waited_;
  }
  ++steps_;
  return stopped();
}

void EarlyStopping::restore_best(CallSite at) {
  if (best_step_ < 0) {
    throw StateError(ErrorCode::state_mismatch, "restore_best", "no value was better than none: nothing was kept", at);
  }
  model_->load_state_dict(state_, true, at);
}

}  // namespace weft::nn
