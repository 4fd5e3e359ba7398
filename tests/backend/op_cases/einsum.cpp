#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

OpCase summed(const char* equation, const Shape& a, const Shape& b, double terms) {
  OpCase row;
  row.name = std::string("einsum/") + equation;
  row.inputs = {{a}, {b}};
  row.call = [equation](const std::vector<Tensor>& x) { return einsum(equation, x); };
  row.terms = terms;
  row.exact = true;
  return row;
}

OpCase summed(const char* equation, const Shape& a, double terms) {
  OpCase row = summed(equation, a, {}, terms);
  row.inputs.pop_back();
  return row;
}

}  // namespace

std::vector<OpCase> einsum_cases() {
  std::vector<OpCase> rows = {
      summed("ij->ji", {3, 4}, 1),
      summed("ba", {3, 4}, 1),
      summed("ijk->ki", {2, 3, 4}, 3),
      summed("...j->...", {2, 3, 4}, 4),
      summed("i...->...i", {2, 3, 4}, 1),
      summed("ij->", {3, 4}, 12),
      summed("->", {}, 1),
      summed("ij,jk->ik", {3, 4}, {4, 2}, 6),
      summed("ij,jk", {3, 4}, {4, 2}, 6),
      summed("ij,kj->ki", {3, 4}, {2, 4}, 6),
      summed("bij,bjk->bik", {2, 3, 4}, {2, 4, 5}, 6),
      summed("bhqd,bhkd->bhqk", {2, 2, 3, 4}, {2, 2, 5, 4}, 6),
      summed("i,j->ij", {3}, {4}, 4),
      summed("i,i", {5}, {5}, 6),
      summed("ij,ij->ij", {3, 4}, {3, 4}, 2),
      summed("ij,ij->j", {3, 4}, {3, 4}, 6),
      summed("ij,ji->", {3, 4}, {4, 3}, 14),
      summed("ij,k->i", {3, 4}, {5}, 24),
      summed("ijk,kjl->li", {2, 3, 4}, {4, 3, 5}, 14),
      summed("...ij,...jk->...ik", {2, 1, 3, 4}, {5, 4, 2}, 12),
      summed("...i,i...->...", {2, 3, 4}, {4, 3}, 10),
      summed("i...,...->i...", {2, 3}, {3}, 4),
      summed("...a,...a->a", {2, 3, 4}, {3, 4}, 14),
      summed("ij,jk->ik one", {3, 1}, {4, 2}, 8),
      summed("B i j , j K -> K B i", {2, 3, 4}, {4, 5}, 8),
      summed("ab,cd->dbca", {2, 3}, {4, 2}, 16),
      summed(",ij->ji", {}, {3, 4}, 14),
  };
  for (OpCase& row : rows) {
    if (row.name == "einsum/ij,jk->ik one") {  // an extent of 1 is repeated
      row.call = [](const std::vector<Tensor>& x) { return einsum("ij,jk->ik", x); };
    } else if (row.name == "einsum/ij,jk->ik") {
      row.rows = true;
      row.large = {{150, 330}, {330, 70}};
      row.empty = {{{0, 4}, {4, 2}}, {{3, 0}, {0, 2}}, {{3, 4}, {4, 0}}};
    } else if (row.name == "einsum/bhqd,bhkd->bhqk") {
      row.large = {{4, 3, 50, 17}, {4, 3, 40, 17}};
      row.empty = {{{0, 2, 3, 4}, {0, 2, 5, 4}}, {{2, 2, 3, 0}, {2, 2, 5, 0}}};
    } else if (row.name == "einsum/ij,ij->ij" || row.name == "einsum/i,j->ij") {
      row.empty = {row.name == "einsum/i,j->ij" ? std::vector<Shape>{{0}, {4}} : std::vector<Shape>{{0, 4}, {0, 4}}};
    } else if (row.name == "einsum/ijk->ki") {
      row.empty = {{{2, 0, 4}}, {{0, 3, 4}}};
    }
  }
  OpCase pairs;
  pairs.name = "outer";
  pairs.inputs = {{{3}}, {{4}}};
  pairs.call = [](const std::vector<Tensor>& x) { return outer(x[0], x[1]); };
  pairs.accepts = [](DType dtype) { return supports(BinaryOp::mul, dtype); };
  pairs.exact = true;
  pairs.terms = 4;
  pairs.rows = true;
  pairs.large = {{301}, {513}};
  pairs.empty = {{{0}, {4}}};
  rows.push_back(pairs);
  return rows;
}

}  // namespace weft::test
