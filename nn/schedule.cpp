#include <weft/nn/schedule.h>

#include <cmath>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/mismatch.h>

namespace weft::nn {

Schedule::~Schedule() = default;

void Schedule::step(CallSite at) { set_position(position_ + 1, at); }

void Schedule::set_position(std::int64_t position, CallSite at) {
  if (position < 0) {
    throw ValueError(ErrorCode::value_out_of_range, "set_position", message("position = ", position, " is below 0"),
                     at);
  }
  optimizer_->set_lr(lr_at(position), at);
  position_ = position;
}

ScheduleState Schedule::state_dict() const { return {type(), position_, options()}; }

std::vector<std::string> Schedule::mismatches(const ScheduleState& state) const {
  std::vector<std::string> problems;
  if (state.type != type()) {
    problems.push_back(message("type: ", type(), " expected, ", state.type, " given"));
  } else {
    problems = nn::mismatches(options(), state.options);
  }
  if (state.position < 0) problems.push_back(message("position: ", state.position, " given"));
  return problems;
}

void Schedule::load_state_dict(const ScheduleState& state, CallSite at) {
  const std::vector<std::string> problems = mismatches(state);
  if (!problems.empty()) {
    throw state_mismatch("load_state_dict", message("the state does not fit this ", type()), problems, at);
  }
  set_position(state.position, at);
}

double WarmupCosineOptions::lr_at(std::int64_t step) const noexcept {
  if (step < 0) step = 0;
  if (step < warmup_steps) return base_lr * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (step >= total_steps) return min_lr;
  constexpr double pi = 3.14159265358979323846;
  const double t = static_cast<double>(step - warmup_steps) / static_cast<double>(total_steps - warmup_steps);
  return min_lr + (base_lr - min_lr) * (1 + std::cos(pi * t)) / 2;
}

namespace {

WarmupCosineOptions checked(WarmupCosineOptions options, CallSite at) {
  const auto refuse = [&](auto... parts) {
    throw ValueError(ErrorCode::value_out_of_range, "WarmupCosine", message(parts...), at);
  };
  if (options.total_steps < 1) refuse("total_steps = ", options.total_steps, " is below 1");
  if (options.warmup_steps < 0 || options.warmup_steps > options.total_steps) {
    refuse("warmup_steps = ", options.warmup_steps, " is not in 0 .. total_steps = ", options.total_steps);
  }
  if (!std::isfinite(options.base_lr) || options.base_lr < 0) {
    refuse("base_lr = ", options.base_lr, " is not a finite number >= 0");
  }
  if (!(options.min_lr >= 0 && options.min_lr <= options.base_lr)) {
    refuse("min_lr = ", options.min_lr, " is not in [0, base_lr = ", options.base_lr, "]");
  }
  return options;
}

}  // namespace

WarmupCosine::WarmupCosine(Optimizer& optimizer, WarmupCosineOptions options, CallSite at)
    : Schedule(optimizer), options_(checked(options, at)) {
  set_position(0, at);
}

const char* WarmupCosine::type() const noexcept { return "WarmupCosine"; }

std::vector<std::pair<std::string, double>> WarmupCosine::options() const {
  return {{"base_lr", options_.base_lr},
          {"warmup_steps", static_cast<double>(options_.warmup_steps)},
          {"total_steps", static_cast<double>(options_.total_steps)},
          {"min_lr", options_.min_lr}};
}

}  // namespace weft::nn
