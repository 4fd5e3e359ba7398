#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

OpCase moves(const char* name, const Shape& shape, Call call, std::vector<std::vector<Shape>> empty = {}) {
  OpCase row;
  row.name = name;
  row.inputs = {{shape}};
  row.call = std::move(call);
  row.accepts = any_dtype;
  row.exact = true;
  row.empty = std::move(empty);
  return row;
}

}  // namespace

std::vector<OpCase> shape_cases() {
  std::vector<OpCase> rows = {
      moves("reshape", {3, 4},
            [](const Tensors& x) {
              return reshape(x[0], {2, -1});
            }),
      moves("reshape/rank-0", {1, 1}, [](const Tensors& x) { return reshape(x[0], {}); }),
      moves("reshape/empty", {2, 3},
            [](const Tensors& x) {
              return reshape(x[0], {x[0].numel(), 1});
            },
            {{{0, 3}}}),
      moves("view", {2, 6},
            [](const Tensors& x) {
              return view(contiguous(x[0]), {4, -1});
            },
            {{{0, 6}}}),
      moves("view/strided", {4, 6},
            [](const Tensors& x) {
              return view(slice(contiguous(x[0]), 1, {{}, {}, 2}), {2, 2, 3});
            }),
      moves("flatten", {2, 3, 4}, [](const Tensors& x) { return flatten(x[0], 1); }, {{{0, 3, 4}}}),
      moves("transpose", {2, 3, 4}, [](const Tensors& x) { return transpose(x[0], 0, -1); }, {{{2, 0, 4}}}),
      moves("permute", {2, 3, 4},
            [](const Tensors& x) {
              return permute(x[0], {2, 0, 1});
            },
            {{{2, 3, 0}}}),
      moves("expand", {3, 1},
            [](const Tensors& x) {
              return expand(x[0], {2, -1, 4});
            },
            {{{0, 1}}}),
      moves("unsqueeze", {2, 3}, [](const Tensors& x) { return unsqueeze(x[0], -2); }, {{{0, 3}}}),
      moves("squeeze", {2, 1, 3}, [](const Tensors& x) { return squeeze(x[0], 1); }, {{{0, 1, 3}}}),
      moves("squeeze/all", {1, 2, 1, 3, 1}, [](const Tensors& x) { return squeeze(x[0]); }, {{{1, 0, 1, 3, 1}}}),
      moves("squeeze/some", {1, 2, 1, 1},
            [](const Tensors& x) {
              return squeeze(x[0], {0, 1, -1});
            }),
      moves("slice", {5, 6},
            [](const Tensors& x) {
              return slice(x[0], 1, {1, 6, 2});
            },
            {{{0, 6}}, {{5, 0}}}),
      moves("slice/backwards", {5, 4},
            [](const Tensors& x) {
              return slice(x[0], 0, {{}, {}, -1});
            },
            {{{0, 4}}}),
      moves("slice/to-nothing", {5, 4},
            [](const Tensors& x) {
              return slice(x[0], 0, {3, 3, 1});
            }),
      moves("narrow", {5, 4}, [](const Tensors& x) { return narrow(x[0], 0, 1, 3); }),
      moves("select", {5, 4}, [](const Tensors& x) { return select(x[0], 1, -2); }, {{{0, 4}}}),
      moves("split", {5, 4}, [](const Tensors& x) { return split(x[0], 2)[2]; }, {{{5, 0}}}),
      moves("split/sizes", {2, 6},
            [](const Tensors& x) {
              return split(x[0], {1, 3, 2}, -1)[1];
            },
            {{{0, 6}}}),
      moves("split/together", {6, 2},
            [](const Tensors& x) {
              const Tensors parts = split(x[0], 3);
              return parts[1] + parts[0];
            }),
      moves("chunk", {7, 2}, [](const Tensors& x) { return chunk(x[0], 3)[2]; }, {{{7, 0}}}),
      moves("contiguous", {3, 4}, [](const Tensors& x) { return contiguous(x[0]); }, {{{0, 4}}}),
      moves("clone", {3, 4}, [](const Tensors& x) { return clone(x[0]); }, {{{0, 4}}, {{}}}),
      moves("to/float64", {3, 4}, [](const Tensors& x) { return to(x[0], DType::float64); }, {{{0, 4}}}),
  };
  for (OpCase& row : rows) {
    if (row.name == "split/together") row.accepts = [](DType dtype) { return supports(BinaryOp::add, dtype); };
  }
  for (OpCase& row : rows) {  // wide enough that a copy is split over threads
    if (row.name == "clone" || row.name == "to/float64") row.large = {{301, 513}};
  }
  OpCase join;
  join.name = "cat";
  join.inputs = {{{2, 3}}, {{4, 3}}, {{1, 3}}};
  join.call = [](const Tensors& x) { return cat({x[0], x[1], x[2]}, 0); };
  join.accepts = any_dtype;
  join.exact = true;
  join.empty = {{{0, 3}, {4, 3}, {0, 3}}, {{0, 3}, {0, 3}, {0, 3}}, {{2, 0}, {4, 0}, {1, 0}}};
  rows.push_back(join);
  join.name = "cat/inner";
  join.inputs = {{{2, 3}}, {{2, 1}}};
  join.call = [](const Tensors& x) { return cat({x[0], x[1]}, -1); };
  join.empty = {{{0, 3}, {0, 1}}};
  rows.push_back(join);
  join.name = "cat/itself";
  join.inputs = {{{2, 3}}};
  join.call = [](const Tensors& x) { return cat({x[0], x[0]}, 1); };
  join.empty.clear();
  rows.push_back(join);
  join.name = "stack";
  join.inputs = {{{2, 3}}, {{2, 3}}, {{2, 3}}};
  join.call = [](const Tensors& x) { return stack({x[0], x[1], x[2]}); };
  join.empty = {{{0, 3}, {0, 3}, {0, 3}}, {{}, {}, {}}};
  rows.push_back(join);
  join.name = "stack/last";
  join.inputs = {{{2, 3}}, {{2, 3}}};
  join.call = [](const Tensors& x) { return stack({x[0], x[1], x[0]}, -1); };
  join.empty = {{{2, 0}, {2, 0}}};
  rows.push_back(join);
  return rows;
}

}  // namespace weft::test