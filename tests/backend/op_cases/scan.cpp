#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

OpCase running(const char* name, const Shape& shape, int axis, const Shape& large, bool independent) {
  OpCase row;
  row.name = name;
  row.inputs = {{shape}};
  row.call = [axis](const Tensors& x) { return cumsum(x[0], axis); };
  row.accepts = [](DType dtype) { return supports(ReduceOp::sum, dtype); };
  row.terms = shape.rank() == 0 ? 1 : static_cast<double>(shape[axis < 0 ? axis + shape.rank() : axis]);
  row.exact = true;
  row.rows = independent;
  if (large.rank() > 0) row.large = {large};
  return row;
}

OpCase top(const char* name, const Shape& shape, std::int64_t k, int axis, bool largest, bool indices,
           const Shape& large, bool independent) {
  OpCase row;
  row.name = name;
  row.inputs = {{shape, Domain::distinct}};
  row.call = [=](const Tensors& x) {
    const TopK found = topk(x[0], k, axis, largest);
    return indices ? found.indices : found.values;
  };
  row.accepts = any_dtype;
  row.gradient = !indices;
  row.exact = true;
  row.rows = independent;
  if (large.rank() > 0) row.large = {large};
  return row;
}

}  // namespace

std::vector<OpCase> scan_cases() {
  std::vector<OpCase> rows = {
      running("cumsum", {4, 6}, 1, {301, 513}, true),
      running("cumsum/columns", {4, 6}, 0, {301, 513}, false),
      running("cumsum/middle", {2, 5, 3}, -2, {33, 150, 31}, true),
      running("cumsum/rank-0", {}, 0, {}, false),
      top("topk", {4, 7}, 3, -1, true, false, {300, 517}, true),
      top("topk/indices", {4, 7}, 3, -1, true, true, {300, 517}, true),
      top("topk/smallest", {6, 3}, 2, 0, false, false, {300, 51}, false),
      top("topk/middle", {2, 5, 3}, 5, 1, true, false, {33, 50, 31}, true),
      top("topk/none", {4, 7}, 0, 1, true, false, {}, false),
      top("topk/rank-0", {}, 1, -1, true, false, {}, false),
  };
  for (OpCase& row : rows) {
    if (row.name == "cumsum") row.empty = {{{0, 6}}, {{4, 0}}};
    if (row.name == "topk" || row.name == "topk/indices") row.empty = {{{0, 7}}};
  }
  return rows;
}

}  // namespace weft::test
