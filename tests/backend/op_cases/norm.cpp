#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

Tensor at(const Tensors& x, std::size_t i) { return x.size() > i ? x[i] : Tensor(); }

/// Half the values doubled and shifted: a variance that is not about 1.
OpCase layer(const char* name, const Shape& x, const Shape& normalized, bool affine) {
  OpCase row;
  row.name = name;
  row.inputs = {{x}};
  if (affine) row.inputs.insert(row.inputs.end(), {{normalized}, {normalized}});
  row.call = [normalized](const Tensors& t) {
    Shape last;  // of the tensor as it comes: the large shapes have other extents
    for (int i = t[0].rank() - normalized.rank(); i < t[0].rank(); ++i) last.push_back(t[0].shape()[i]);
    return layer_norm(t[0], last, at(t, 1), at(t, 2), 0.5);
  };
  row.terms = 48;
  row.rows = true;
  return row;
}

OpCase batch(const char* name, const Shape& x, bool affine, bool training) {
  OpCase row;
  row.name = name;
  row.inputs = {{x}};
  if (affine) row.inputs.insert(row.inputs.end(), {{{x[1]}}, {{x[1]}}});
  row.call = [training](const Tensors& t) {
    const Tensor& in = t[0];
    if (training) return batch_norm(in, {}, {}, at(t, 1), at(t, 2), true, 0.1, 0.5);
    const TensorOptions options(in.device(), in.dtype() == DType::float64 ? DType::float64 : DType::float32);
    const Tensor mean = full({in.size(1)}, 0.25, options), variance = full({in.size(1)}, 1.5, options);
    return batch_norm(in, mean, variance, at(t, 1), at(t, 2), false, 0.1, 0.5);
  };
  row.terms = 48;
  row.rows = !training;
  return row;
}

OpCase group(const char* name, const Shape& x, std::int64_t groups, bool affine) {
  OpCase row;
  row.name = name;
  row.inputs = {{x}};
  if (affine) row.inputs.insert(row.inputs.end(), {{{x[1]}}, {{x[1]}}});
  row.call = [groups](const Tensors& t) { return group_norm(t[0], groups, at(t, 1), at(t, 2), 0.5); };
  row.terms = 48;
  row.rows = true;
  return row;
}

}  // namespace

std::vector<OpCase> norm_cases() {
  std::vector<OpCase> rows = {
      layer("layer_norm", {4, 7}, {7}, true),
      layer("layer_norm/plain", {4, 7}, {7}, false),
      layer("layer_norm/two-axes", {2, 3, 4}, {3, 4}, true),
      layer("layer_norm/everything", {6}, {6}, true),
      batch("batch_norm", {5, 3}, true, true),
      batch("batch_norm/plain", {5, 3}, false, true),
      batch("batch_norm/image", {3, 2, 2, 2}, true, true),
      batch("batch_norm/evaluation", {3, 2, 4}, true, false),
      batch("batch_norm/evaluation-plain", {4, 3}, false, false),
      group("group_norm", {2, 4, 3}, 2, true),
      group("group_norm/plain", {2, 4}, 2, false),
      group("group_norm/instance", {2, 2, 3, 2}, 2, true),
  };
  for (OpCase& row : rows) {
    if (row.name == "layer_norm") {
      row.large = {{130, 517}, {517}, {517}};
      row.empty = {{{0, 7}, {7}, {7}}, {{4, 0}, {0}, {0}}};
    } else if (row.name == "layer_norm/plain") {
      row.large = {{9, 9001}};  // longer than a chunk of a sum
    } else if (row.name == "layer_norm/everything") {
      row.rows = false;
    } else if (row.name == "batch_norm") {
      row.large = {{301, 70}, {70}, {70}};
      row.empty = {{{5, 0}, {0}, {0}}};
    } else if (row.name == "batch_norm/image") {
      row.large = {{17, 9, 23, 31}, {9}, {9}};
    } else if (row.name == "batch_norm/evaluation") {
      row.large = {{17, 9, 300}, {9}, {9}};
      row.empty = {{{0, 2, 4}, {2}, {2}}, {{3, 2, 0}, {2}, {2}}};
    } else if (row.name == "group_norm") {
      row.large = {{19, 8, 301}, {8}, {8}};
      row.empty = {{{0, 4, 3}, {4}, {4}}, {{2, 4, 0}, {4}, {4}}};
    }
  }
  return rows;
}

}  // namespace weft::test
