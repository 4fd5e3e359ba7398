#include <weft/core/op_kinds.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {

Tensor unary(UnaryOp op, const Tensor& x, const char* name, CallSite at, const backends::UnaryArgs& args) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  const backends::TensorView& in = x.impl()->view;
  check_supported(op, in.dtype, name, at);
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, in.shape, writes_bool(op) ? DType::boolean : in.dtype, name, at);
  if (has_elements(out)) backend.unary(op, args, view_of(x), view_of(out));
  return out;
}

}  // namespace weft::ops
