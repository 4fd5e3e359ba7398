#include <iterator>
#include <utility>

#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

template <UnaryOp op>
bool takes(DType dtype) {
  return supports(op, dtype);
}
template <BinaryOp op>
bool takes(DType dtype) {
  return supports(op, dtype);
}

OpCase unary(const char* name, Tensor (*function)(const Tensor&, CallSite), bool (*accepts)(DType),
             Domain domain = Domain::normal) {
  OpCase row;
  row.name = name;
  row.inputs = {{{3, 5}, domain}};
  row.call = [function](const Tensors& x) { return function(x[0], CallSite::here()); };
  row.accepts = accepts;
  row.elementwise = true;
  row.rows = true;
  row.large = {{37, 4001}};
  return row;
}

OpCase binary(const char* name, Tensor (*function)(const Operand&, const Operand&), bool (*accepts)(DType),
              Domain domain = Domain::normal) {
  OpCase row;
  row.name = name;
  row.inputs = {{{3, 5}, domain}, {{3, 5}, domain}};
  row.call = [function](const Tensors& x) { return function(x[0], x[1]); };
  row.accepts = accepts;
  row.elementwise = true;
  row.large = {{37, 4001}, {37, 4001}};
  return row;
}

/// The same function with a second operand that must be repeated, and with numbers.
void add_broadcasts(std::vector<OpCase>& rows, const OpCase& whole,
                    Tensor (*function)(const Operand&, const Operand&)) {
  const Domain domain = whole.inputs[0].domain;
  const auto variant = [&](const char* suffix, const Shape& a, const Shape& b) {
    OpCase row = whole;
    row.name += suffix;
    row.inputs = {{a, domain}, {b, domain}};
    row.elementwise = false;  // the shapes matter
    row.terms = 8;            // a gradient sums over the repeats
    row.large.clear();
    rows.push_back(row);
  };
  variant("/row", {3, 5}, {5});
  variant("/column", {3, 5}, {3, 1});
  variant("/outer", {4, 1}, {1, 3});
  variant("/rank-0", {}, {2, 3});
  rows.back().empty = {{{0, 3}, {3}}, {{2, 1}, {2, 0}}};
  OpCase number = whole;
  number.name += "/tensor-number";
  number.inputs.resize(1);
  number.large.resize(1);
  number.rows = true;
  number.call = [function](const Tensors& x) { return function(x[0], 3); };
  rows.push_back(number);
  number.name = whole.name + "/number-tensor";
  number.call = [function](const Tensors& x) { return function(2, x[0]); };
  rows.push_back(number);
}

OpCase call(const char* name, std::size_t operands, Call function, Domain domain = Domain::normal) {
  OpCase row;
  row.name = name;
  row.inputs.assign(operands, {{3, 5}, domain});
  row.call = std::move(function);
  row.elementwise = true;
  row.rows = true;
  row.large.assign(operands, {37, 4001});
  return row;
}

// Kinks lie between the numbers: those are multiples of 1/128, or of 1/4 plus 1/16.
std::vector<OpCase> activation_cases() {
  const auto away = Domain::away_from_zero;
  std::vector<OpCase> rows = {
      call(
          "leaky_relu", 1, [](const Tensors& x) { return leaky_relu(x[0]); }, away),
      call(
          "leaky_relu/slope", 1, [](const Tensors& x) { return leaky_relu(x[0], -0.3); }, away),
      call(
          "elu", 1, [](const Tensors& x) { return elu(x[0]); }, away),
      call(
          "elu/alpha", 1, [](const Tensors& x) { return elu(x[0], 0.7); }, away),
      call("gelu", 1, [](const Tensors& x) { return gelu(x[0]); }),
      call("gelu/tanh", 1, [](const Tensors& x) { return gelu(x[0], Approximate::tanh); }),
      call("softplus", 1, [](const Tensors& x) { return softplus(x[0]); }),
      call("softplus/threshold", 1, [](const Tensors& x) { return softplus(x[0], 2, 5.01); }),
      call("clamp/real", 1, [](const Tensors& x) { return clamp(tanh(x[0]), -0.3, 0.7); }),
      call(
          "clamp", 1, [](const Tensors& x) { return clamp(x[0], 0, 2); }, Domain::distinct),
      call(
          "clamp/min", 1, [](const Tensors& x) { return clamp(x[0], 1); }, Domain::distinct),
      call(
          "clamp/max", 1, [](const Tensors& x) { return clamp(x[0], {}, 1); }, Domain::distinct),
  };
  for (OpCase& row : rows) {
    if (row.name.rfind("clamp", 0) == 0 && row.name != "clamp/real") {
      row.accepts = takes<BinaryOp::maximum>;
      row.exact = true;
    }
  }
  using Question = std::pair<const char*, Tensor (*)(const Tensor&, CallSite)>;
  for (const auto& [name, function] :
       {Question{"isnan", isnan}, Question{"isinf", isinf}, Question{"isfinite", isfinite}}) {
    OpCase row = unary(name, function, any_dtype);
    row.gradient = false;
    rows.push_back(row);
  }
  return rows;
}

std::vector<OpCase> power_cases() {
  std::vector<OpCase> rows = {binary("pow", pow, takes<BinaryOp::pow>, Domain::positive)};
  const OpCase whole = rows.front();
  add_broadcasts(rows, whole, pow);
  rows.push_back(call("pow/square", 1, [](const Tensors& x) { return pow(x[0], 2); }));
  rows.push_back(call("pow/cube", 1, [](const Tensors& x) { return pow(x[0], 3.0); }));
  rows.push_back(call("pow/zero", 1, [](const Tensors& x) { return pow(x[0], 0); }));
  rows.push_back(call(
      "pow/inverse", 1, [](const Tensors& x) { return pow(x[0], -1.5); }, Domain::positive));
  const auto mix = [&](const char* name, std::size_t operands, Call function) {
    OpCase row = call(name, operands, std::move(function));
    row.elementwise = false;  // a difference of its terms: small ones have few digits
    row.terms = 4;
    row.empty = {std::vector<Shape>(operands, {0, 5}), std::vector<Shape>(operands, Shape{})};
    rows.push_back(row);
  };
  mix("lerp", 3, [](const Tensors& x) { return lerp(x[0], x[1], x[2]); });
  mix("lerp/number", 2, [](const Tensors& x) { return lerp(x[0], x[1], 0.25); });
  mix("lerp/late", 2, [](const Tensors& x) { return lerp(x[0], x[1], 0.75); });
  return rows;
}

}  // namespace

std::vector<OpCase> elementwise_cases() {
  std::vector<OpCase> rows = {
      unary("neg", neg, takes<UnaryOp::neg>),
      unary("abs", abs, takes<UnaryOp::abs>, Domain::away_from_zero),
      unary("sign", sign, takes<UnaryOp::sign>, Domain::away_from_zero),
      unary("exp", exp, takes<UnaryOp::exp>),
      unary("log", log, takes<UnaryOp::log>, Domain::positive),
      unary("sqrt", sqrt, takes<UnaryOp::sqrt>, Domain::positive),
      unary("tanh", tanh, takes<UnaryOp::tanh>),
      unary("sigmoid", sigmoid, takes<UnaryOp::sigmoid>),
      unary("expm1", expm1, takes<UnaryOp::expm1>),
      unary("log1p", log1p, takes<UnaryOp::log1p>, Domain::positive),
      unary("rsqrt", rsqrt, takes<UnaryOp::rsqrt>, Domain::positive),
      unary("square", square, takes<BinaryOp::mul>),
      unary("sin", sin, takes<UnaryOp::sin>),
      unary("cos", cos, takes<UnaryOp::cos>),
      unary("erf", erf, takes<UnaryOp::erf>),
      unary("floor", floor, takes<UnaryOp::floor>, Domain::distinct),  // none is whole or half
      unary("ceil", ceil, takes<UnaryOp::ceil>, Domain::distinct),
      unary("round", round, takes<UnaryOp::round>, Domain::distinct),
      unary("silu", silu, takes<UnaryOp::silu>),
      unary("relu", relu, takes<UnaryOp::relu>, Domain::away_from_zero),
  };
  struct Binary {
    const char* name;
    Tensor (*function)(const Operand&, const Operand&);
    bool (*accepts)(DType);
    Domain domain;
    bool exact;
  };
  const Binary binaries[] = {
      {"add", add, takes<BinaryOp::add>, Domain::normal, true},
      {"sub", sub, takes<BinaryOp::sub>, Domain::normal, true},
      {"mul", mul, takes<BinaryOp::mul>, Domain::normal, true},
      {"div", div, takes<BinaryOp::div>, Domain::away_from_zero, false},
      {"maximum", maximum, takes<BinaryOp::maximum>, Domain::distinct, true},
      {"minimum", minimum, takes<BinaryOp::minimum>, Domain::distinct, true},
  };
  for (const Binary& b : binaries) {
    rows.push_back(binary(b.name, b.function, b.accepts, b.domain));
    rows.back().exact = b.exact;
    const OpCase whole = rows.back();
    add_broadcasts(rows, whole, b.function);
  }
  for (const char* exact : {"square", "floor", "ceil", "round"}) {
    for (OpCase& row : rows) row.exact = row.exact || row.name == exact;
  }
  for (std::vector<OpCase>& more : std::vector<std::vector<OpCase>>{activation_cases(), power_cases()}) {
    std::move(more.begin(), more.end(), std::back_inserter(rows));
  }
  return rows;
}

}  // namespace weft::test
