#pragma once
// Learning rates that change from step to step.
//
//     weft::nn::WarmupCosine schedule(optimizer, {.base_lr = 0.1, .warmup_steps = 234, .total_steps = 4690});
//     ... optimizer.step(); schedule.step();
//
// Every schedule is a function of the position alone: lr_at(step) says what it will set at any step, without changing
// anything, so a run that goes on from a checkpoint follows the same rates. A step may be a batch or an epoch: it is
// what happens between two calls of step().
//
// The schedules named after PyTorch's follow torch.optim.lr_scheduler: they start from the learning rates the program
// chose (Optimizer::base_lr), one per parameter group. WarmupCosine and OneCycleLR bring their own highest rate; the
// further groups then get the same curve times base_lr(group) / base_lr(0).

#include <cstddef>
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

/// Sets the optimiser's learning rates to a function of the position: at construction to lr_at(0), after n steps to
/// lr_at(n). The optimiser must outlive it. Groups added to the optimiser later are left alone. Not thread-safe.
class WEFT_API Schedule {
 public:
  virtual ~Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  /// The learning rate of step `step`, counted from 0; below 0 counts as 0. A pure function. IndexError
  /// (index_out_of_range) for a group that was not there when the schedule was made.
  double lr_at(std::int64_t step, std::size_t group = 0, CallSite at = CallSite::here()) const;

  /// Call it after optimizer.step(). Throws ValueError (value_out_of_range) when the next rate is not finite (a gamma
  /// above 1 gets there); nothing has changed then.
  void step(CallSite at = CallSite::here());
  std::int64_t position() const noexcept { return position_; }
  /// Throws ValueError below 0, and as step().
  void set_position(std::int64_t position, CallSite at = CallSite::here());

  ScheduleState state_dict() const;
  /// Restores the position. Another type or other options: StateError (state_mismatch) that lists them all; nothing has
  /// changed then. To go on with another schedule on purpose, call set_position().
  void load_state_dict(const ScheduleState& state, CallSite at = CallSite::here());
  /// Only the comparison of load_state_dict(): one line per difference, empty when it fits.
  std::vector<std::string> mismatches(const ScheduleState& state) const;

 protected:
  /// What a group's learning rates are computed from: the rate chosen for it, or its factor.
  enum class Base : std::uint8_t { rate, factor };
  /// Throws ValueError (value_invalid) for factors where the first of several groups has a rate of 0.
  Schedule(Optimizer& optimizer, const char* type, Base base, CallSite at);

  double base(std::size_t group) const noexcept { return bases_[group]; }
  /// lr_at() of a group that exists, at a step of at least 0.
  virtual double rate(std::int64_t step, std::size_t group) const = 0;
  virtual std::vector<std::pair<std::string, double>> options() const = 0;

 private:
  friend class SequentialLR;
  std::vector<std::pair<std::string, double>> all_options() const;

  Optimizer* optimizer_;
  const char* type_;  // the class's name, a literal
  Base kind_;
  std::vector<double> bases_;  // per group
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

 protected:
  double rate(std::int64_t step, std::size_t group) const override;
  std::vector<std::pair<std::string, double>> options() const override;

 private:
  WarmupCosineOptions options_;
};

struct StepLROptions {
  std::int64_t step_size = 1;  ///< at least 1
  double gamma = 0.1;          ///< > 0
};

/// base_lr gamma^floor(step / step_size)
class WEFT_API StepLR : public Schedule {
 public:
  /// Throws ValueError (value_out_of_range) naming the option, as do the schedules below.
  StepLR(Optimizer& optimizer, StepLROptions options, CallSite at = CallSite::here());

 protected:
  double rate(std::int64_t step, std::size_t group) const override;
  std::vector<std::pair<std::string, double>> options() const override;

 private:
  StepLROptions options_;
};

struct MultiStepLROptions {
  std::vector<std::int64_t> milestones;  ///< in order, none below 0; one named twice counts twice
  double gamma = 0.1;                    ///< > 0
};

/// base_lr gamma^(how many milestones are <= step)
class WEFT_API MultiStepLR : public Schedule {
 public:
  /// Also ValueError (value_invalid) for milestones that are not in order.
  MultiStepLR(Optimizer& optimizer, MultiStepLROptions options, CallSite at = CallSite::here());

 protected:
  double rate(std::int64_t step, std::size_t group) const override;
  std::vector<std::pair<std::string, double>> options() const override;

 private:
  MultiStepLROptions options_;
};

struct ExponentialLROptions {
  double gamma = 0.1;  ///< > 0
};

/// base_lr gamma^step
class WEFT_API ExponentialLR : public Schedule {
 public:
  ExponentialLR(Optimizer& optimizer, ExponentialLROptions options, CallSite at = CallSite::here());

 protected:
  double rate(std::int64_t step, std::size_t group) const override;
  std::vector<std::pair<std::string, double>> options() const override;

 private:
  ExponentialLROptions options_;
};

struct CosineAnnealingLROptions {
  std::int64_t T_max = 1;  ///< steps from the highest rate to the lowest, at least 1
  double eta_min = 0;      ///< >= 0, the same for every group
};

/// eta_min + (base_lr - eta_min) (1 + cos(pi step / T_max)) / 2. After T_max it rises again, as PyTorch's does: for a
/// rate that stays low, stop there or use WarmupCosine.
class WEFT_API CosineAnnealingLR : public Schedule {
 public:
  CosineAnnealingLR(Optimizer& optimizer, CosineAnnealingLROptions options, CallSite at = CallSite::here());

 protected:
  double rate(std::int64_t step, std::size_t group) const override;
  std::vector<std::pair<std::string, double>> options() const override;

 private:
  CosineAnnealingLROptions options_;
};

struct LinearLROptions {
  double start_factor = 1.0 / 3;  ///< in (0, 1]
  double end_factor = 1;          ///< in [0, 1]
  std::int64_t total_iters = 5;   ///< at least 1
};

/// Warm-up: base_lr (start_factor + (end_factor - start_factor) min(step, total_iters) / total_iters)
class WEFT_API LinearLR : public Schedule {
 public:
  LinearLR(Optimizer& optimizer, LinearLROptions options = {}, CallSite at = CallSite::here());

 protected:
  double rate(std::int64_t step, std::size_t group) const override;
  std::vector<std::pair<std::string, double>> options() const override;

 private:
  LinearLROptions options_;
};

enum class Anneal : std::uint8_t { cosine, linear };

struct OneCycleLROptions {
  double max_lr = 0;             ///< > 0
  std::int64_t total_steps = 0;  ///< at least 1
  double pct_start = 0.3;        ///< the share of the steps that go up, in [0, 1]
  Anneal anneal = Anneal::cosine;
  double div_factor = 25;         ///< the first rate is max_lr / div_factor, > 0
  double final_div_factor = 1e4;  ///< the last one is max_lr / div_factor / final_div_factor, > 0
  bool three_phase = false;       ///< up, down to the first rate in as many steps, then to the last one

  /// From one rate to the next, step counted from 0 and the last one standing for all that follow:
  ///     linear:  a + (b - a) t,   cosine:  b + (a - b) (1 + cos(pi t)) / 2,   t = (step - begin) / (end - begin)
  /// with the ends at pct_start total_steps - 1, (three_phase: 2 pct_start total_steps - 2,) total_steps - 1.
  WEFT_API double lr_at(std::int64_t step) const noexcept;
};

/// One cycle (Smith and Topin, 2018): up to max_lr, then down far below the first rate. Momentum is not cycled
/// (PyTorch's cycle_momentum = False).
class WEFT_API OneCycleLR : public Schedule {
 public:
  OneCycleLR(Optimizer& optimizer, OneCycleLROptions options, CallSite at = CallSite::here());

 protected:
  double rate(std::int64_t step, std::size_t group) const override;
  std::vector<std::pair<std::string, double>> options() const override;

 private:
  OneCycleLROptions options_;
};

/// One schedule after the other; each counts its steps from its milestone.
///
///     weft::nn::LinearLR warmup(optimizer, {.start_factor = 0.1, .total_iters = 500});
///     weft::nn::CosineAnnealingLR cosine(optimizer, {.T_max = 9500});
///     weft::nn::SequentialLR schedule(optimizer, {&warmup, &cosine}, {500});
///
/// Only this one is stepped; the others must outlive it.
class WEFT_API SequentialLR : public Schedule {
 public:
  /// Throws ValueError (value_invalid): no schedules, one that is null or of another optimiser, milestones that are not
  /// one fewer than the schedules or not above 0 and in increasing order.
  SequentialLR(Optimizer& optimizer, std::vector<const Schedule*> schedules, std::vector<std::int64_t> milestones,
               CallSite at = CallSite::here());

 protected:
  double rate(std::int64_t step, std::size_t group) const override;
  std::vector<std::pair<std::string, double>> options() const override;

 private:
  std::vector<const Schedule*> schedules_;
  std::vector<std::int64_t> milestones_;
};

}  // namespace weft::nn
