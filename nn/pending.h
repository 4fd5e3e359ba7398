#pragma once
// Private: restoring in two steps, so that several things are restored together or not at all.

#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/nn/optim.h>
#include <weft/nn/state_dict.h>

namespace weft::nn {

/// An optimiser's state, compared and copied beside the one in force.
class PendingOptimizer {
 public:
  /// Appends what does not fit to `problems`, each line after `prefix`; then commit() must not be called.
  PendingOptimizer(Optimizer& optimizer, const OptimizerState& state, const std::string& prefix,
                   std::vector<std::string>& problems, CallSite at);
  void commit() noexcept;

 private:
  Optimizer& optimizer_;
  std::vector<Optimizer::Slot> slots_;
  std::vector<double> lr_;  // per group
};

/// Values on their way into a module's parameters and buffers: already on the right device, so that commit() only
/// copies.
class PendingTensors {
 public:
  PendingTensors(const StateDict& own, const StateDict& given, const char* op, CallSite at);
  void commit();

 private:
  const char* op_;
  CallSite at_;
  std::vector<std::pair<Tensor, Tensor>> copies_;
};

}  // namespace weft::nn
