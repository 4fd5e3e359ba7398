#include <weft/autograd/gradcheck.h>

#include <cmath>
#include <cstring>
#include <utility>

#include <weft/autograd/functions.h>
#include <weft/autograd/grad.h>
#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>

namespace weft {
namespace {

void check_options(const GradcheckOptions& options, const char* name, CallSite at) {
  const auto check = [&](double value, const char* what, bool zero_allowed) {
    if (std::isfinite(value) && (value > 0 || (zero_allowed && value == 0))) return;
    throw ValueError(ErrorCode::value_out_of_range, name, message(what, " is ", value, "; expected a positive number"),
                     at);
  };
  check(options.eps, "eps", false);
  check(options.atol, "atol", true);
  check(options.rtol, "rtol", true);
}

void check_float64(DType dtype, const std::string& what, const char* name, CallSite at) {
  if (dtype == DType::float64) return;
  throw DTypeError(
      ErrorCode::dtype_unsupported, name,
      message(what, " is ", dtype, "; differences are only sharp enough in float64: .to(weft::DType::float64)"), at);
}

// Which inputs are differentiated.
std::vector<std::size_t> checked_inputs(const std::vector<Tensor>& inputs, const char* name, CallSite at) {
  std::vector<std::size_t> checked;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ops::check_defined(inputs[i], name, "an input", at);
    if (!inputs[i].requires_grad()) continue;
    check_float64(inputs[i].dtype(), message("input ", i), name, at);
    checked.push_back(i);
  }
  if (checked.empty()) {
    throw ValueError(ErrorCode::value_invalid, name, "no input has requires_grad: there is nothing to check", at);
  }
  return checked;
}

// The inputs as fresh leaves on the same memory: strides stay what they are, grad() of the caller's stays untouched.
std::vector<Tensor> as_leaves(const std::vector<Tensor>& inputs, const std::vector<std::size_t>& checked) {
  std::vector<Tensor> leaves;
  for (const Tensor& x : inputs) leaves.push_back(x.detach());
  for (std::size_t i : checked) leaves[i].requires_grad_();
  return leaves;
}

std::string index_text(std::int64_t flat, const Shape& shape) {
  Shape index = shape;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return to_string(index);
}

Tensor evaluate(const GradcheckFunction& fn, const std::vector<Tensor>& inputs, const char* name, CallSite at) {
  Tensor y = fn(inputs);
  ops::check_defined(y, name, "the result of fn", at);
  check_float64(y.dtype(), "the result of fn", name, at);
  return y;
}

// Row j: the gradients of y[j], one after the other; zeros where y does not depend on an input.
using Jacobian = std::vector<std::vector<double>>;

Jacobian analytic_jacobian(const Tensor& y, const std::vector<Tensor>& wanted, CallSite at) {
  const std::int64_t results = y.numel();
  Jacobian rows(static_cast<std::size_t>(results));
  std::vector<double> unit(static_cast<std::size_t>(results), 0.0);
  for (std::size_t j = 0; j < rows.size(); ++j) {
    std::vector<Tensor> gradients(wanted.size());
    if (y.requires_grad()) {
      unit[j] = 1;
      const Tensor dy = from_vector(unit, y.shape(), y.device(), at);
      unit[j] = 0;
      gradients = grad(std::span(&y, 1), wanted, std::span(&dy, 1), true, false, true, at);
    }
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const std::vector<double> values = gradients[i].defined()
                                             ? gradients[i].to_vector<double>(at)
                                             : std::vector<double>(static_cast<std::size_t>(wanted[i].numel()), 0.0);
      rows[j].insert(rows[j].end(), values.begin(), values.end());
    }
  }
  return rows;
}

bool same_bits(const Jacobian& a, const Jacobian& b) {
  for (std::size_t j = 0; j < a.size(); ++j) {
    if (!a[j].empty() && std::memcmp(a[j].data(), b[j].data(), a[j].size() * sizeof(double)) != 0) return false;
  }
  return true;
}

struct Difference {
  double excess = 0;  // over the tolerance
  double analytic = 0, numeric = 0;
  std::size_t input = 0;
  std::int64_t element = 0, result = 0;
};

}  // namespace

GradcheckResult gradcheck(const GradcheckFunction& fn, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options, CallSite at) {
  check_options(options, "gradcheck", at);
  const std::vector<std::size_t> checked = checked_inputs(inputs, "gradcheck", at);
  const EnableGrad on;
  const std::vector<Tensor> leaves = as_leaves(inputs, checked);
  const Tensor y = evaluate(fn, leaves, "gradcheck", at);
  std::vector<Tensor> wanted;
  for (std::size_t i : checked) wanted.push_back(leaves[i]);

  GradcheckResult result;
  const Jacobian analytic = analytic_jacobian(y, wanted, at);
  if (!same_bits(analytic, analytic_jacobian(y, wanted, at))) {
    result.ok = false;
    result.message = "two backwards through the same graph gave different bits";
    return result;
  }

  const NoGrad off;
  Difference worst;
  std::size_t column = 0;  // of the Jacobian
  for (std::size_t i : checked) {
    std::vector<Tensor> moved = as_leaves(inputs, {});
    std::vector<double> values = inputs[i].to_vector<double>(at);
    for (std::size_t k = 0; k < values.size(); ++k, ++column) {
      const double x = values[k];
      const auto value_at = [&](double shifted) {
        values[k] = shifted;
        moved[i] = from_vector(values, inputs[i].shape(), inputs[i].device(), at);
        values[k] = x;
        const Tensor moved_y = evaluate(fn, moved, "gradcheck", at);
        if (moved_y.shape() == y.shape()) return moved_y.to_vector<double>(at);
        throw ShapeError(ErrorCode::shape_mismatch, "gradcheck",
                         message("the result of fn was ", y.shape(), " and then ", moved_y.shape()), at);
      };
      const std::vector<double> above = value_at(x + options.eps), below = value_at(x - options.eps);
      for (std::size_t j = 0; j < above.size(); ++j) {
        const double numeric = (above[j] - below[j]) / (2 * options.eps);
        const double distance = std::abs(analytic[j][column] - numeric);
        const double excess = distance - (options.atol + options.rtol * std::abs(numeric));
        if (!(distance <= result.worst)) result.worst = distance;
        if (excess <= 0 || (!result.ok && excess <= worst.excess)) continue;  // a NaN goes on
        result.ok = false;
        if (std::isnan(worst.excess)) continue;
        worst = {excess, analytic[j][column], numeric, i, static_cast<std::int64_t>(k), static_cast<std::int64_t>(j)};
      }
    }
  }
  if (!result.ok) {
    result.message = message("d result", index_text(worst.result, y.shape()), " / d input ", worst.input,
                             index_text(worst.element, inputs[worst.input].shape()), ": the backward says ",
                             worst.analytic, ", central differences say ", worst.numeric, " (eps ", options.eps,
                             ", atol ", options.atol, ", rtol ", options.rtol, ")");
  }
  return result;
}

GradcheckResult gradgradcheck(const GradcheckFunction& fn, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options, CallSite at) {
  check_options(options, "gradgradcheck", at);
  const std::vector<std::size_t> checked = checked_inputs(inputs, "gradgradcheck", at);
  const EnableGrad on;
  const Tensor y = evaluate(fn, as_leaves(inputs, checked), "gradgradcheck", at);
  if (!y.requires_grad()) return {};  // no gradient, so none to differentiate: gradcheck says whether that is right
  Generator generator(20240229);
  std::vector<Tensor> all = inputs;
  all.push_back(randn(y.shape(), TensorOptions(y.device(), DType::float64), generator, at).requires_grad_());

  const auto gradients_of = [&](const std::vector<Tensor>& in) {
    // Differentiated inputs that come in without a history (the perturbed ones) become leaves, to have a gradient at
    // all.
    const EnableGrad inner;
    std::vector<Tensor> arguments(in.begin(), in.end() - 1);
    std::vector<Tensor> wanted;
    for (std::size_t i : checked) {
      if (!arguments[i].requires_grad()) arguments[i] = arguments[i].detach().requires_grad_();
      wanted.push_back(arguments[i]);
    }
    const Tensor out = fn(arguments);
    const std::vector<Tensor> gradients =
        grad(std::span(&out, 1), wanted, std::span(&in.back(), 1), true, true, true, at);
    std::vector<Tensor> flat;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const Tensor g = gradients[i].defined() ? gradients[i] : zeros_like(wanted[i], at);
      flat.push_back(reshape(g, {g.numel()}, at));
    }
    return cat(flat, 0, at);
  };
  GradcheckResult result = gradcheck(gradients_of, all, options, at);
  if (!result.ok) {
    result.message =
        message("of the gradients of all inputs, laid end to end (the last input is the gradient of the result): ",
                result.message);
  }
  return result;
}

}  // namespace weft
