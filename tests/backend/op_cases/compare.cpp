#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

bool only_bool(DType dtype) { return dtype == DType::boolean; }

OpCase compare(const char* name, Tensor (*function)(const Operand&, const Operand&)) {
  OpCase row;
  row.name = name;
  row.inputs = {{{3, 5}}, {{3, 5}}};
  row.call = [function](const Tensors& x) { return function(x[0], x[1]); };
  row.accepts = any_dtype;
  row.elementwise = true;
  row.gradient = false;
  row.exact = true;
  row.large = {{37, 4001}, {37, 4001}};
  return row;
}

OpCase logical(const char* name, std::size_t operands, Call call) {
  OpCase row;
  row.name = name;
  row.inputs.assign(operands, {{3, 5}});
  row.call = std::move(call);
  row.accepts = only_bool;
  row.elementwise = true;
  row.gradient = false;
  row.large.assign(operands, {37, 4001});
  return row;
}

}  // namespace

std::vector<OpCase> compare_cases() {
  std::vector<OpCase> rows = {
      compare("eq", eq),
      compare("ne", ne),
      compare("lt", lt),
      compare("le", le),
      compare("gt", gt),
      compare("ge", ge),
      logical("logical_and", 2, [](const Tensors& x) { return logical_and(x[0], x[1]); }),
      logical("logical_or", 2, [](const Tensors& x) { return logical_or(x[0], x[1]); }),
      logical("logical_not", 1, [](const Tensors& x) { return logical_not(x[0]); }),
  };
  OpCase number = compare("lt/number", lt);
  number.inputs.resize(1);
  number.large.resize(1);
  number.call = [](const Tensors& x) { return lt(x[0], 1); };
  rows.push_back(number);

  OpCase choose;
  choose.name = "where";
  choose.inputs = {{{3, 5}, Domain::normal, Kind::boolean}, {{3, 5}}, {{3, 5}}};
  choose.call = [](const Tensors& x) { return where(x[0], x[1], x[2]); };
  choose.accepts = any_dtype;
  choose.elementwise = true;
  choose.exact = true;
  choose.refused_by = 1;
  choose.large = {{37, 4001}, {37, 4001}, {37, 4001}};
  rows.push_back(choose);
  choose.name = "where/number";
  choose.inputs.resize(2);
  choose.large.resize(2);
  choose.call = [](const Tensors& x) { return where(x[0], x[1], 1); };
  rows.push_back(choose);
  choose.name = "where/broadcast";
  choose.elementwise = false;
  choose.terms = 8;
  choose.inputs = {{{3, 1}, Domain::normal, Kind::boolean}, {{5}}, {{2, 3, 5}}};
  choose.large.clear();
  choose.call = [](const Tensors& x) { return where(x[0], x[1], x[2]); };
  choose.empty = {{{0, 1}, {5}, {2, 0, 5}}};
  rows.push_back(choose);
  return rows;
}

}  // namespace weft::test
