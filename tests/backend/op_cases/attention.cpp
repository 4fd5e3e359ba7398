#include <cmath>

#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

OpCase attention(const char* name, std::vector<Input> inputs, Call call) {
  OpCase row;
  row.name = std::string("scaled_dot_product_attention") + name;
  row.inputs = std::move(inputs);
  row.call = std::move(call);
  row.terms = 64;  // scores grow to about 20, and so do their roundings
  return row;
}

}  // namespace

std::vector<OpCase> attention_cases() {
  const Input q = {{2, 4, 3}}, k = {{2, 5, 3}}, v = {{2, 5, 2}};
  const auto plain = [](const Tensors& x) { return scaled_dot_product_attention(x[0], x[1], x[2]); };
  const auto masked = [](const Tensors& x) { return scaled_dot_product_attention(x[0], x[1], x[2], x[3]); };
  const auto causal = [](const Tensors& x) { return scaled_dot_product_attention(x[0], x[1], x[2], {}, 0, true); };
  std::vector<OpCase> rows = {
      attention("", {q, k, v}, plain),
      attention("/matrices", {{{4, 3}}, {{5, 3}}, {{5, 2}}}, plain),
      attention("/heads", {{{2, 2, 3, 4}}, {{2, 1, 3, 4}}, {{1, 2, 3, 4}}}, plain),
      attention("/causal", {q, k, v}, causal),
      attention("/causal-long", {{{2, 5, 3}}, {{2, 4, 3}}, {{2, 4, 2}}}, causal),
      attention("/mask", {q, k, v, {{4, 5}, Domain::normal, Kind::boolean}}, masked),
      attention("/padding", {q, k, v, {{2, 1, 5}, Domain::normal, Kind::boolean}}, masked),
      attention("/bias", {q, k, v, {{4, 5}}}, masked),
      attention("/padding-causal", {q, k, v, {{2, 1, 5}, Domain::normal, Kind::boolean}},
                [](const Tensors& x) { return scaled_dot_product_attention(x[0], x[1], x[2], x[3], 0, true); }),
      attention("/nothing", {q, k, v},
                [](const Tensors& x) {
                  // every key left out for the first query, by -inf
                  const Tensor out = full({1, x[1].size(-2)}, -INFINITY, {x[0].device(), x[0].dtype()});
                  const Tensor in = zeros({x[0].size(-2) - 1, x[1].size(-2)}, {x[0].device(), x[0].dtype()});
                  return scaled_dot_product_attention(x[0], x[1], x[2], cat({out, in}, 0));
                }),
      attention("/scale", {q, k, v},
                [](const Tensors& x) { return scaled_dot_product_attention(x[0], x[1], x[2], {}, 0, false, 0.25); }),
      attention("/dropout", {q, k, v},
                [](const Tensors& x) {
                  Generator generator(7);  // the same mask every time
                  return scaled_dot_product_attention(x[0], x[1], x[2], {}, 0.25, false, {}, generator);
                }),
  };
  for (OpCase& row : rows) {
    if (row.name == "scaled_dot_product_attention") {
      row.rows = true;
      row.large = {{19, 40, 33}, {19, 70, 33}, {19, 70, 24}};
      row.empty = {{{0, 4, 3}, {0, 5, 3}, {0, 5, 2}},
                   {{2, 0, 3}, {2, 5, 3}, {2, 5, 2}},
                   {{2, 4, 3}, {2, 0, 3}, {2, 0, 2}},
                   {{2, 4, 0}, {2, 5, 0}, {2, 5, 2}}};
    } else if (row.name == "scaled_dot_product_attention/causal") {
      row.rows = true;
      row.large = {{17, 64, 16}, {17, 64, 16}, {17, 64, 16}};
    }
  }
  return rows;
}

}  // namespace weft::test
