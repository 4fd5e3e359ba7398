#pragma once
// Optimisers: what changes parameters from their gradients.
//
//     weft::nn::SGD optimizer(model.parameters(), {.lr = 0.1, .momentum = 0.9});
//     optimizer.zero_grad();
//     loss.backward();
//     optimizer.step();
//
// Parameters may come in groups, each with options of its own:
//
//     weft::nn::AdamW optimizer({{body->parameters(), {.lr = 1e-5}}, {head->parameters(), {.lr = 1e-3}}});
//
// Parameters that should be trained in larger batches than fit into memory: call backward() for several small batches,
// each loss divided by their number, before one step(); gradients add up until zero_grad().
//
// One step is one call of the backend for all parameters of a group, device and dtype (parameters that missed steps,
// because they had no gradient, have calls of their own). Not thread-safe.
//
// The formulas are PyTorch's, so are names and defaults. Not here: amsgrad, maximize, centered RMSprop, sparse
// gradients.

#include <cstddef>
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

/// Parameters and what they are trained with.
template <class Options>
struct ParameterGroup {
  std::vector<Tensor> parameters;
  Options options = {};
};

struct OptimizerGroupState {
  std::int64_t parameters = 0;  ///< how many
  double lr = 0;
  /// What the program chose and training does not change: momentum, weight_decay, ...
  std::vector<std::pair<std::string, double>> options;
};

/// Everything an optimiser remembers. Parameters are counted through all groups; tensors are named by the position of
/// their parameter, "0.momentum_buffer".
struct OptimizerState {
  std::string type;  ///< "SGD"
  std::vector<OptimizerGroupState> groups;
  std::vector<std::int64_t> steps;  ///< per parameter: how often it was stepped
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

  /// Every parameter, group after group.
  const std::vector<Tensor>& parameters() const noexcept { return parameters_; }
  std::size_t num_groups() const noexcept { return groups_.size(); }
  /// The parameters of one group. Like every function that takes a group: IndexError (index_out_of_range).
  std::vector<Tensor> parameters(std::size_t group, CallSite at = CallSite::here()) const;

  /// The learning rate in force.
  double lr(std::size_t group = 0, CallSite at = CallSite::here()) const;
  /// Sets it, for every group or for one. It is also what a schedule made afterwards starts from. Throws ValueError
  /// (value_out_of_range) unless lr is finite and not negative.
  void set_lr(double lr, CallSite at = CallSite::here());
  void set_lr(std::size_t group, double lr, CallSite at = CallSite::here());
  /// The last learning rate a program chose (at construction or with set_lr), whatever schedules made of it since.
  double base_lr(std::size_t group = 0, CallSite at = CallSite::here()) const;

  /// The tensors are the optimiser's own, not copies.
  OptimizerState state_dict() const;
  /// Restores learning rates, step counts and tensors. Another type, other numbers of groups or parameters, other
  /// options, or tensors that do not fit are listed in one StateError (state_mismatch), and then nothing has changed.
  void load_state_dict(const OptimizerState& state, CallSite at = CallSite::here());

 protected:
  /// What the optimisers differ in. The backend knows the formulas (OptimKind).
  struct Recipe {
    double lr = 0;
    backends::OptimArgs args;                             ///< everything but lr, step and grad_scale
    std::vector<std::pair<std::string, double>> options;  ///< the same for people and state dicts
    /// Names of the state tensors each parameter has, as OptimSlot's state1 and state2; null where it has none.
    const char* states[2] = {nullptr, nullptr};
  };

  /// Throws ValueError for no groups. `type` is the class's name, a literal.
  Optimizer(const char* type, std::size_t groups, CallSite at);
  /// Throws ValueError: no parameters, one listed twice, one that is not a leaf, a learning rate that is not finite or
  /// negative; StateError: an undefined one; DTypeError: one that is not floating. Then nothing has changed.
  void add_group(std::vector<Tensor> parameters, Recipe recipe, CallSite at);

 private:
  friend class GradScaler;
  friend class PendingOptimizer;
  friend class Schedule;
  struct Group {
    std::size_t begin, end;  // its parameters
    double lr, base_lr;
    Recipe recipe;
  };
  struct Slot {
    std::int64_t steps = 0;
    Tensor state[2];  // undefined until the first step
  };
  struct Work;

  const Group& group(std::size_t index, const char* op, CallSite at) const;
  std::string name_of(std::size_t parameter) const;
  std::vector<Work> gather(CallSite at) const;
  backends::OptimArgs arguments(std::size_t group, std::size_t slot);
  /// step() with every gradient multiplied by a number inside the backend's call.
  void step_by(double grad_scale, CallSite at);
  void count(std::vector<std::size_t> stepped);

  const char* type_;
  std::vector<Group> groups_;
  std::vector<Tensor> parameters_;
  std::vector<Slot> slots_;
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
  using Group = ParameterGroup<SGDOptions>;
  /// Throws ValueError naming the option: value_out_of_range, or value_invalid for a Nesterov that cannot be. So do the
  /// other two.
  explicit SGD(std::vector<Tensor> parameters, SGDOptions options = {}, CallSite at = CallSite::here());
  explicit SGD(std::vector<Group> groups, CallSite at = CallSite::here());
  void add_param_group(Group group, CallSite at = CallSite::here());
};

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;       ///< in [0, 1)
  double beta2 = 0.999;     ///< in [0, 1)
  double eps = 1e-8;        ///< > 0
  double weight_decay = 0;  ///< L2 penalty, >= 0
};

/// Adam (Kingma and Ba, 2015), by the formulas of torch.optim.Adam; t counts a parameter's steps from 1:
///     g = grad + weight_decay p
///     m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,   both 0 at first
///     p = p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
class WEFT_API Adam : public Optimizer {
 public:
  using Group = ParameterGroup<AdamOptions>;
  /// Throws ValueError (value_out_of_range) naming the option. So do the other two.
  explicit Adam(std::vector<Tensor> parameters, AdamOptions options = {}, CallSite at = CallSite::here());
  explicit Adam(std::vector<Group> groups, CallSite at = CallSite::here());
  void add_param_group(Group group, CallSite at = CallSite::here());
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;          ///< in [0, 1)
  double beta2 = 0.999;        ///< in [0, 1)
  double eps = 1e-8;           ///< > 0
  double weight_decay = 1e-2;  ///< the share of a parameter that lr takes away at each step, >= 0
};

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), by the formulas of torch.optim.AdamW:
/// p = p (1 - lr weight_decay), then Adam without its first line.
class WEFT_API AdamW : public Optimizer {
 public:
  using Group = ParameterGroup<AdamWOptions>;
  /// Throws ValueError (value_out_of_range) naming the option. So do the other two.
  explicit AdamW(std::vector<Tensor> parameters, AdamWOptions options = {}, CallSite at = CallSite::here());
  explicit AdamW(std::vector<Group> groups, CallSite at = CallSite::here());
  void add_param_group(Group group, CallSite at = CallSite::here());
};

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;      ///< how much of the mean of squares is kept, in [0, 1)
  double eps = 1e-8;        ///< > 0
  double weight_decay = 0;  ///< L2 penalty, >= 0
  double momentum = 0;      ///< in [0, 1)
};

/// RMSprop (Tieleman and Hinton, 2012), by the formulas of torch.optim.RMSprop, not centered:
///     g = grad + weight_decay p
///     v = alpha v + (1 - alpha) g^2,   0 at first
///     u = g / (sqrt(v) + eps);   with momentum: b = momentum b + u, p = p - lr b,   without: p = p - lr u
class WEFT_API RMSprop : public Optimizer {
 public:
  using Group = ParameterGroup<RMSpropOptions>;
  /// Throws ValueError (value_out_of_range) naming the option. So do the other two.
  explicit RMSprop(std::vector<Tensor> parameters, RMSpropOptions options = {}, CallSite at = CallSite::here());
  explicit RMSprop(std::vector<Group> groups, CallSite at = CallSite::here());
  void add_param_group(Group group, CallSite at = CallSite::here());
};

}  // namespace weft::nn
