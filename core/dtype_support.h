#pragma once
// Which dtypes an operation takes: the one table the checks in tensor/, the backends' dispatch and the case table all
// read.
//
// float32/float64/float16/bfloat16 do everything. Integers (int64, int32, uint8) do + - * maximum minimum neg abs sign
// relu, floor ceil round (which leave them as they are), comparisons, and sum/prod/max/min/any/all. bool does
// comparisons, the logical operations, and sum/max/min/any/all (sum of bool counts, in int64). What integers cannot do
// (division, exp, matmul, mean) is refused with ".to(float32)" named.

#include <weft/core/dtype.h>
#include <weft/core/op_kinds.h>

namespace weft {

/// Rounds to whole numbers, so that integers pass through.
constexpr bool keeps_integers(UnaryOp op) noexcept {
  return op == UnaryOp::floor || op == UnaryOp::ceil || op == UnaryOp::round;
}

constexpr bool supports(UnaryOp op, DType dtype) noexcept {
  if (op == UnaryOp::logical_not) return dtype == DType::boolean;
  if (is_floating(dtype)) return true;
  const bool arithmetic = op == UnaryOp::neg || op == UnaryOp::abs || op == UnaryOp::sign || op == UnaryOp::relu;
  return (arithmetic || keeps_integers(op)) && is_integer(dtype) && !(op == UnaryOp::neg && dtype == DType::uint8);
}

constexpr bool supports(BinaryOp op, DType dtype) noexcept {
  switch (op) {
    case BinaryOp::add:
    case BinaryOp::sub:
    case BinaryOp::mul:
    case BinaryOp::maximum:
    case BinaryOp::minimum:
      return dtype != DType::boolean;
    case BinaryOp::eq:
    case BinaryOp::ne:
    case BinaryOp::lt:
    case BinaryOp::le:
    case BinaryOp::gt:
    case BinaryOp::ge:
      return true;
    case BinaryOp::logical_and:
    case BinaryOp::logical_or:
      return dtype == DType::boolean;
    default:
      return is_floating(dtype);  // div, pow and the gradients
  }
}

constexpr bool supports(ReduceOp op, DType dtype) noexcept {
  if (op == ReduceOp::any || op == ReduceOp::all) return dtype == DType::boolean;
  return dtype != DType::boolean || op == ReduceOp::max || op == ReduceOp::min || op == ReduceOp::sum;
}

/// The dtype a reduction writes: sums and products of integers and bools are int64, any/all bool, everything else in's
/// own.
constexpr DType result_dtype(ReduceOp op, DType in) noexcept {
  if (writes_bool(op)) return DType::boolean;
  const bool counts = op == ReduceOp::sum || op == ReduceOp::prod;
  return counts && !is_floating(in) ? DType::int64 : in;
}

constexpr bool supports_matmul(DType dtype) noexcept { return is_floating(dtype); }
constexpr bool supports_conv(DType dtype) noexcept { return is_floating(dtype); }
constexpr bool supports_pool(DType dtype) noexcept { return is_floating(dtype); }
constexpr bool supports_index(DType dtype) noexcept { return dtype == DType::int64 || dtype == DType::int32; }

}  // namespace weft
