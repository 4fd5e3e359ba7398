// Copies: to another dtype, another device, another layout.

#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

Tensor to(const Tensor& x, DType dtype, CallSite at) {
  if (x.dtype(at) == dtype) return x;
  Tensor y = ops::cast(x, dtype, "to", at);
  if (!is_floating(dtype)) return y;
  if (Recorder r{"to", at, x}) {
    r.record(y, [from = x.dtype()](Back& back) { back[0] = to(back.dy, from, back.at); });
  }
  return y;
}

Tensor to(const Tensor& x, Device device, CallSite at) {
  if (x.device(at) == device) return x;
  Tensor y = ops::to_device(x, device, "to", at);
  if (Recorder r{"to", at, x}) {
    r.record(y, [from = x.device()](Back& back) { back[0] = to(back.dy, from, back.at); });
  }
  return y;
}

Tensor contiguous(const Tensor& x, CallSite at) {
  Tensor y = ops::contiguous(x, "contiguous", at);
  if (y.is_same(x)) return y;
  if (Recorder r{"contiguous", at, x}) {
    r.record(y, [](Back& back) { back[0] = back.dy; });
  }
  return y;
}

Tensor clone(const Tensor& x, CallSite at) {
  Tensor y = ops::clone(x, "clone", at);
  if (Recorder r{"clone", at, x}) {
    r.record(y, [](Back& back) { back[0] = back.dy; });
  }
  return y;
}

}  // namespace weft
