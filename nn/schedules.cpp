#include <algorithm>
#include <cmath>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/optim_options.h>
#include <weft/nn/schedule.h>

namespace weft::nn {
namespace {

constexpr double pi = 3.14159265358979323846;

void check_at_least_one(const char* op, const char* name, std::int64_t value, CallSite at) {
  if (value < 1) throw ValueError(ErrorCode::value_out_of_range, op, message(name, " = ", value, " is below 1"), at);
}

/// From a at t = 0 to b at t = 1 along half a cosine.
double along_cosine(double a, double b, double t) { return b + (a - b) * (1 + std::cos(pi * t)) / 2; }

double power(double gamma, std::int64_t n) { return std::pow(gamma, static_cast<double>(n)); }

}  // namespace

// ---- WarmupCosine

double WarmupCosineOptions::lr_at(std::int64_t step) const noexcept {
  if (step < 0) step = 0;
  if (step < warmup_steps) return base_lr * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (step >= total_steps) return min_lr;
  return along_cosine(base_lr, min_lr,
                      static_cast<double>(step - warmup_steps) / static_cast<double>(total_steps - warmup_steps));
}

WarmupCosine::WarmupCosine(Optimizer& optimizer, WarmupCosineOptions options, CallSite at)
    : Schedule(optimizer, "WarmupCosine", Base::factor, at), options_(options) {
  const char* op = "WarmupCosine";
  check_at_least_one(op, "total_steps", options.total_steps, at);
  if (options.warmup_steps < 0 || options.warmup_steps > options.total_steps) {
    throw ValueError(
        ErrorCode::value_out_of_range, op,
        message("warmup_steps = ", options.warmup_steps, " is not in 0 .. total_steps = ", options.total_steps), at);
  }
  OptionCheck(op, at).not_negative("base_lr", options.base_lr);
  if (!(options.min_lr >= 0 && options.min_lr <= options.base_lr)) {
    throw ValueError(ErrorCode::value_out_of_range, op,
                     message("min_lr = ", options.min_lr, " is not in [0, base_lr = ", options.base_lr, "]"), at);
  }
  set_position(0, at);
}

double WarmupCosine::rate(std::int64_t step, std::size_t group) const { return options_.lr_at(step) * base(group); }

std::vector<std::pair<std::string, double>> WarmupCosine::options() const {
  return {{"base_lr", options_.base_lr},
          {"warmup_steps", static_cast<double>(options_.warmup_steps)},
          {"total_steps", static_cast<double>(options_.total_steps)},
          {"min_lr", options_.min_lr}};
}

// ---- StepLR

StepLR::StepLR(Optimizer& optimizer, StepLROptions options, CallSite at)
    : Schedule(optimizer, "StepLR", Base::rate, at), options_(options) {
  check_at_least_one("StepLR", "step_size", options.step_size, at);
  OptionCheck("StepLR", at).positive("gamma", options.gamma);
  set_position(0, at);
}

double StepLR::rate(std::int64_t step, std::size_t group) const {
  return base(group) * power(options_.gamma, step / options_.step_size);
}

std::vector<std::pair<std::string, double>> StepLR::options() const {
  return {{"step_size", static_cast<double>(options_.step_size)}, {"gamma", options_.gamma}};
}

// ---- MultiStepLR

MultiStepLR::MultiStepLR(Optimizer& optimizer, MultiStepLROptions options, CallSite at)
    : Schedule(optimizer, "MultiStepLR", Base::rate, at), options_(std::move(options)) {
  OptionCheck("MultiStepLR", at).positive("gamma", options_.gamma);
  for (std::size_t i = 0; i < options_.milestones.size(); ++i) {
    const std::int64_t milestone = options_.milestones[i];
    if (milestone < 0) {
      throw ValueError(ErrorCode::value_out_of_range, "MultiStepLR",
                       message("milestone ", i, " = ", milestone, " is below 0"), at);
    }
    if (i > 0 && milestone < options_.milestones[i - 1]) {
      throw ValueError(ErrorCode::value_invalid, "MultiStepLR",
                       message("milestone ", i, " = ", milestone, " comes after ", options_.milestones[i - 1]), at);
    }
  }
  set_position(0, at);
}

double MultiStepLR::rate(std::int64_t step, std::size_t group) const {
  const std::vector<std::int64_t>& all = options_.milestones;
  return base(group) * power(options_.gamma, std::upper_bound(all.begin(), all.end(), step) - all.begin());
}

std::vector<std::pair<std::string, double>> MultiStepLR::options() const {
  std::vector<std::pair<std::string, double>> all = {{"gamma", options_.gamma}};
  for (std::size_t i = 0; i < options_.milestones.size(); ++i) {
    all.emplace_back(message("milestone.", i), static_cast<double>(options_.milestones[i]));
  }
  return all;
}

// ---- ExponentialLR

ExponentialLR::ExponentialLR(Optimizer& optimizer, ExponentialLROptions options, CallSite at)
    : Schedule(optimizer, "ExponentialLR", Base::rate, at), options_(options) {
  OptionCheck("ExponentialLR", at).positive("gamma", options.gamma);
  set_position(0, at);
}

double ExponentialLR::rate(std::int64_t step, std::size_t group) const {
  return base(group) * power(options_.gamma, step);
}

std::vector<std::pair<std::string, double>> ExponentialLR::options() const { return {{"gamma", options_.gamma}}; }

// ---- CosineAnnealingLR

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, CosineAnnealingLROptions options, CallSite at)
    : Schedule(optimizer, "CosineAnnealingLR", Base::rate, at), options_(options) {
  check_at_least_one("CosineAnnealingLR", "T_max", options.T_max, at);
  OptionCheck("CosineAnnealingLR", at).not_negative("eta_min", options.eta_min);
  set_position(0, at);
}

double CosineAnnealingLR::rate(std::int64_t step, std::size_t group) const {
  // The period is 2 T_max: a whole number of them is taken off first, so that the cosine stays exact far out.
  const std::int64_t phase = step % (2 * options_.T_max);
  return along_cosine(base(group), options_.eta_min, static_cast<double>(phase) / static_cast<double>(options_.T_max));
}

std::vector<std::pair<std::string, double>> CosineAnnealingLR::options() const {
  return {{"T_max", static_cast<double>(options_.T_max)}, {"eta_min", options_.eta_min}};
}

// ---- LinearLR

LinearLR::LinearLR(Optimizer& optimizer, LinearLROptions options, CallSite at)
    : Schedule(optimizer, "LinearLR", Base::rate, at), options_(options) {
  const OptionCheck check("LinearLR", at);
  check.positive("start_factor", options.start_factor);
  check.fraction("start_factor", options.start_factor);
  check.fraction("end_factor", options.end_factor);
  check_at_least_one("LinearLR", "total_iters", options.total_iters, at);
  set_position(0, at);
}

double LinearLR::rate(std::int64_t step, std::size_t group) const {
  const double t =
      static_cast<double>(std::min(step, options_.total_iters)) / static_cast<double>(options_.total_iters);
  return base(group) * (options_.start_factor + (options_.end_factor - options_.start_factor) * t);
}

std::vector<std::pair<std::string, double>> LinearLR::options() const {
  return {{"start_factor", options_.start_factor},
          {"end_factor", options_.end_factor},
          {"total_iters", static_cast<double>(options_.total_iters)}};
}

// ---- OneCycleLR

double OneCycleLROptions::lr_at(std::int64_t step) const noexcept {
  const std::int64_t steps = std::max<std::int64_t>(total_steps, 1);
  const double total = static_cast<double>(steps);
  const double now = static_cast<double>(std::clamp<std::int64_t>(step, 0, steps - 1));
  const double first = max_lr / div_factor, last = first / final_div_factor;
  const double top = pct_start * total - 1;
  const double ends[] = {top, three_phase ? 2 * pct_start * total - 2 : total - 1, total - 1};
  const double rates[] = {first, max_lr, three_phase ? first : last, last};
  const int phases = three_phase ? 3 : 2;
  double begin = 0;
  int i = 0;
  for (; i < phases - 1 && now > ends[i]; ++i) begin = ends[i];
  const double t = ends[i] > begin ? (now - begin) / (ends[i] - begin) : 1;
  const double a = rates[i], b = rates[i + 1];
  return anneal == Anneal::linear ? a + (b - a) * t : along_cosine(a, b, t);
}

OneCycleLR::OneCycleLR(Optimizer& optimizer, OneCycleLROptions options, CallSite at)
    : Schedule(optimizer, "OneCycleLR", Base::factor, at), options_(options) {
  const OptionCheck check("OneCycleLR", at);
  check.positive("max_lr", options.max_lr);
  check_at_least_one("OneCycleLR", "total_steps", options.total_steps, at);
  check.fraction("pct_start", options.pct_start);
  if (options.three_phase && options.pct_start > 0.5) {
    throw ValueError(ErrorCode::value_out_of_range, "OneCycleLR",
                     message("pct_start = ", options.pct_start, " leaves no room for three phases: at most 0.5"), at);
  }
  check.positive("div_factor", options.div_factor);
  check.positive("final_div_factor", options.final_div_factor);
  set_position(0, at);
}

double OneCycleLR::rate(std::int64_t step, std::size_t group) const { return options_.lr_at(step) * base(group); }

std::vector<std::pair<std::string, double>> OneCycleLR::options() const {
  return {{"max_lr", options_.max_lr},
          {"total_steps", static_cast<double>(options_.total_steps)},
          {"pct_start", options_.pct_start},
          {"linear", options_.anneal == Anneal::linear ? 1.0 : 0.0},
          {"div_factor", options_.div_factor},
          {"final_div_factor", options_.final_div_factor},
          {"three_phase", options_.three_phase ? 1.0 : 0.0}};
}

// ---- SequentialLR

SequentialLR::SequentialLR(Optimizer& optimizer, std::vector<const Schedule*> schedules,
                           std::vector<std::int64_t> milestones, CallSite at)
    : Schedule(optimizer, "SequentialLR", Base::rate, at),
      schedules_(std::move(schedules)),
      milestones_(std::move(milestones)) {
  const auto refuse = [&](const std::string& why) {
    throw ValueError(ErrorCode::value_invalid, "SequentialLR", why, at);
  };
  if (schedules_.empty()) refuse("the list of schedules is empty");
  for (std::size_t i = 0; i < schedules_.size(); ++i) {
    if (schedules_[i] == nullptr) refuse(message("schedule ", i, " is a null pointer"));
    if (schedules_[i]->optimizer_ != &optimizer || schedules_[i]->bases_.size() != bases_.size()) {
      refuse(message("schedule ", i, " was made for another optimiser, or before its last group was added"));
    }
  }
  if (milestones_.size() + 1 != schedules_.size()) {
    refuse(message(milestones_.size(), " milestones for ", schedules_.size(), " schedules: there is one between two"));
  }
  for (std::size_t i = 0; i < milestones_.size(); ++i) {
    const std::int64_t before = i == 0 ? 0 : milestones_[i - 1];
    if (milestones_[i] <= before) {
      refuse(message("milestone ", i, " = ", milestones_[i], " is not above ", before));
    }
  }
  set_position(0, at);
}

double SequentialLR::rate(std::int64_t step, std::size_t group) const {
  std::size_t i = 0;
  std::int64_t begin = 0;
  for (; i < milestones_.size() && step >= milestones_[i]; ++i) begin = milestones_[i];
  return schedules_[i]->rate(step - begin, group);
}

std::vector<std::pair<std::string, double>> SequentialLR::options() const {
  std::vector<std::pair<std::string, double>> all;
  for (std::size_t i = 0; i < milestones_.size(); ++i) {
    all.emplace_back(message("milestone.", i), static_cast<double>(milestones_[i]));
  }
  for (std::size_t i = 0; i < schedules_.size(); ++i) {
    for (const auto& [name, value] : schedules_[i]->all_options()) {
      all.emplace_back(message(i, '.', schedules_[i]->type_, '.', name), value);
    }
  }
  return all;
}

}  // namespace weft::nn
