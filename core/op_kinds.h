#pragma once
// The operations a backend is asked for by name. A new elementwise function is one line here, one in each backend's
// family file, one function with its derivative in autograd/, one row in tests/backend/op_cases.h.

#include <cstdint>

namespace weft {

enum class UnaryOp : std::uint8_t { neg, abs, sign, exp, log, sqrt, tanh, sigmoid, relu, logical_not };
inline constexpr int unary_op_count = 10;

enum class BinaryOp : std::uint8_t {
  add,
  sub,
  mul,
  div,
  maximum,
  minimum,
  eq,
  ne,
  lt,
  le,
  gt,
  ge,  // these and the next two write bool
  logical_and,
  logical_or,
  relu_backward,     // a = dy, b = y:  y > 0 ? dy : 0
  tanh_backward,     // a = dy, b = y:  dy (1 - y^2)
  sigmoid_backward,  // a = dy, b = y:  dy y (1 - y)
};
inline constexpr int binary_op_count = 17;

enum class ReduceOp : std::uint8_t { sum, prod, max, min, any, all };
inline constexpr int reduce_op_count = 6;

enum class ArgReduceOp : std::uint8_t { argmax, argmin };
enum class ScanOp : std::uint8_t { sum };
enum class RandomKind : std::uint8_t { bits, uniform, normal };

constexpr bool writes_bool(BinaryOp op) noexcept { return op >= BinaryOp::eq && op <= BinaryOp::logical_or; }
constexpr bool writes_bool(UnaryOp op) noexcept { return op == UnaryOp::logical_not; }
constexpr bool writes_bool(ReduceOp op) noexcept { return op == ReduceOp::any || op == ReduceOp::all; }

constexpr const char* name(UnaryOp op) noexcept {
  constexpr const char* names[unary_op_count] = {"neg",  "abs",  "sign",    "exp",  "log",
                                                 "sqrt", "tanh", "sigmoid", "relu", "logical_not"};
  return names[static_cast<int>(op)];
}

constexpr const char* name(BinaryOp op) noexcept {
  constexpr const char* names[binary_op_count] = {"add",
                                                  "sub",
                                                  "mul",
                                                  "div",
                                                  "maximum",
                                                  "minimum",
                                                  "eq",
                                                  "ne",
                                                  "lt",
                                                  "le",
                                                  "gt",
                                                  "ge",
                                                  "logical_and",
                                                  "logical_or",
                                                  "relu_backward",
                                                  "tanh_backward",
                                                  "sigmoid_backward"};
  return names[static_cast<int>(op)];
}

constexpr const char* name(ReduceOp op) noexcept {
  constexpr const char* names[reduce_op_count] = {"sum", "prod", "max", "min", "any", "all"};
  return names[static_cast<int>(op)];
}

}  // namespace weft
