#pragma once
// An exponential moving average of a model's parameters, which often predicts better than the parameters themselves.
//
//     weft::nn::EMA ema(model, 0.999);
//     ... optimizer.step(); ema.update();
//     ema.apply();                       // the model computes with the averages
//     evaluate(model);
//     ema.restore();                     // and trains on with its own values

#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>
#include <weft/nn/state_dict.h>

namespace weft::nn {

struct EMAState {
  double decay = 0;
  std::int64_t updates = 0;
  StateDict tensors;  ///< by the names of the model
};

/// As torch.optim.swa_utils.AveragedModel with an exponential average: the first update() copies the parameters, later
/// ones make every average  a + (1 - decay) (p - a);  buffers are copied as they are. Averages of 16-bit parameters are
/// kept in float32. The model must outlive it; its parameters may move to another device or dtype. Not thread-safe.
class WEFT_API EMA {
 public:
  /// Throws ValueError (value_out_of_range) unless 0 <= decay < 1.
  explicit EMA(Module& model, double decay = 0.999, CallSite at = CallSite::here());

  /// Call it after optimizer.step(). Throws StateError (state_mismatch) between apply() and restore(), or when the
  /// model has got other parameters. Running out of memory may leave some of the averages updated.
  void update(CallSite at = CallSite::here());

  /// Puts the averages into the model and keeps the model's own values. Before the first update() they are the values
  /// the model had at construction. Throws StateError (state_mismatch) when they are there already.
  void apply(CallSite at = CallSite::here());
  /// Puts the model's own values back, bit for bit. Throws StateError (state_mismatch) without an apply() before.
  void restore(CallSite at = CallSite::here());
  bool applied() const noexcept { return !kept_.empty(); }

  double decay() const noexcept { return decay_; }
  std::int64_t updates() const noexcept { return updates_; }

  /// The tensors are the average's own, not copies.
  EMAState state_dict() const;
  /// Another decay, names, shapes or dtypes are listed in one StateError (state_mismatch), and then nothing has
  /// changed.
  void load_state_dict(const EMAState& state, CallSite at = CallSite::here());
  /// Only the comparison of load_state_dict(): one line per difference, empty when it fits.
  std::vector<std::string> mismatches(const EMAState& state) const;

 private:
  struct Entry {
    std::string name;
    Tensor own, average;
    bool averaged;  // a floating parameter; the rest is copied
  };
  void check_same(const char* op, CallSite at) const;
  StateDict averages() const;

  Module* model_;
  double decay_;
  std::int64_t updates_ = 0;
  std::vector<Entry> entries_;
  std::vector<Tensor> kept_;  // the model's own values while the averages are applied
};

}  // namespace weft::nn
