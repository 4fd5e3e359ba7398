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
  return rows;
}

}  // namespace weft::test
