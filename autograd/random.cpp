// Randomness in the forward call. No mask is kept: the key of the draw is, and the way back draws again.

#include <weft/autograd/record.h>
#include <weft/tensor/step_script.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace {

// Linear in x, so its gradient is the same function of dy.
Tensor drop_out(const Tensor& x, double p, const backends::RandomKey& key, CallSite at) {
  Tensor y = ops::dropout(x, p, key, "dropout", at);
  if (Recorder r{"dropout", at, x}) {
    r.record(y, [p, key](Back& back) { back[0] = drop_out(back.dy, p, key, back.at); });
  }
  return y;
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator& generator, CallSite at) {
  ops::check_dropout(x, p, "dropout", at);  // also when it does nothing: a wrong p must not wait for training to show
  if (!training) return x;
  if (StepScript::recording() != nullptr) return drop_out(x, p, next_key(generator), at);
  Tensor y = drop_out(x, p, {generator.seed(), generator.draw(), nullptr}, at);
  generator.next_draw();  // a call that threw takes no draw
  return y;
}

}  // namespace weft
