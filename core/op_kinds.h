#pragma once
// The operations a backend is asked for by name. A new elementwise function is one line here, one in each backend's
// family file, one function with its derivative in autograd/, one row in tests/backend/op_cases.h.

#include <cstdint>

namespace weft {

enum class UnaryOp : std::uint8_t {
  neg,
  abs,
  sign,
  exp,
  log,
  sqrt,
  tanh,
  sigmoid,
  relu,
  logical_not,
  expm1,
  log1p,
  rsqrt,
  sin,
  cos,
  erf,
  floor,
  ceil,
  round,       // to nearest, halves to even
  leaky_relu,  // args.a: slope below 0
  elu,         // args.a: alpha; x > 0 ? x : alpha (e^x - 1)
  gelu,        // x Phi(x), Phi the normal distribution; 0 at -infinity (the limit)
  gelu_tanh,   // x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3); 0 at -infinity
  silu,        // x / (1 + e^-x); 0 at -infinity
  softplus,    // args.a: beta, args.b: threshold; beta x > threshold ? x : log(1 + e^(beta x)) / beta
};
inline constexpr int unary_op_count = 25;

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
  pow,               // C's pow, special values included
  gelu_backward,     // a = dy, b = x, as are the next two; the derivative is 0 at -infinity, 1 at infinity
  gelu_tanh_backward,
  silu_backward,
};
inline constexpr int binary_op_count = 21;

enum class ReduceOp : std::uint8_t { sum, prod, max, min, any, all };
inline constexpr int reduce_op_count = 6;

enum class ArgReduceOp : std::uint8_t { argmax, argmin };
enum class ScanOp : std::uint8_t { sum };
enum class RandomKind : std::uint8_t { bits, uniform, normal };

/// What a linear layer can do to its result in the same call. The derivatives are functions of the result; that of
/// gelu_tanh is one of what stood there before.
enum class Activation : std::uint8_t { none, relu, tanh, sigmoid, gelu_tanh };
inline constexpr int activation_count = 5;

/// The activation, not none, by itself, and its derivative times a gradient (b: the result; of gelu_tanh the argument).
constexpr UnaryOp function_of(Activation activation) noexcept {
  constexpr UnaryOp functions[activation_count] = {UnaryOp::neg, UnaryOp::relu, UnaryOp::tanh, UnaryOp::sigmoid,
                                                   UnaryOp::gelu_tanh};
  return functions[static_cast<int>(activation)];
}
constexpr BinaryOp derivative_of(Activation activation) noexcept {
  constexpr BinaryOp derivatives[activation_count] = {BinaryOp::mul, BinaryOp::relu_backward, BinaryOp::tanh_backward,
                                                      BinaryOp::sigmoid_backward, BinaryOp::gelu_tanh_backward};
  return derivatives[static_cast<int>(activation)];
}

constexpr bool writes_bool(BinaryOp op) noexcept { return op >= BinaryOp::eq && op <= BinaryOp::logical_or; }
constexpr bool writes_bool(UnaryOp op) noexcept { return op == UnaryOp::logical_not; }
constexpr bool writes_bool(ReduceOp op) noexcept { return op == ReduceOp::any || op == ReduceOp::all; }

constexpr const char* name(UnaryOp op) noexcept {
  constexpr const char* names[unary_op_count] = {
      "neg",         "abs",        "sign",  "exp",   "log",       "sqrt", "tanh",    "sigmoid", "relu",
      "logical_not", "expm1",      "log1p", "rsqrt", "sin",       "cos",  "erf",     "floor",   "ceil",
      "round",       "leaky_relu", "elu",   "gelu",  "gelu_tanh", "silu", "softplus"};
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
                                                  "sigmoid_backward",
                                                  "pow",
                                                  "gelu_backward",
                                                  "gelu_tanh_backward",
                                                  "silu_backward"};
  return names[static_cast<int>(op)];
}

constexpr const char* name(Activation activation) noexcept {
  constexpr const char* names[activation_count] = {"none", "relu", "tanh", "sigmoid", "gelu_tanh"};
  return names[static_cast<int>(activation)];
}

constexpr const char* name(ReduceOp op) noexcept {
  constexpr const char* names[reduce_op_count] = {"sum", "prod", "max", "min", "any", "all"};
  return names[static_cast<int>(op)];
}

}  // namespace weft
