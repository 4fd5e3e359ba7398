#include <weft/nn/schedule.h>

#include <cmath>
#include <memory>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/mismatch.h>
#include <weft/tensor/step_script.h>

namespace weft::nn {

Schedule::~Schedule() = default;

Schedule::Schedule(Optimizer& optimizer, const char* type, Base base, CallSite at)
    : optimizer_(&optimizer), type_(type), kind_(base) {
  const double first = optimizer.base_lr(0, at);
  for (std::size_t g = 0; g < optimizer.num_groups(); ++g) {
    const double own = optimizer.base_lr(g, at);
    if (base == Base::rate) {
      bases_.push_back(own);
    } else if (g == 0) {
      bases_.push_back(1);
    } else if (first > 0) {
      bases_.push_back(own / first);
    } else {
      throw ValueError(ErrorCode::value_invalid, type,
                       "group 0 of the optimiser has a learning rate of 0: the others cannot be multiples of it", at);
    }
  }
}

double Schedule::lr_at(std::int64_t step, std::size_t group, CallSite at) const {
  if (group >= bases_.size()) {
    throw IndexError(ErrorCode::index_out_of_range, "lr_at",
                     message("group ", group, " of a schedule made for ", bases_.size()), at);
  }
  return rate(step < 0 ? 0 : step, group);
}

void Schedule::step(CallSite at) {
  StepScript* script = StepScript::recording();
  if (script == nullptr) return set_position(position_ + 1, at);
  const auto before = std::make_shared<std::vector<double>>(bases_.size());  // the program may have set other rates
  script->act(
      [this, before, at] {
        for (std::size_t g = 0; g < before->size(); ++g) (*before)[g] = optimizer_->groups_[g].lr;
        set_position(position_ + 1, at);
      },
      [this, before] {
        for (std::size_t g = 0; g < before->size(); ++g) optimizer_->groups_[g].lr = (*before)[g];
        --position_;
      });
}

void Schedule::set_position(std::int64_t position, CallSite at) {
  if (position < 0) {
    throw ValueError(ErrorCode::value_out_of_range, "set_position", message("position = ", position, " is below 0"),
                     at);
  }
  std::vector<double> rates;
  for (std::size_t g = 0; g < bases_.size(); ++g) {
    rates.push_back(rate(position, g));
    if (!std::isfinite(rates[g]) || rates[g] < 0) {
      throw ValueError(ErrorCode::value_out_of_range, type_,
                       message("the learning rate at step ", position, " is ", rates[g]), at);
    }
  }
  for (std::size_t g = 0; g < rates.size(); ++g) optimizer_->groups_[g].lr = rates[g];
  position_ = position;
}

/// The options, and one entry per group where there are several or where the one rate is not among the options.
std::vector<std::pair<std::string, double>> Schedule::all_options() const {
  std::vector<std::pair<std::string, double>> all = options();
  for (std::size_t g = 0; g < bases_.size(); ++g) {
    if (kind_ == Base::rate) {
      all.emplace_back(g == 0 ? "base_lr" : message("base_lr.", g), bases_[g]);
    } else if (g > 0) {
      all.emplace_back(message("factor.", g), bases_[g]);
    }
  }
  return all;
}

ScheduleState Schedule::state_dict() const { return {type_, position_, all_options()}; }

std::vector<std::string> Schedule::mismatches(const ScheduleState& state) const {
  std::vector<std::string> problems;
  if (state.type != type_) {
    problems.push_back(message("type: ", type_, " expected, ", state.type, " given"));
  } else {
    problems = nn::mismatches(all_options(), state.options);
  }
  if (state.position < 0) problems.push_back(message("position: ", state.position, " given"));
  return problems;
}

void Schedule::load_state_dict(const ScheduleState& state, CallSite at) {
  const std::vector<std::string> problems = mismatches(state);
  if (!problems.empty()) {
    throw state_mismatch("load_state_dict", message("the state does not fit this ", type_), problems, at);
  }
  set_position(state.position, at);
}

}  // namespace weft::nn
