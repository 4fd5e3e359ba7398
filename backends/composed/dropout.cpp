#include <weft/backends/composed/scratch.h>

namespace weft::backends {

using namespace composed;

// The mask comes from the float32 stream for every dtype, so x's dtype does not change which elements stay.
void Backend::dropout(double p, const RandomKey& key, const TensorView& x, const TensorView& y) {
  if (p >= 1) return fill(y, Number(0.0));
  Calls call(*this);
  const DType dtype = compute_dtype(x.dtype);
  const Scratch uniform(*this, DType::float32, x.shape);
  random(RandomKind::uniform, key, uniform);
  const Scratch stays(*this, DType::boolean, x.shape);
  call.binary(BinaryOp::ge, uniform.view(), Number(p), stays);
  const Input in(*this, x, dtype);
  Output out(*this, y, dtype);
  call.div(in.view(), Number(1 - p), out);
  call.where(stays, out.view(), Number(0.0), out);
  out.finish();
}

}  // namespace weft::backends
