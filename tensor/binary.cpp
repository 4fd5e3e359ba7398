#include <weft/core/error.h>
#include <weft/core/op_kinds.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {
namespace {

Tensor tensor_and_tensor(BinaryOp op, const Tensor& a, const Tensor& b, const char* name, CallSite at) {
  check_defined(a, name, "a", at);
  check_defined(b, name, "b", at);
  check_same_device(a, b, name, at);
  check_same_dtype(a, b, name, at);
  const backends::TensorView& left = a.impl()->view;
  const backends::TensorView& right = b.impl()->view;
  check_supported(op, left.dtype, name, at);
  const DType dtype = writes_bool(op) ? DType::boolean : left.dtype;
  if (left.shape == right.shape) {
    backends::Backend& backend = begin(a, name, at);
    Tensor out = make_like(backend, a, left.shape, dtype, name, at);
    if (has_elements(out)) backend.binary(op, view_of(a), view_of(b), view_of(out));
    return out;
  }
  const Shape shape = broadcast_shapes(left.shape, right.shape, name, at);
  backends::Backend& backend = begin(a, name, at);
  Tensor out = make_like(backend, a, shape, dtype, name, at);
  if (has_elements(out)) {
    backend.binary(op, broadcast_view(view_of(a), shape), broadcast_view(view_of(b), shape), view_of(out));
  }
  return out;
}

Tensor with_number(BinaryOp op, const Tensor& x, backends::Number number, bool number_first, const char* name,
                   CallSite at) {
  check_defined(x, name, number_first ? "b" : "a", at);
  const backends::TensorView& in = x.impl()->view;
  check_supported(op, in.dtype, name, at);
  check_number(number, in.dtype, name, at);
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, in.shape, writes_bool(op) ? DType::boolean : in.dtype, name, at);
  if (has_elements(out)) {
    if (number_first) {
      backend.binary(op, number, view_of(x), view_of(out));
    } else {
      backend.binary(op, view_of(x), number, view_of(out));
    }
  }
  return out;
}

}  // namespace

Tensor binary(BinaryOp op, const Operand& a, const Operand& b, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  if (!a.is_number() && !b.is_number()) return tensor_and_tensor(op, a.tensor(), b.tensor(), name, at);
  if (!a.is_number()) return with_number(op, a.tensor(), b.number(), false, name, at);
  if (!b.is_number()) return with_number(op, b.tensor(), a.number(), true, name, at);
  throw ValueError(ErrorCode::value_invalid, name, "both operands are numbers; at least one must be a tensor", at);
}

}  // namespace weft::ops
