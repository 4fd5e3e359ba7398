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
  state.type = type();
  state.lr = lr_;
  state.options = options();
  const std::vector<std::string> names = state_names();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    state.steps.push_back(slots_[i].steps);
    for (std::size_t s = 0; s < names.size(); ++s) {
      if (slots_[i].steps > 0) state.tensors.push_back({state_key(i, names[s]), slots_[i].state[s]});
    }
  }
  return state;
}

PendingOptimizer::PendingOptimizer(Optimizer& optimizer, const OptimizerState& state, const std::string& prefix,
                                   std::vector<std::string>& problems, CallSite at)
    : optimizer_(optimizer), slots_(optimizer.parameters_.size()), lr_(state.lr) {
  const std::size_t before = problems.size();
  const auto tell = [&](const std::string& problem) { problems.push_back(prefix + problem); };
  if (state.type != optimizer.type()) tell(message("type: ", optimizer.type(), " expected, ", state.type, " given"));
  if (state.steps.size() != slots_.size()) {
    tell(message("parameters: ", slots_.size(), " expected, ", state.steps.size(), " given"));
  }
  if (!std::isfinite(state.lr) || state.lr < 0) tell(message("lr: ", state.lr, " given"));
  if (state.type == optimizer.type()) {
    for (const std::string& problem : mismatches(optimizer.options(), state.options)) tell(problem);
  }
  if (problems.size() != before) return;

  // What a state with these step counts holds for these parameters.
  const std::vector<std::string> names = optimizer.state_names();
  StateDict expected;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].steps = state.steps[i];
    if (slots_[i].steps < 0) tell(message("steps of parameter ", i, ": ", slots_[i].steps, " given"));
    if (slots_[i].steps <= 0) continue;
    for (std::size_t s = 0; s < names.size(); ++s) {
      slots_[i].state[s] = empty_like(optimizer.parameters_[i], at);
      expected.push_back({state_key(i, names[s]), slots_[i].state[s]});
    }
  }
  for (const std::string& problem : mismatches(expected, state.tensors, true)) tell(problem);
  if (problems.size() == before) PendingTensors(expected, state.tensors, "load_state_dict", at).commit();
}

void PendingOptimizer::commit() noexcept {
  optimizer_.slots_.swap(slots_);
  optimizer_.lr_ = lr_;
}

void Optimizer::load_state_dict(const OptimizerState& state, CallSite at) {
  std::vector<std::string> problems;
  PendingOptimizer pending(*this, state, "", problems, at);
  if (!problems.empty()) {
    throw state_mismatch("load_state_dict", message("the state does not fit this ", type()), problems, at);
  }
  pending.commit();
}

}  // namespace weft::nn
