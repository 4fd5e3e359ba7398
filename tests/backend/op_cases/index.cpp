#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {

std::vector<OpCase> index_cases() {
  using Tensors = std::vector<Tensor>;
  std::vector<OpCase> rows;
  OpCase row;
  row.name = "index_select";
  row.inputs = {{{5, 3}}, {{7}, Domain::normal, Kind::index, 5}};
  row.call = [](const Tensors& x) { return index_select(x[0], 0, x[1]); };
  row.accepts = any_dtype;
  row.exact = true;
  row.terms = 7;
  row.large = {{501, 300}, {400}};
  row.empty = {{{5, 0}, {7}}, {{5, 3}, {0}}};
  rows.push_back(row);
  row.name = "index_select/inner";
  row.inputs = {{{2, 5, 3}}, {{4}, Domain::normal, Kind::index, 5}};
  row.call = [](const Tensors& x) { return index_select(x[0], 1, x[1]); };
  row.large = {{40, 50, 60}, {70}};
  row.empty = {{{0, 5, 3}, {4}}};
  rows.push_back(row);
  row.name = "index_select/int32";
  row.call = [](const Tensors& x) { return index_select(x[0], 1, x[1].to(DType::int32)); };
  row.large.clear();
  row.empty.clear();
  rows.push_back(row);
  row.name = "index_add";
  row.inputs = {{{5, 3}}, {{7}, Domain::normal, Kind::index, 5}, {{7, 3}}};
  row.call = [](const Tensors& x) { return index_add(x[0], 0, x[1], x[2]); };
  row.accepts = [](DType dtype) { return supports(BinaryOp::add, dtype); };
  row.large = {{501, 300}, {400}, {400, 300}};
  row.empty = {{{5, 0}, {7}, {7, 0}}, {{5, 3}, {0}, {0, 3}}};
  rows.push_back(row);
  row.name = "index_add/inner";
  row.inputs = {{{2, 5, 3}}, {{4}, Domain::normal, Kind::index, 5}, {{2, 4, 3}}};
  row.call = [](const Tensors& x) { return index_add(x[0], 1, x[1], x[2]); };
  row.large.clear();
  row.empty.clear();
  rows.push_back(row);
  return rows;
}

}  // namespace weft::test
