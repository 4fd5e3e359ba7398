#pragma once
// Loss scaling for float16: gradients too small for its exponents are trained with by making the loss larger first.
//
//     weft::nn::GradScaler scaler;
//     for (const Batch& b : loader.epoch(e)) {
//       optimizer.zero_grad();
//       Tensor loss;
//       {
//         const weft::Autocast on(weft::DType::float16);
//         loss = weft::cross_entropy(model(b.inputs), b.targets);
//       }
//       scaler.scale(loss).backward();
//       scaler.unscale_(optimizer);                                  // only for who looks at the gradients,
//       weft::nn::clip_grad_norm_(model.parameters(), 1.0);          // as clipping does
//       scaler.step(optimizer);                                      // skipped where a gradient is inf or NaN
//       scaler.update();
//     }
//
// The rules are torch.amp.GradScaler's: a skipped step multiplies the scale by backoff_factor, growth_interval steps
// without one multiply it by growth_factor. Whether a step is skipped is decided on the host: step() or unscale_()
// waits for the device once. So a captured step cannot contain one (StateError, read_only); bfloat16 needs none.
//
// Not thread-safe. It remembers optimisers between unscale_(), step() and update() only.

#include <cstdint>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/optim.h>
#include <weft/tensor/tensor.h>

namespace weft::nn {

struct GradScalerOptions {
  double init_scale = 65536;            ///< finite and > 0
  double growth_factor = 2;             ///< > 1, finite
  double backoff_factor = 0.5;          ///< in (0, 1)
  std::int64_t growth_interval = 2000;  ///< steps in a row without a skipped one, >= 1
  bool enabled = true;                  ///< false: scale() returns its argument, step() always steps
};

struct GradScalerState {
  double scale = 0;
  double growth_factor = 0, backoff_factor = 0;
  std::int64_t growth_interval = 0;
  std::int64_t growth_tracker = 0;  ///< steps since the scale last changed
};

class WEFT_API GradScaler {
 public:
  /// ValueError (value_out_of_range) naming the option.
  explicit GradScaler(GradScalerOptions options = {}, CallSite at = CallSite::here());

  /// loss times the scale, recorded; a 16-bit loss becomes float32 first.
  Tensor scale(const Tensor& loss, CallSite at = CallSite::here()) const;

  /// Divides the gradients of an optimiser's parameters by the scale and remembers whether all were finite. At most
  /// once between two update(), and not after step(): StateError (state_mismatch).
  void unscale_(Optimizer& optimizer, CallSite at = CallSite::here());

  /// optimizer.step() with gradients divided by the scale, unless one of them is inf or NaN: then nothing changes.
  /// Returns whether it stepped. The division happens inside the step: without unscale_() grad() stays scaled. Once for
  /// an optimiser between two update(): StateError (state_mismatch).
  bool step(Optimizer& optimizer, CallSite at = CallSite::here());

  /// Sets the scale for the next step. StateError (state_mismatch) when nothing was stepped or unscaled since the last.
  void update(CallSite at = CallSite::here());

  double get_scale() const noexcept { return options_.enabled ? scale_ : 1; }
  bool is_enabled() const noexcept { return options_.enabled; }

  GradScalerState state_dict() const;
  /// ValueError (value_out_of_range) naming the field; then nothing has changed.
  void load_state_dict(const GradScalerState& state, CallSite at = CallSite::here());

 private:
  struct Seen {
    const Optimizer* optimizer;
    bool finite, unscaled, stepped;
  };
  Seen* find(const Optimizer& optimizer);

  GradScalerOptions options_;
  double scale_;
  std::int64_t tracker_ = 0;
  std::vector<Seen> seen_;  // since the last update()
};

}  // namespace weft::nn
