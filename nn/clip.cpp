#include <weft/nn/clip.h>

#include <cmath>
#include <utility>

#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/tensor_impl.h>

namespace weft::nn {
namespace {

void check_bound(const char* op, const char* name, double value, CallSite at) {
  if (!std::isfinite(value) || value <= 0) {
    throw ValueError(ErrorCode::value_out_of_range, op, message(name, " = ", value, " is not a finite number > 0"), at);
  }
}

struct Gradient {
  Tensor parameter, grad;
};

std::vector<Gradient> gradients_of(const std::vector<Tensor>& parameters, const char* op, CallSite at) {
  std::vector<Gradient> found;
  for (const Tensor& parameter : parameters) {
    ops::check_defined(parameter, op, "a parameter", at);
    Tensor grad = parameter.grad(at);
    if (grad.defined() && grad.numel() > 0) found.push_back({parameter, std::move(grad)});
  }
  return found;
}

/// Overwrites the gradient; one that cannot be written to (an expanded view, given with set_grad) is replaced.
template <class Write>
void change(Gradient& gradient, const char* op, CallSite at, Write write) {
  const bool whole = gradient.grad.is_contiguous();
  const Tensor target = whole ? gradient.grad : ops::clone(gradient.grad, op, at);
  write(target);
  if (!whole) gradient.parameter.set_grad(target, at);
}

/// The norm of gradients that share a device, float64, rank 0.
Tensor norm_on(Device device, const std::vector<Gradient>& gradients, bool largest, const char* op, CallSite at) {
  if (largest) {
    Tensor most;
    for (const Gradient& g : gradients) {
      if (g.grad.device() != device) continue;
      const Tensor absolute = ops::unary(UnaryOp::abs, g.grad, op, at);
      const Tensor own = ops::cast(ops::reduce(ReduceOp::max, absolute, {}, false, op, at), DType::float64, op, at);
      most = most.defined() ? ops::binary(BinaryOp::maximum, {most, at}, {own, at}, op, at) : own;
    }
    return most;
  }
  std::vector<backends::TensorView> views;
  for (const Gradient& g : gradients) {
    if (g.grad.device() == device) views.push_back(view_of(g.grad));
  }
  const Tensor total = empty({}, {device, DType::float64}, at);
  ops::begin(total, op, at).sum_squares(views, view_of(total));
  return total;
}

}  // namespace

Tensor clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite, CallSite at) {
  const char* op = "clip_grad_norm_";
  check_bound(op, "max_norm", max_norm, at);
  const bool largest = norm_type > 0 && std::isinf(norm_type);
  if (norm_type != 2 && !largest) {
    throw ValueError(ErrorCode::value_out_of_range, op,
                     message("norm_type = ", norm_type, " is neither 2 nor infinity"), at);
  }
  const TraceSpan span(op, "optimizer");
  const NoGrad off;
  std::vector<Gradient> gradients = gradients_of(parameters, op, at);
  if (gradients.empty()) return zeros({}, {cpu(), DType::float64}, at);

  const Device home = gradients[0].grad.device();
  std::vector<Device> devices;
  Tensor total;
  for (const Gradient& g : gradients) {
    const Device device = g.grad.device();
    bool known = false;
    for (const Device& other : devices) known |= other == device;
    if (known) continue;
    devices.push_back(device);
    Tensor part = norm_on(device, gradients, largest, op, at);
    if (device != home) part = ops::to_device(part, home, op, at);
    const BinaryOp join = largest ? BinaryOp::maximum : BinaryOp::add;
    total = total.defined() ? ops::binary(join, {total, at}, {part, at}, op, at) : part;
  }
  if (!largest) total = ops::unary(UnaryOp::sqrt, total, op, at);
  if (error_if_nonfinite) {
    const double norm = total.item(at);
    if (!std::isfinite(norm)) {
      throw ValueError(ErrorCode::value_out_of_range, op,
                       message("the norm of the gradients is ", norm, "; they were left as they are"), at);
    }
  }

  const Tensor shifted = ops::binary(BinaryOp::add, {total, at}, Operand(1e-6, at), op, at);
  const Tensor ratio = ops::binary(BinaryOp::div, Operand(max_norm, at), {shifted, at}, op, at);
  const Tensor factor = ops::binary(BinaryOp::minimum, {ratio, at}, Operand(1.0, at), op, at);
  std::vector<Tensor> factors;  // one per device and dtype
  for (Gradient& g : gradients) {
    const Tensor* fitting = nullptr;
    for (const Tensor& known : factors) {
      if (known.device() == g.grad.device() && known.dtype() == g.grad.dtype()) fitting = &known;
    }
    if (fitting == nullptr) {
      Tensor made = g.grad.device() == home ? factor : ops::to_device(factor, g.grad.device(), op, at);
      if (made.dtype() != g.grad.dtype()) made = ops::cast(made, g.grad.dtype(), op, at);
      factors.push_back(std::move(made));
      fitting = &factors.back();
    }
    change(g, op, at,
           [&](const Tensor& target) { ops::binary_into(BinaryOp::mul, target, Operand(*fitting, at), op, at); });
  }
  return total;
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value, CallSite at) {
  const char* op = "clip_grad_value_";
  check_bound(op, "clip_value", clip_value, at);
  const TraceSpan span(op, "optimizer");
  const NoGrad off;
  for (Gradient& g : gradients_of(parameters, op, at)) {
    change(g, op, at, [&](const Tensor& target) {
      ops::binary_into(BinaryOp::minimum, target, Operand(clip_value, at), op, at);
      ops::binary_into(BinaryOp::maximum, target, Operand(-clip_value, at), op, at);
    });
  }
}

}  // namespace weft::nn
