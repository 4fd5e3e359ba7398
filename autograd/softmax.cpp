// softmax and its logarithm. Both ways back need only the result.

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

// y (dy - sum(dy y))
Tensor softmax(const Tensor& x, int axis, CallSite at) {
  if (const autograd::In32 in; in) return softmax(in(x, at), axis, at);
  Tensor y = ops::softmax(false, x, axis, "softmax", at);
  if (Recorder r{"softmax", at, x}) {
    r.record(y, [axis, result = r.output(y)](Back& back) {
      const Tensor p = back(result);
      if (grad_enabled()) {
        const Tensor mean = sum(mul({back.dy, back.at}, p), axis, true, back.at);
        back[0] = mul({p, back.at}, sub({back.dy, back.at}, mean));
      } else {
        back[0] = ops::softmax_backward(false, back.dy, p, axis, "softmax", back.at);
      }
    });
  }
  return y;
}

// dy - exp(y) sum(dy)
Tensor log_softmax(const Tensor& x, int axis, CallSite at) {
  if (const autograd::In32 in; in) return log_softmax(in(x, at), axis, at);
  Tensor y = ops::softmax(true, x, axis, "log_softmax", at);
  if (Recorder r{"log_softmax", at, x}) {
    r.record(y, [axis, result = r.output(y)](Back& back) {
      const Tensor log_p = back(result);
      if (grad_enabled()) {
        const Tensor total = sum(back.dy, axis, true, back.at);
        back[0] = sub({back.dy, back.at}, mul({exp(log_p, back.at), back.at}, total));
      } else {
        back[0] = ops::softmax_backward(true, back.dy, log_p, axis, "log_softmax", back.at);
      }
    });
  }
  return y;
}

}  // namespace weft
