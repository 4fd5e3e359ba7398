#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {

Tensor where(const Tensor& condition, const Operand& a, const Operand& b, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(condition, name, "condition", at);
  const backends::TensorView& chooser = condition.impl()->view;
  if (chooser.dtype != DType::boolean) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("condition must be bool, not ", chooser.dtype, "; compare first, for instance x != 0"),
                     at);
  }
  Shape shape = chooser.shape;
  const auto add_operand = [&](const Operand& operand, const char* argument) {
    if (operand.is_number()) return;
    check_defined(operand.tensor(), name, argument, at);
    check_same_device(condition, operand.tensor(), name, at, "condition", argument);
    const Shape& other = operand.tensor().impl()->view.shape;
    if (shape != other) shape = broadcast_shapes(shape, other, name, at);
  };
  add_operand(a, "a");
  add_operand(b, "b");
  DType dtype = DType::float32;  // of two numbers
  if (!a.is_number() && !b.is_number()) check_same_dtype(a.tensor(), b.tensor(), name, at);
  if (!a.is_number()) dtype = a.tensor().impl()->view.dtype;
  if (!b.is_number()) dtype = b.tensor().impl()->view.dtype;
  if (a.is_number()) check_number(a.number(), dtype, name, at);
  if (b.is_number()) check_number(b.number(), dtype, name, at);

  backends::Backend& backend = begin(condition, name, at);
  Tensor out = make_like(backend, condition, shape, dtype, name, at);
  if (has_elements(out)) {
    const auto argument = [&](const Operand& operand) -> backends::Argument {
      if (operand.is_number()) return operand.number();
      return broadcast_view(view_of(operand.tensor()), shape);
    };
    backend.where(broadcast_view(view_of(condition), shape), argument(a), argument(b), view_of(out));
  }
  return out;
}

}  // namespace weft::ops
