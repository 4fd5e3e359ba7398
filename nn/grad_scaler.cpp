#include <weft/nn/grad_scaler.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <weft/autograd/functions.h>
#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/step_script.h>
#include <weft/tensor/tensor_impl.h>

namespace weft::nn {
namespace {

constexpr const char* type = "GradScaler";

void check_range(bool good, const char* op, const char* name, double value, const char* expected, CallSite at) {
  if (good) return;
  throw ValueError(ErrorCode::value_out_of_range, op, message(name, " = ", value, " is not ", expected), at);
}

void check_numbers(const char* op, double scale, double growth, double backoff, std::int64_t interval, CallSite at) {
  check_range(std::isfinite(scale) && scale > 0, op, "scale", scale, "a finite number > 0", at);
  check_range(std::isfinite(growth) && growth > 1, op, "growth_factor", growth, "a finite number > 1", at);
  check_range(backoff > 0 && backoff < 1, op, "backoff_factor", backoff, "in (0, 1)", at);
  check_range(interval >= 1, op, "growth_interval", static_cast<double>(interval), ">= 1", at);
}

/// The host decides: inside a recording it would decide once for all replays.
void refuse_capture(const char* op, CallSite at) {
  if (StepScript::recording() == nullptr) return;
  throw StateError(ErrorCode::read_only, "capture",
                   message(op,
                           " inside a captured step: whether it is skipped, and the next scale, are decided on the "
                           "host. Capture with bfloat16, which needs no loss scaling"),
                   at);
}

[[noreturn]] void out_of_order(const char* op, const char* what, CallSite at) {
  throw StateError(ErrorCode::state_mismatch, op, what, at);
}

/// Whether every element of every gradient is finite: one sum of squares for each device, which is not where one of
/// them is not. (Squares of float32 and 16-bit numbers are finite in float64.)
bool all_finite(const std::vector<Tensor>& parameters, const char* op, CallSite at) {
  std::vector<Tensor> gradients;
  std::vector<Device> devices;
  for (const Tensor& parameter : parameters) {
    Tensor grad = parameter.grad(at);
    if (!grad.defined() || grad.numel() == 0) continue;
    if (std::find(devices.begin(), devices.end(), grad.device()) == devices.end()) devices.push_back(grad.device());
    gradients.push_back(std::move(grad));
  }
  std::vector<Tensor> totals;  // all are queued before the first is waited for
  for (const Device device : devices) {
    std::vector<backends::TensorView> views;
    for (const Tensor& grad : gradients) {
      if (grad.device() == device) views.push_back(view_of(grad));
    }
    totals.push_back(empty({}, {device, DType::float64}, at));
    ops::begin(totals.back(), op, at).sum_squares(views, view_of(totals.back()));
  }
  bool finite = true;
  for (const Tensor& total : totals) finite &= std::isfinite(total.item(at));
  return finite;
}

}  // namespace

GradScaler::GradScaler(GradScalerOptions options, CallSite at) : options_(options), scale_(options.init_scale) {
  check_range(std::isfinite(scale_) && scale_ > 0, type, "init_scale", scale_, "a finite number > 0", at);
  check_numbers(type, scale_, options.growth_factor, options.backoff_factor, options.growth_interval, at);
}

GradScaler::Seen* GradScaler::find(const Optimizer& optimizer) {
  const auto found =
      std::find_if(seen_.begin(), seen_.end(), [&](const Seen& seen) { return seen.optimizer == &optimizer; });
  return found == seen_.end() ? nullptr : &*found;
}

Tensor GradScaler::scale(const Tensor& loss, CallSite at) const {
  if (!options_.enabled) return loss;
  refuse_capture("GradScaler::scale()", at);
  const DType dtype = loss.dtype(at);
  const bool narrow = is_floating(dtype) && item_size(dtype) < sizeof(float);  // the scale alone may leave its range
  return mul({narrow ? to(loss, DType::float32, at) : loss, at}, {scale_, at});
}

void GradScaler::unscale_(Optimizer& optimizer, CallSite at) {
  if (!options_.enabled) return;
  constexpr const char* op = "unscale_";
  refuse_capture("GradScaler::unscale_()", at);
  if (const Seen* seen = find(optimizer)) {
    out_of_order(op,
                 seen->stepped ? "called after step(): gradients are unscaled before it"
                               : "called twice for one optimizer since the last update(): it would divide twice",
                 at);
  }
  const TraceSpan span(op, "optimizer");
  const NoGrad off;
  const bool finite = all_finite(optimizer.parameters(), op, at);
  seen_.reserve(seen_.size() + 1);
  for (Tensor parameter : optimizer.parameters()) {
    const Tensor grad = parameter.grad(at);
    if (!grad.defined() || grad.numel() == 0) continue;
    const bool whole = grad.is_contiguous();  // an expanded view cannot be written to: it is replaced
    const Tensor target = whole ? grad : ops::clone(grad, op, at);
    ops::binary_into(BinaryOp::mul, target, Operand(1 / scale_, at), op, at);
    if (!whole) parameter.set_grad(target, at);
  }
  seen_.push_back({&optimizer, finite, true, false});
}

bool GradScaler::step(Optimizer& optimizer, CallSite at) {
  if (!options_.enabled) {
    optimizer.step(at);
    return true;
  }
  refuse_capture("GradScaler::step()", at);
  Seen* seen = find(optimizer);
  if (seen != nullptr && seen->stepped) {
    out_of_order("step", "called twice for one optimizer since the last update()", at);
  }
  const bool unscaled = seen != nullptr;
  const bool finite = unscaled ? seen->finite : all_finite(optimizer.parameters(), "step", at);
  seen_.reserve(seen_.size() + 1);
  if (finite) optimizer.step_by(unscaled ? 1 : 1 / scale_, at);
  if (unscaled) {
    find(optimizer)->stepped = true;
  } else {
    seen_.push_back({&optimizer, finite, false, true});
  }
  return finite;
}

void GradScaler::update(CallSite at) {
  if (!options_.enabled) return;
  refuse_capture("GradScaler::update()", at);
  if (seen_.empty()) out_of_order("update", "nothing was stepped or unscaled since the last update()", at);
  const bool finite = std::all_of(seen_.begin(), seen_.end(), [](const Seen& seen) { return seen.finite; });
  seen_.clear();
  if (!finite) {
    scale_ = std::max(scale_ * options_.backoff_factor, std::numeric_limits<double>::min());
    tracker_ = 0;
  } else if (++tracker_ >= options_.growth_interval) {
    tracker_ = 0;
    // Gradients are float32 at most: a scale beyond it would make infinities of all of them.
    const double grown = scale_ * options_.growth_factor;
    if (grown <= static_cast<double>(std::numeric_limits<float>::max())) scale_ = grown;
  }
}

GradScalerState GradScaler::state_dict() const {
  return {scale_, options_.growth_factor, options_.backoff_factor, options_.growth_interval, tracker_};
}

void GradScaler::load_state_dict(const GradScalerState& state, CallSite at) {
  constexpr const char* op = "load_state_dict";
  check_numbers(op, state.scale, state.growth_factor, state.backoff_factor, state.growth_interval, at);
  check_range(state.growth_tracker >= 0, op, "growth_tracker", static_cast<double>(state.growth_tracker), ">= 0", at);
  options_.growth_factor = state.growth_factor;
  options_.backoff_factor = state.backoff_factor;
  options_.growth_interval = state.growth_interval;
  scale_ = state.scale;
  tracker_ = state.growth_tracker;
}

}  // namespace weft::nn
