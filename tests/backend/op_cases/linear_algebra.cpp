#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

OpCase product(const char* name, const Shape& a, const Shape& b, double terms) {
  OpCase row;
  row.name = name;
  row.inputs = {{a}, {b}};
  row.call = [](const Tensors& x) { return matmul(x[0], x[1]); };
  row.accepts = supports_matmul;
  row.terms = terms;
  row.exact = true;
  return row;
}

OpCase affine(const char* name, const Shape& x, bool bias) {
  OpCase row;
  row.name = name;
  row.inputs = {{x}, {{5, x[x.rank() - 1]}}};
  if (bias) row.inputs.push_back({{5}});
  row.call = [](const Tensors& t) { return linear(t[0], t[1], t.size() > 2 ? t[2] : Tensor()); };
  row.accepts = supports_matmul;
  row.terms = static_cast<double>(x.numel());
  row.exact = true;
  row.rows = true;
  return row;
}

OpCase activated(const char* name, Activation activation) {
  OpCase row = affine(name, {4, 6}, true);
  row.call = [activation](const Tensors& t) { return linear(t[0], t[1], t[2], activation); };
  row.exact = activation == Activation::relu;
  row.large = {{128, 300}, {50, 300}, {50}};
  row.empty = {{{0, 6}, {5, 6}, {5}}, {{4, 0}, {5, 0}, {5}}};
  return row;
}

}  // namespace

std::vector<OpCase> linear_algebra_cases() {
  std::vector<OpCase> rows = {
      product("matmul", {4, 6}, {6, 3}, 6),
      product("matmul/vector-vector", {7}, {7}, 7),
      product("matmul/matrix-vector", {4, 6}, {6}, 6),
      product("matmul/vector-matrix", {6}, {6, 3}, 6),
      product("matmul/batched", {2, 3, 4}, {2, 4, 5}, 4),
      product("matmul/broadcast-batch", {2, 1, 3, 4}, {3, 4, 2}, 12),
      product("matmul/batch-matrix", {3, 2, 4}, {4, 5}, 12),
      product("matmul/one", {1, 1}, {1, 1}, 1),
      product("matmul/two-panels", {3, 300}, {300, 5}, 300),
      product("matmul/odd-tiles", {37, 65}, {65, 51}, 65),
      affine("linear", {4, 6}, true),
      affine("linear/no-bias", {4, 6}, false),
      affine("linear/vector", {6}, true),
      affine("linear/rank-3", {2, 3, 6}, true),
      activated("linear/relu", Activation::relu),
      activated("linear/tanh", Activation::tanh),
      activated("linear/sigmoid", Activation::sigmoid),
      activated("linear/gelu-tanh", Activation::gelu_tanh),
  };
  for (OpCase& row : rows) {
    if (row.name == "matmul") {
      row.rows = true;
      row.large = {{150, 330}, {330, 70}};
      row.empty = {{{0, 6}, {6, 3}}, {{4, 0}, {0, 3}}, {{4, 6}, {6, 0}}};
    } else if (row.name == "matmul/batched") {
      row.rows = true;
      row.large = {{12, 40, 270}, {12, 270, 35}};
      row.empty = {{{0, 3, 4}, {0, 4, 5}}};
    } else if (row.name == "linear") {
      row.large = {{128, 784}, {500, 784}, {500}};
      row.empty = {{{0, 6}, {5, 6}, {5}}, {{4, 0}, {5, 0}, {5}}};
    } else if (row.name == "linear/no-bias") {
      row.large = {{128, 512}, {10, 512}};  // the skinny last layer
    } else if (row.name == "linear/vector") {
      row.rows = false;
    } else if (row.name == "matmul/two-panels" || row.name == "matmul/odd-tiles") {
      row.gradient = false;  // the same products as above, too many finite differences
    }
  }
  return rows;
}

}  // namespace weft::test
