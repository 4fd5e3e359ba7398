#include <algorithm>
#include <cmath>
#include <memory>
#include <tuple>
#include <unordered_set>

#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/nn/optim.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/step_script.h>
#include <weft/tensor/tensor_impl.h>

namespace weft::nn {
namespace {

void check_lr(const char* op, double lr, CallSite at) {
  if (!std::isfinite(lr) || lr < 0) {
    throw ValueError(ErrorCode::value_out_of_range, op, message("lr = ", lr, " is not a finite number >= 0"), at);
  }
}

}  // namespace

Optimizer::~Optimizer() = default;

Optimizer::Optimizer(const char* type, std::size_t groups, CallSite at) : type_(type) {
  if (groups == 0) throw ValueError(ErrorCode::value_invalid, type, "the list of parameter groups is empty", at);
}

/// "parameter 3", "parameter 0 of group 1"
std::string Optimizer::name_of(std::size_t parameter) const {
  std::size_t g = 0;
  while (g < groups_.size() && parameter >= groups_[g].end) ++g;
  const std::size_t begin = g < groups_.size() ? groups_[g].begin : groups_.empty() ? 0 : groups_.back().end;
  return g == 0 && groups_.size() < 2 ? message("parameter ", parameter)
                                      : message("parameter ", parameter - begin, " of group ", g);
}

void Optimizer::add_group(std::vector<Tensor> parameters, Recipe recipe, CallSite at) {
  check_lr(type_, recipe.lr, at);
  if (parameters.empty()) {
    throw ValueError(
        ErrorCode::value_invalid, type_,
        message("the list of parameters", groups_.empty() ? "" : message(" of group ", groups_.size()), " is empty"),
        at);
  }
  std::unordered_set<const void*> seen;
  for (const Tensor& parameter : parameters_) seen.insert(parameter.impl());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& parameter = parameters[i];
    const auto name = [&] { return name_of(parameters_.size() + i); };
    if (!parameter.defined()) {
      throw StateError(ErrorCode::tensor_undefined, type_, message(name(), " is an undefined tensor"), at);
    }
    if (!seen.insert(parameter.impl()).second) {
      throw ValueError(ErrorCode::value_invalid, type_, message(name(), " is listed twice"), at);
    }
    if (!parameter.is_leaf()) {
      throw ValueError(ErrorCode::value_invalid, type_,
                       message(name(), ", ", parameter.shape(),
                               ", is not a leaf but the result of recorded operations: its gradient is not kept"),
                       at);
    }
    if (!is_floating(parameter.dtype())) {
      throw DTypeError(ErrorCode::dtype_unsupported, type_, message(name(), " is ", parameter.dtype()), at);
    }
  }
  const std::size_t begin = parameters_.size(), end = begin + parameters.size();
  groups_.reserve(groups_.size() + 1);
  slots_.reserve(end);
  parameters_.reserve(end);
  groups_.push_back({begin, end, recipe.lr, recipe.lr, std::move(recipe)});  // nothing throws from here on
  slots_.resize(end);
  for (Tensor& parameter : parameters) parameters_.push_back(std::move(parameter));
}

const Optimizer::Group& Optimizer::group(std::size_t index, const char* op, CallSite at) const {
  if (index >= groups_.size()) {
    throw IndexError(ErrorCode::index_out_of_range, op,
                     message("group ", index, " of ", groups_.size(), groups_.size() == 1 ? " group" : " groups"), at);
  }
  return groups_[index];
}

std::vector<Tensor> Optimizer::parameters(std::size_t index, CallSite at) const {
  const Group& g = group(index, "parameters", at);
  std::vector<Tensor> found;
  for (std::size_t i = g.begin; i < g.end; ++i) found.push_back(parameters_[i]);
  return found;
}

double Optimizer::lr(std::size_t index, CallSite at) const { return group(index, "lr", at).lr; }
double Optimizer::base_lr(std::size_t index, CallSite at) const { return group(index, "base_lr", at).base_lr; }

void Optimizer::set_lr(double lr, CallSite at) {
  check_lr("set_lr", lr, at);
  for (Group& g : groups_) g.lr = g.base_lr = lr;
}

void Optimizer::set_lr(std::size_t index, double lr, CallSite at) {
  group(index, "set_lr", at);
  check_lr("set_lr", lr, at);
  groups_[index].lr = groups_[index].base_lr = lr;
}

void Optimizer::zero_grad(CallSite at) {
  for (Tensor& parameter : parameters_) parameter.zero_grad(at);
}

/// A parameter that is due, with its gradient as the backend takes it.
struct Optimizer::Work {
  std::size_t index, group;
  Tensor grad;
  Tensor fresh[2];  // states a first step, or a parameter that moved, needs
};

std::vector<Optimizer::Work> Optimizer::gather(CallSite at) const {
  std::vector<Work> work;
  work.reserve(parameters_.size());
  std::size_t g = 0;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    while (i >= groups_[g].end) ++g;
    const Tensor& parameter = parameters_[i];
    Tensor grad = parameter.grad(at);
    if (!grad.defined()) continue;
    if (grad.shape() != parameter.shape() || grad.dtype() != parameter.dtype() || grad.device() != parameter.device()) {
      throw AutogradError(
          ErrorCode::gradient_mismatch, type_,
          message(name_of(i), " is ", parameter.dtype(), ' ', parameter.shape(), " on ", parameter.device(),
                  ", its gradient ", grad.dtype(), ' ', grad.shape(), " on ", grad.device()),
          at);
    }
    if (!parameter.is_contiguous()) {
      throw ValueError(ErrorCode::value_invalid, type_,
                       message(name_of(i), ", ", parameter.shape(), ", is not contiguous: train a .contiguous() copy"),
                       at);
    }
    Work item{i, g, ops::contiguous(grad, type_, at), {}};
    for (std::size_t s = 0; s < 2; ++s) {
      if (groups_[g].recipe.states[s] == nullptr) continue;
      const Tensor& state = slots_[i].state[s];
      if (!state.defined()) {
        item.fresh[s] = zeros_like(parameter, at);
      } else if (state.device() != parameter.device() || state.dtype() != parameter.dtype()) {
        item.fresh[s] = ops::cast(ops::to_device(state, parameter.device(), type_, at), parameter.dtype(), type_, at);
      }
    }
    work.push_back(std::move(item));
  }
  return work;
}

/// The one place where what changes from step to step enters a call: in a captured step as words on the device that
/// every replay fills.
backends::OptimArgs Optimizer::arguments(std::size_t group, std::size_t slot) {
  backends::OptimArgs args = groups_[group].recipe.args;
  if (StepScript* script = StepScript::recording()) {
    args.lr = script->number([this, group] { return groups_[group].lr; });
    args.step = script->number([this, slot] { return static_cast<double>(slots_[slot].steps + 1); });
  } else {
    args.lr = backends::Number(groups_[group].lr);
    args.step = backends::Number(slots_[slot].steps + 1);
  }
  return args;
}

/// Counts a step of these parameters: now or, while a step is recorded, at every replay.
void Optimizer::count(std::vector<std::size_t> stepped) {
  StepScript* script = StepScript::recording();
  if (script == nullptr) {
    for (const std::size_t i : stepped) ++slots_[i].steps;
    return;
  }
  const auto shared = std::make_shared<const std::vector<std::size_t>>(std::move(stepped));
  script->act(
      [this, shared] {
        for (const std::size_t i : *shared) ++slots_[i].steps;
      },
      [this, shared] {
        for (const std::size_t i : *shared) --slots_[i].steps;
      });
}

void Optimizer::step(CallSite at) { step_by(1, at); }

void Optimizer::step_by(double grad_scale, CallSite at) {
  const TraceSpan span(type_, "optimizer");
  const NoGrad off;
  std::vector<Work> work = gather(at);
  for (Work& item : work) {
    for (std::size_t s = 0; s < 2; ++s) {
      if (!item.fresh[s].defined()) continue;
      if (StepScript::recording() != nullptr) {  // every replay would begin with a fresh one
        throw StateError(ErrorCode::read_only, "capture",
                         message(name_of(item.index), " got no gradient in the executed call of the captured step, so ",
                                 type_, " has no state for it yet: step it once before capturing"),
                         at);
      }
      slots_[item.index].state[s] = std::move(item.fresh[s]);
    }
  }

  // One call of the backend for what shares group, device, dtype and step count: all parameters, in a usual training
  // loop.
  const auto call_of = [&](const Work& item) {
    const Tensor& p = parameters_[item.index];
    const Device d = p.device();
    return std::tuple(item.group, d.kind, d.index, p.dtype(), slots_[item.index].steps);
  };
  std::stable_sort(work.begin(), work.end(), [&](const Work& a, const Work& b) { return call_of(a) < call_of(b); });
  std::vector<backends::OptimSlot> batch;
  batch.reserve(work.size());
  for (std::size_t begin = 0; begin < work.size();) {
    std::size_t end = begin;
    batch.clear();
    for (; end < work.size() && call_of(work[end]) == call_of(work[begin]); ++end) {
      const Tensor& parameter = parameters_[work[end].index];
      const Slot& slot = slots_[work[end].index];
      if (parameter.numel() == 0) continue;
      backends::OptimSlot views{view_of(parameter), view_of(work[end].grad), {}, {}};
      if (slot.state[0].defined()) views.state1 = view_of(slot.state[0]);
      if (slot.state[1].defined()) views.state2 = view_of(slot.state[1]);
      batch.push_back(views);
    }
    const std::size_t first = work[begin].index;
    if (!batch.empty()) {
      backends::Backend& backend = ops::begin(parameters_[first], type_, at);
      backends::OptimArgs args = arguments(work[begin].group, first);
      args.grad_scale = backends::Number(grad_scale);
      backend.optimise(args, batch);
    }
    std::vector<std::size_t> stepped;
    for (; begin < end; ++begin) {
      const Slot& slot = slots_[work[begin].index];
      stepped.push_back(work[begin].index);
      ops::bump_version(parameters_[work[begin].index]);
      for (const Tensor& state : slot.state) {
        if (state.defined()) ops::bump_version(state);
      }
    }
    count(std::move(stepped));
  }
}

}  // namespace weft::nn
