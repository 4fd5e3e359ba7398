#pragma once
// Ending a training that no longer gets better.
//
//     weft::nn::EarlyStopping stopping(model, {.patience = 5});
//     for (...) {
//       train_one_epoch();
//       if (stopping.step(validation_loss())) break;
//     }
//     stopping.restore_best();

#include <cstdint>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>
#include <weft/nn/state_dict.h>

namespace weft::nn {

struct EarlyStoppingOptions {
  int patience = 3;      ///< so many values in a row that are no better end the training, at least 1
  double min_delta = 0;  ///< better by more than this, >= 0
  enum class Mode : std::uint8_t {
    min,
    max
  } mode = Mode::min;  ///< whether less (a loss) or more (an accuracy) is better
};

/// Watches one number and keeps a copy of the model's parameters and buffers at its best. A NaN is never better. The
/// model must outlive it. Not thread-safe.
class WEFT_API EarlyStopping {
 public:
  using Mode = EarlyStoppingOptions::Mode;
  /// Throws ValueError (value_out_of_range).
  explicit EarlyStopping(Module& model, EarlyStoppingOptions options = {}, CallSite at = CallSite::here());

  /// Takes the next value; true when it is time to stop.
  bool step(double value, CallSite at = CallSite::here());
  bool stopped() const noexcept { return waited_ >= options_.patience; }

  double best() const noexcept { return best_; }  ///< NaN before the first number
  /// The count, from 0, of the step() that gave the best; -1 before the first number.
  std::int64_t best_step() const noexcept { return best_step_; }
  int waited() const noexcept { return waited_; }  ///< values since the best

  /// Puts the best values into the model. StateError (state_mismatch) when there are none yet, or when the model has
  /// other parameters now.
  void restore_best(CallSite at = CallSite::here());

 private:
  Module* model_;
  EarlyStoppingOptions options_;
  double best_;
  std::int64_t best_step_ = -1;
  std::int64_t steps_ = 0;
  int waited_ = 0;
  StateDict state_;
};

}  // namespace weft::nn
