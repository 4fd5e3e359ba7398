#pragma once
// Private: elementwise functions of integers and bools. Plain loops: exact, so there is no order to keep.

#include <weft/backends/op_args.h>

namespace weft::backends::cpu {

void unary_integer(UnaryOp op, const TensorView& in, const TensorView& out);
void binary_integer(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out, DType dtype);

}  // namespace weft::backends::cpu
