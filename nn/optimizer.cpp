#include <algorithm>
#include <cmath>
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

Optimizer::Optimizer(const char* op, std::vector<Tensor> parameters, double lr, CallSite at)
    : op_(op), parameters_(std::move(parameters)), slots_(parameters_.size()), lr_(lr) {
  check_lr(op, lr, at);
  if (parameters_.empty()) {
    throw ValueError(ErrorCode::value_invalid, op, "the list of parameters is empty", at);
  }
  std::unordered_set<const void*> seen;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& parameter = parameters_[i];
    if (!parameter.defined()) {
      throw StateError(ErrorCode::tensor_undefined, op, message("parameter ", i, " is an undefined tensor"), at);
    }
    if (!seen.insert(parameter.impl()).second) {
      throw ValueError(ErrorCode::value_invalid, op, message("parameter ", i, " is listed twice"), at);
    }
    if (!parameter.is_leaf()) {
      throw ValueError(ErrorCode::value_invalid, op,
                       message("parameter ", i, ", ", parameter.shape(),
                               ", is not a leaf but the result of recorded operations: its gradient is not kept"),
                       at);
    }
    if (!is_floating(parameter.dtype())) {
      throw DTypeError(ErrorCode::dtype_unsupported, op, message("parameter ", i, " is ", parameter.dtype()), at);
    }
  }
}

void Optimizer::set_lr(double lr, CallSite at) {
  check_lr("set_lr", lr, at);
  lr_ = lr;
}

void Optimizer::zero_grad(CallSite at) {
  for (Tensor& parameter : parameters_) parameter.zero_grad(at);
}

void Optimizer::step(CallSite at) {
  const TraceSpan span(op_, "optimizer");
  const NoGrad off;
  const std::size_t states = state_names().size();
  struct Work {
    std::size_t index;
    Tensor grad;
    Tensor fresh[2];  // states a first step needs
  };
  std::vector<Work> work;
  work.reserve(parameters_.size());
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& parameter = parameters_[i];
    Tensor grad = parameter.grad(at);
    if (!grad.defined()) continue;
    if (grad.shape() != parameter.shape() || grad.dtype() != parameter.dtype() || grad.device() != parameter.device()) {
      throw AutogradError(
          ErrorCode::gradient_mismatch, op_,
          message("parameter ", i, " is ", parameter.dtype(), ' ', parameter.shape(), " on ", parameter.device(),
                  ", its gradient ", grad.dtype(), ' ', grad.shape(), " on ", grad.device()),
          at);
    }
    if (!parameter.is_contiguous()) {
      throw ValueError(
          ErrorCode::value_invalid, op_,
          message("parameter ", i, ", ", parameter.shape(), ", is not contiguous: train a .contiguous() copy"), at);
    }
    Work item{i, ops::contiguous(grad, op_, at), {}};
    for (std::size_t s = 0; s < states; ++s) {
      const Tensor& state = slots_[i].state[s];
      if (!state.defined()) {
        item.fresh[s] = zeros_like(parameter, at);
      } else if (state.device() != parameter.device() || state.dtype() != parameter.dtype()) {
        item.fresh[s] = ops::cast(ops::to_device(state, parameter.device(), op_, at), parameter.dtype(), op_, at);
      }
    }
    work.push_back(std::move(item));
  }
  for (Work& item : work) {
    Slot& slot = slots_[item.index];
    for (std::size_t s = 0; s < states; ++s) {
      if (item.fresh[s].defined()) slot.state[s] = std::move(item.fresh[s]);
    }
  }

  // One call of the backend for what shares device, dtype and step count: all parameters, in a usual training loop.
  const auto group_of = [&](const Work& item) {
    const Tensor& p = parameters_[item.index];
    const Device d = p.device();
    return std::tuple(d.kind, d.index, p.dtype(), slots_[item.index].steps);
  };
  std::stable_sort(work.begin(), work.end(), [&](const Work& a, const Work& b) { return group_of(a) < group_of(b); });
  std::vector<backends::OptimSlot> batch;
  batch.reserve(work.size());
  for (std::size_t begin = 0; begin < work.size();) {
    std::size_t end = begin;
    batch.clear();
    for (; end < work.size() && group_of(work[end]) == group_of(work[begin]); ++end) {
      const Tensor& parameter = parameters_[work[end].index];
      const Slot& slot = slots_[work[end].index];
      if (parameter.numel() == 0) continue;
      backends::OptimSlot views{view_of(parameter), view_of(work[end].grad), {}, {}};
      if (states > 0) views.state1 = view_of(slot.state[0]);
      if (states > 1) views.state2 = view_of(slot.state[1]);
      batch.push_back(views);
    }
    const Tensor& first = parameters_[work[begin].index];
    backends::OptimArgs arguments = args();
    arguments.lr = backends::Number(lr_);
    arguments.step = backends::Number(slots_[work[begin].index].steps + 1);
    if (!batch.empty()) ops::begin(first, op_, at).optimise(arguments, batch);
    for (; begin < end; ++begin) {
      Slot& slot = slots_[work[begin].index];
      ++slot.steps;
      ops::bump_version(parameters_[work[begin].index]);
      for (std::size_t s = 0; s < states; ++s) ops::bump_version(slot.state[s]);
    }
  }
}

}  // namespace weft::nn
