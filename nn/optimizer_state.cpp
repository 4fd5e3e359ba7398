#include <cmath>

#include <weft/core/message.h>
#include <weft/nn/mismatch.h>
#include <weft/nn/optim.h>
#include <weft/nn/pending.h>
#include <weft/tensor/creation.h>

namespace weft::nn {
namespace {

/// "12.momentum_buffer"
std::string state_key(std::size_t index, std::string_view name) { return message(index, '.', name); }

}  // namespace

OptimizerState Optimizer::state_dict() const {
  OptimizerState state;
  state.type = type_;
  for (const Group& g : groups_) {
    state.groups.push_back({static_cast<std::int64_t>(g.end - g.begin), g.lr, g.recipe.options});
    for (std::size_t i = g.begin; i < g.end; ++i) {
      state.steps.push_back(slots_[i].steps);
      for (std::size_t s = 0; s < 2; ++s) {
        const char* name = g.recipe.states[s];
        if (name != nullptr && slots_[i].steps > 0) state.tensors.push_back({state_key(i, name), slots_[i].state[s]});
      }
    }
  }
  return state;
}

PendingOptimizer::PendingOptimizer(Optimizer& optimizer, const OptimizerState& state, const std::string& prefix,
                                   std::vector<std::string>& problems, CallSite at)
    : optimizer_(optimizer), slots_(optimizer.parameters_.size()) {
  const std::size_t before = problems.size();
  const auto tell = [&](const std::string& problem) { problems.push_back(prefix + problem); };
  const std::vector<Optimizer::Group>& groups = optimizer.groups_;
  if (state.type != optimizer.type_) tell(message("type: ", optimizer.type_, " expected, ", state.type, " given"));
  if (state.steps.size() != slots_.size()) {
    tell(message("parameters: ", slots_.size(), " expected, ", state.steps.size(), " given"));
  }
  if (state.groups.size() != groups.size()) {
    tell(message("parameter groups: ", groups.size(), " expected, ", state.groups.size(), " given"));
  } else {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const OptimizerGroupState& given = state.groups[g];
      const std::string of = groups.size() == 1 ? "" : message("group ", g, ' ');
      const auto count = static_cast<std::int64_t>(groups[g].end - groups[g].begin);
      if (given.parameters != count && groups.size() > 1) {
        tell(message(of, "parameters: ", count, " expected, ", given.parameters, " given"));
      }
      if (!std::isfinite(given.lr) || given.lr < 0) tell(message(of, "lr: ", given.lr, " given"));
      lr_.push_back(given.lr);
      if (state.type != optimizer.type_) continue;
      for (const std::string& problem : mismatches(groups[g].recipe.options, given.options)) tell(of + problem);
    }
  }
  if (problems.size() != before) return;

  // What a state with these step counts holds for these parameters.
  StateDict expected;
  for (const Optimizer::Group& g : groups) {
    for (std::size_t i = g.begin; i < g.end; ++i) {
      slots_[i].steps = state.steps[i];
      if (slots_[i].steps < 0) tell(message("steps of parameter ", i, ": ", slots_[i].steps, " given"));
      if (slots_[i].steps <= 0) continue;
      for (std::size_t s = 0; s < 2; ++s) {
        if (g.recipe.states[s] == nullptr) continue;
        slots_[i].state[s] = empty_like(optimizer.parameters_[i], at);
        expected.push_back({state_key(i, g.recipe.states[s]), slots_[i].state[s]});
      }
    }
  }
  for (const std::string& problem : mismatches(expected, state.tensors, true)) tell(problem);
  if (problems.size() == before) PendingTensors(expected, state.tensors, "load_state_dict", at).commit();
}

void PendingOptimizer::commit() noexcept {
  optimizer_.slots_.swap(slots_);
  for (std::size_t g = 0; g < lr_.size(); ++g) optimizer_.groups_[g].lr = lr_[g];
}

void Optimizer::load_state_dict(const OptimizerState& state, CallSite at) {
  std::vector<std::string> problems;
  PendingOptimizer pending(*this, state, "", problems, at);
  if (!problems.empty()) {
    throw state_mismatch("load_state_dict", message("the state does not fit this ", type_), problems, at);
  }
  pending.commit();
}

}  // namespace weft::nn
