#include <weft/nn/ema.h>

#include <unordered_set>

#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/mismatch.h>
#include <weft/nn/pending.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/step_script.h>

namespace weft::nn {
namespace {

DType kept_dtype(const Tensor& tensor, bool averaged) {
  const DType dtype = tensor.dtype();
  return averaged && dtype != DType::float64 ? DType::float32 : dtype;
}

/// `source` in another dtype and on another device, itself where it fits.
Tensor fitted(const Tensor& source, DType dtype, Device device, const char* op, CallSite at) {
  Tensor moved = source.device() == device ? source : ops::to_device(source, device, op, at);
  return moved.dtype() == dtype ? moved : ops::cast(moved, dtype, op, at);
}

}  // namespace

EMA::EMA(Module& model, double decay, CallSite at) : model_(&model), decay_(decay) {
  if (!(decay >= 0 && decay < 1)) {
    throw ValueError(ErrorCode::value_out_of_range, "EMA", message("decay = ", decay, " is not in [0, 1)"), at);
  }
  const NoGrad off;
  std::unordered_set<const void*> parameters;
  for (const Tensor& parameter : model.parameters()) parameters.insert(parameter.impl());
  std::unordered_set<const void*> seen;
  for (const auto& [name, tensor] : model.state_dict()) {
    if (!seen.insert(tensor.impl()).second) continue;
    const bool averaged = is_floating(tensor.dtype()) && parameters.count(tensor.impl()) != 0;
    Tensor copy = ops::clone(tensor, "EMA", at);
    entries_.push_back(
        {name, tensor, fitted(copy, kept_dtype(tensor, averaged), tensor.device(), "EMA", at), averaged});
  }
}

void EMA::check_same(const char* op, CallSite at) const {
  const StateDict now = model_->state_dict();
  for (const Entry& entry : entries_) {
    if (!find(now, entry.name).is_same(entry.own)) {
      throw StateError(ErrorCode::state_mismatch, op,
                       message("\"", entry.name, "\" of the model is another tensor now: make a new EMA"), at);
    }
  }
}

void EMA::update(CallSite at) {
  const char* op = "EMA::update";
  if (applied()) {
    throw StateError(ErrorCode::state_mismatch, op, "the averages are applied to the model: call restore() first", at);
  }
  check_same(op, at);
  const NoGrad off;
  for (Entry& entry : entries_) {
    const DType dtype = kept_dtype(entry.own, entry.averaged);
    const Device device = entry.own.device();
    if (entry.average.dtype() != dtype || entry.average.device() != device) {
      entry.average = fitted(entry.average, dtype, device, op, at);
    }
    if (!entry.averaged || updates_ == 0) {
      ops::copy_into(entry.average, entry.own, op, at);
      continue;
    }
    const Tensor now = fitted(entry.own, dtype, device, op, at);
    const Tensor apart = ops::binary(BinaryOp::sub, {now, at}, {entry.average, at}, op, at);
    ops::binary_into(BinaryOp::mul, apart, Operand(1 - decay_, at), op, at);
    ops::binary_into(BinaryOp::add, entry.average, {apart, at}, op, at);
  }
  if (StepScript* script = StepScript::recording()) {  // counted by every replay
    script->act([this] { ++updates_; }, [this] { --updates_; });
  } else {
    ++updates_;
  }
}

void EMA::apply(CallSite at) {
  const char* op = "EMA::apply";
  if (applied()) throw StateError(ErrorCode::state_mismatch, op, "the averages are applied already", at);
  check_same(op, at);
  const NoGrad off;
  std::vector<Tensor> kept, averages;
  for (const Entry& entry : entries_) {
    kept.push_back(ops::clone(entry.own, op, at));
    averages.push_back(fitted(entry.average, entry.own.dtype(), entry.own.device(), op, at));
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) ops::copy_into(entries_[i].own, averages[i], op, at);
  kept_.swap(kept);
}

void EMA::restore(CallSite at) {
  const char* op = "EMA::restore";
  if (!applied()) throw StateError(ErrorCode::state_mismatch, op, "the averages are not applied", at);
  const NoGrad off;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Tensor& own = entries_[i].own;
    ops::copy_into(own, fitted(kept_[i], own.dtype(), own.device(), op, at), op, at);
  }
  kept_.clear();
}

StateDict EMA::averages() const {
  StateDict tensors;
  for (const Entry& entry : entries_) tensors.push_back({entry.name, entry.average});
  return tensors;
}

EMAState EMA::state_dict() const { return {decay_, updates_, averages()}; }

std::vector<std::string> EMA::mismatches(const EMAState& state) const {
  std::vector<std::string> problems;
  if (state.decay != decay_) problems.push_back(message("decay: ", decay_, " expected, ", state.decay, " given"));
  if (state.updates < 0) problems.push_back(message("updates: ", state.updates, " given"));
  for (std::string& problem : nn::mismatches(averages(), state.tensors, true)) problems.push_back(std::move(problem));
  return problems;
}

void EMA::load_state_dict(const EMAState& state, CallSite at) {
  const std::vector<std::string> problems = mismatches(state);
  if (!problems.empty()) throw state_mismatch("load_state_dict", "the state does not fit this EMA", problems, at);
  PendingTensors(averages(), state.tensors, "load_state_dict", at).commit();
  updates_ = state.updates;
}

}  // namespace weft::nn
