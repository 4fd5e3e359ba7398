#pragma once
// Optimisers: what changes parameters from their gradients.
//
//     weft::nn::SGD optimizer(model.parameters(), {.lr = 0.1, .momentum = 0.9});
//     optimizer.zero_grad();
//     loss.backward();
//     optimizer.step();
//
// One step is one call of the backend for all parameters of a device and dtype. Not thread-safe.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weft/backends/op_args.h>
#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/state_dict.h>
#include <weft/tensor/tensor.h>

namespace weft::nn {

/// Everything an optimiser remembers. Tensors are named by the position of their parameter, "0.momentum_buffer".
struct OptimizerState {
  std::string type;  ///< "SGD"
  double lr = 0;
  /// What the program chose and training does not change: momentum, weight_decay, ...
  std::vector<std::pair<std::string, double>> options;
  std::vector<std::int64_t> steps;  ///< per parameter: how often it was stepped; also their number
  StateDict tensors;
};

class WEFT_API Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Changes every parameter that has a gradient; the others stay, and so does their state. Parameters are written in
  /// place (their version rises) whether gradients are enabled or not.
  /// Throws AutogradError (gradient_mismatch) when a gradient has another shape, dtype or device than its parameter,
  /// and ValueError when a parameter is not contiguous; then nothing has changed.
  void step(CallSite at = CallSite::here());
  void zero_grad(CallSite at = CallSite::here());  ///< drops the gradients

  double lr() const noexcept { return lr_; }
  /// Throws ValueError (value_out_of_range) unless lr is finite and not negative.
  void set_lr(double lr, CallSite at = CallSite::here());

  const std::vector<Tensor>& parameters() const noexcept { return parameters_; }

  /// The tensors are the optimiser's own, not copies.
  OptimizerState state_dict() const;
  /// Restores lr, step counts and tensors. Another type, another number of parameters, other options, or tensors that
  /// do not fit are listed in one StateError (state_mismatch), and then nothing has changed.
  void load_state_dict(const OptimizerState& state, CallSite at = CallSite::here());

 protected:
  /// Throws ValueError: no parameters, one listed twice, one that is not a leaf or not contiguous, an undefined one, a
  /// learning rate that is not finite or negative.
  Optimizer(const char* op, std::vector<Tensor> parameters, double lr, CallSite at);

  virtual const char* type() const noexcept = 0;
  virtual std::vector<std::pair<std::string, double>> options() const = 0;
  /// Everything but lr, step and grad_scale.
  virtual backends::OptimArgs args() const = 0;
  /// The names of the state tensors each parameter has, in the order of OptimSlot's states: none, one or two.
  virtual std::vector<std::string> state_names() const = 0;

 private:
  friend class PendingOptimizer;
  struct Slot {
    std::int64_t steps = 0;
    Tensor state[2];  // undefined until the first step
  };
  const char* op_;
  std::vector<Tensor> parameters_;
  std::vector<Slot> slots_;
  double lr_;
};

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;      ///< in [0, 1)
  double dampening = 0;     ///< in [0, 1]; the share of a gradient that does not enter the momentum
  double weight_decay = 0;  ///< L2 penalty, >= 0
  bool nesterov = false;    ///< needs momentum and no dampening
};

/// Stochastic gradient descent, by the formulas of torch.optim.SGD:
///     g = grad + weight_decay p
///     b = g at a parameter's first step, momentum b + (1 - dampening) g later
///     p = p - lr (nesterov ? g + momentum b : b),   without momentum p - lr g
class WEFT_API SGD : public Optimizer {
 public:
  /// Throws ValueError naming the option: value_out_of_range, or value_invalid for a Nesterov that cannot be.
  explicit SGD(std::vector<Tensor> parameters, SGDOptions options = {}, CallSite at = CallSite::here());
  const SGDOptions& sgd_options() const noexcept { return options_; }

 protected:
  const char* type() const noexcept override;
  std::vector<std::pair<std::string, double>> options() const override;
  backends::OptimArgs args() const override;
  std::vector<std::string> state_names() const override;

 private:
  SGDOptions options_;  // its lr is the one at the start; lr() is the one in force
};

}  // namespace weft::nn
