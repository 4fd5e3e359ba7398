#pragma once
// Learning rates that change from step to step.
//
//     weft::nn::WarmupCosine schedule(optimizer, {.base_lr = 0.1, .warmup_steps = 234, .total_steps = 4690});
//     ... optimizer.step(); schedule.step();

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/optim.h>

namespace weft::nn {

struct ScheduleState {
  std::string type;
  std::int64_t position = 0;
  std::vector<std::pair<std::string, double>> options;
};

/// Sets the optimiser's learning rate to a function of the position: at construction to lr_at(0), after n steps to
/// lr_at(n). The optimiser must outlive it.
class WEFT_API Schedule {
 public:
  virtual ~Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  /// The learning rate of step `step`, counted from 0. A pure function.
  virtual double lr_at(std::int64_t step) const noexcept = 0;

  void step(CallSite at = CallSite::here());  ///< call it after optimizer.step()
  std::int64_t position() const noexcept { return position_; }
  /// Throws ValueError below 0.
  void set_position(std::int64_t position, CallSite at = CallSite::here());

  ScheduleState state_dict() const;
  /// Restores the position. Another type or other options: StateError (state_mismatch) that lists them all; nothing has
  /// changed then. To go on with another schedule on purpose, call set_position().
  void load_state_dict(const ScheduleState& state, CallSite at = CallSite::here());
  /// Only the comparison of load_state_dict(): one line per difference, empty when it fits.
  std::vector<std::string> mismatches(const ScheduleState& state) const;

 protected:
  explicit Schedule(Optimizer& optimizer) noexcept : optimizer_(&optimizer) {}
  virtual const char* type() const noexcept = 0;
  virtual std::vector<std::pair<std::string, double>> options() const = 0;

 private:
  Optimizer* optimizer_;
  std::int64_t position_ = 0;
};

struct WarmupCosineOptions {
  double base_lr = 0.1;
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 0;
  double min_lr = 0;

  /// Step counted from 0:
  ///     step < warmup_steps:  base_lr (step + 1) / warmup_steps
  ///     step < total_steps:   min_lr + (base_lr - min_lr) (1 + cos(pi t)) / 2,  t = (step - warmup) / (total - warmup)
  ///     later:                min_lr
  WEFT_API double lr_at(std::int64_t step) const noexcept;
};

/// Linear warm-up from base_lr / warmup_steps to base_lr, then half a cosine down to min_lr (Loshchilov and Hutter,
/// 2017, without restarts).
class WEFT_API WarmupCosine : public Schedule {
 public:
  /// Throws ValueError (value_out_of_range): total_steps below 1, warmup_steps outside 0 .. total_steps, rates that are
  /// negative or not finite, min_lr above base_lr.
  WarmupCosine(Optimizer& optimizer, WarmupCosineOptions options, CallSite at = CallSite::here());
  double lr_at(std::int64_t step) const noexcept override { return options_.lr_at(step); }

 protected:
  const char* type() const noexcept override;
  std::vector<std::pair<std::string, double>> options() const override;

 private:
  WarmupCosineOptions options_;
};

}  // namespace weft::nn
