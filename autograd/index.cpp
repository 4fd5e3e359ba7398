// Rows by index: index_select and index_add are each other's way back.

#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

Tensor index_select(const Tensor& x, int axis, const Tensor& index, CallSite at) {
  Tensor y = ops::index_select(x, axis, index, "index_select", at);
  if (Recorder r{"index_select", at, x}) {
    r.record(y, [axis, index = r.keep(index), shape = x.shape()](Back& back) {
      const Tensor nothing = zeros(shape, {back.dy.device(), back.dy.dtype()}, back.at);
      back[0] = index_add(nothing, axis, back(index), back.dy, back.at);
    });
  }
  return y;
}

Tensor index_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, CallSite at) {
  Tensor y = ops::index_add(x, axis, index, source, "index_add", at);
  if (Recorder r{"index_add", at, x, source}) {
    r.record(y, [axis, index = r.keep(index)](Back& back) {
      back[0] = back.dy;
      if (back.wants(1)) back[1] = index_select(back.dy, axis, back(index), back.at);
    });
  }
  return y;
}

}  // namespace weft
