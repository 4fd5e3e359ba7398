#include <weft/backends/composed/scratch.h>

// y = exp(x - max x) / sum exp(x - max x); log: x - max x - log(sum exp(x - max x)). The maximum keeps exp from
// overflowing for logits of any size.

namespace weft::backends {

using namespace composed;

void Backend::softmax(bool log, const TensorView& x, int axis, const TensorView& y) {
  Calls call(*this);
  const DType dtype = compute_dtype(x.dtype);
  const Input in(*this, x, dtype);
  Output out(*this, y, dtype);
  const Scratch line(*this, dtype, without_axis(x.shape, axis));
  call.max(in, line);
  call.sub(in.view(), line.view(), out);
  if (log) {
    const Scratch e(*this, dtype, x.shape);
    call.unary(UnaryOp::exp, out, e);
    call.sum(e, line);
    call.unary(UnaryOp::log, line, line);
    call.sub(out.view(), line.view(), out);
  } else {
    call.unary(UnaryOp::exp, out, out);
    call.sum(out, line);
    call.div(out.view(), line.view(), out);
  }
  out.finish();
}

// softmax: dx = y (dy - sum y dy); log_softmax: dx = dy - exp(y) sum dy
void Backend::softmax_backward(bool log, const TensorView& dy, const TensorView& y, int axis, const TensorView& dx) {
  Calls call(*this);
  const DType dtype = compute_dtype(y.dtype);
  const Input dout(*this, dy, dtype), out(*this, y, dtype);
  Output din(*this, dx, dtype);
  const Scratch line(*this, dtype, without_axis(y.shape, axis));
  const Scratch t(*this, dtype, y.shape);
  if (log) {
    call.sum(dout, line);
    call.unary(UnaryOp::exp, out, t);
    call.mul(t.view(), line.view(), t);
    call.sub(dout.view(), t.view(), din);
  } else {
    call.mul(out.view(), dout.view(), t);
    call.sum(t, line);
    call.sub(dout.view(), line.view(), t);
    call.mul(out.view(), t.view(), din);
  }
  din.finish();
}

}  // namespace weft::backends
