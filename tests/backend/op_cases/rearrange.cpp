#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

OpCase moves(const char* name, const Shape& shape, Call call, std::vector<std::vector<Shape>> empty = {},
             const Shape& large = {0}) {
  OpCase row;
  row.name = name;
  row.inputs = {{shape}};
  row.call = std::move(call);
  row.accepts = any_dtype;
  row.exact = true;
  row.empty = std::move(empty);
  if (large.numel() != 0) row.large = {large};
  return row;
}

}  // namespace

std::vector<OpCase> rearrange_cases() {
  std::vector<OpCase> rows = {
      moves("repeat", {2, 3},
            [](const Tensors& x) {
              return repeat(x[0], {2, 3});
            },
            {{{0, 3}}, {{2, 0}}}, {101, 313}),
      moves("repeat/new-axes", {2, 3},
            [](const Tensors& x) {
              return repeat(x[0], {2, 1, 1, 2});
            }),
      moves("repeat/rank-0", {}, [](const Tensors& x) { return repeat(x[0], {4}); }),
      moves("repeat/once", {2, 3},
            [](const Tensors& x) {
              return repeat(x[0], {1, 1});
            }),
      moves("repeat/never", {2, 3},
            [](const Tensors& x) {
              return repeat(x[0], {2, 0});
            }),
      moves("repeat/rank-8", {1, 2, 1, 1, 2, 1, 1, 2},
            [](const Tensors& x) {
              return repeat(x[0], {2, 1, 2, 1, 2, 1, 1, 2});
            }),
      moves("roll", {5, 3}, [](const Tensors& x) { return roll(x[0], Dims{2}, 0); }, {{{0, 3}}, {{5, 0}}}, {301, 113}),
      moves("roll/back", {2, 5, 3}, [](const Tensors& x) { return roll(x[0], Dims{-7}, 1); }, {{{2, 0, 3}}}),
      moves("roll/two", {4, 3},
            [](const Tensors& x) {
              return roll(x[0], {1, -1}, {0, 1});
            }),
      moves("roll/twice", {4, 3},
            [](const Tensors& x) {
              return roll(x[0], {1, 2}, {0, -2});
            }),
      moves("roll/flat", {3, 4}, [](const Tensors& x) { return roll(x[0], 5); }, {{{0, 4}}, {{}}}),
      moves("flip", {3, 4}, [](const Tensors& x) { return flip(x[0], 1); }, {{{3, 0}}}, {301, 113}),
      moves("flip/two", {3, 2, 4},
            [](const Tensors& x) {
              return flip(x[0], {0, -1});
            },
            {{{0, 2, 4}}}),
      moves("flip/all", {3, 4}, [](const Tensors& x) { return flip(x[0]); }, {{{}}}),
      moves("pad", {2, 3},
            [](const Tensors& x) {
              return pad(x[0], {1, 2});
            },
            {{{0, 3}}, {{2, 0}}}, {301, 113}),
      moves("pad/value", {2, 3},
            [](const Tensors& x) {
              return pad(x[0], {0, 1, 2, 1}, PadMode::constant, 1);
            },
            {{{0, 0}}}),
      moves("pad/crop", {4, 5},
            [](const Tensors& x) {
              return pad(x[0], {-1, -2, 1, -3}, PadMode::constant, 1);
            }),
      moves("pad/crop-all", {4, 5},
            [](const Tensors& x) {
              return pad(x[0], {-3, -2, 1, 1});
            }),
      moves("pad/none", {4, 5}, [](const Tensors& x) { return pad(x[0], {}); }),
      moves("pad/reflect", {4, 5},
            [](const Tensors& x) {
              return pad(unsqueeze(x[0], 0), {2, 4, 3, 0}, PadMode::reflect);
            }),
      moves("pad/replicate", {2, 3},
            [](const Tensors& x) {
              return pad(unsqueeze(x[0], 0), {2, 4, 0, 1}, PadMode::replicate);
            }),
      moves("pad/circular", {2, 3},
            [](const Tensors& x) {
              return pad(unsqueeze(x[0], 0), {2, 3}, PadMode::circular);
            }),
      moves("tril", {4, 5}, [](const Tensors& x) { return tril(x[0]); }, {{{0, 5}}, {{4, 0}}}, {301, 113}),
      moves("tril/above", {2, 3, 4}, [](const Tensors& x) { return tril(x[0], 1); }),
      moves("tril/far", {3, 4}, [](const Tensors& x) { return tril(x[0], -9); }),
      moves("triu", {5, 4}, [](const Tensors& x) { return triu(x[0]); }, {{{0, 5}}, {{4, 0}}}),
      moves("triu/below", {2, 3, 4}, [](const Tensors& x) { return triu(x[0], -1); }),
      moves("triu/far", {3, 4}, [](const Tensors& x) { return triu(x[0], 9); }),
  };
  for (OpCase& row : rows) {  // modes made of cat and expand send the gradient of a repeated element through a sum
    if (row.name.rfind("pad/re", 0) == 0 || row.name == "pad/circular") row.terms = 8;
    if (row.name.rfind("repeat", 0) == 0) row.terms = 16;
  }
  return rows;
}

}  // namespace weft::test
