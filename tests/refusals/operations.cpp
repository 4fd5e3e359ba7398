#include <cmath>

#include <weft/autograd/functions.h>

#include "refusals/refusals.h"

namespace weft::test {

std::vector<Refusal> operation_refusals() {
  using E = ErrorCode;
  const auto labels = [](std::vector<std::int64_t> values) {
    const auto n = static_cast<std::int64_t>(values.size());
    return from_vector<std::int64_t>(values, {n});
  };
  return {
      {"O1",
       "inner extents of a product differ",
       [](Bench& b) {
         matmul(b.keep(rand({64, 784})), b.keep(rand({512, 784})));
       },
       E::shape_mismatch,
       {"[matmul]", "(64, 784)", "(512, 784)", "transpose"}},
      {"O1",
       "features of a linear layer differ",
       [](Bench& b) {
         linear(b.keep(rand({4, 3})), b.keep(rand({5, 4})));
       },
       E::shape_mismatch,
       {"[linear]", "(4, 3)", "(5, 4)"}},
      {"O1",
       "bias of another length",
       [](Bench& b) {
         linear(b.keep(rand({4, 3})), b.keep(rand({5, 3})), b.keep(rand({4})));
       },
       E::shape_mismatch,
       {"[linear]", "(4,)"}},
      {"O2",
       "product of a rank-0 tensor",
       [](Bench& b) {
         matmul(b.keep(rand({})), b.keep(rand({3, 3})));
       },
       E::rank_unsupported,
       {"[matmul]"}},
      {"O18",
       "softmax over an axis that is not there",
       [](Bench& b) {
         softmax(b.keep(rand({2, 3})), 2);
       },
       E::axis_out_of_range,
       {"[softmax]", "2"}},
      {"O18",
       "sum over an axis that is not there",
       [](Bench& b) {
         sum(b.keep(rand({2, 3})), -3);
       },
       E::axis_out_of_range,
       {"[sum]", "-3"}},
      {"O18",
       "sum over the same axis twice",
       [](Bench& b) {
         sum(b.keep(rand({2, 3})), {1, -1});
       },
       E::value_invalid,
       {"[sum]", "1"}},
      {"O19",
       "max over nothing",
       [](Bench&) {
         max(zeros({0, 3}), 0);
       },
       E::value_invalid,
       {"[max]", "(0, 3)"}},
      {"O19",
       "argmax over nothing",
       [](Bench&) {
         argmax(zeros({3, 0}), 1);
       },
       E::value_invalid,
       {"[argmax]"}},
      {"O20",
       "float32 plus float64",
       [](Bench& b) { b.keep(rand({2})) + b.keep(rand({2}, DType::float64)); },
       E::dtype_mismatch,
       {"[add]", "float32", "float64", ".to("}},
      {"O20",
       "product of integers",
       [](Bench& b) {
         matmul(b.keep(randint(0, 5, {2, 2})), b.keep(randint(0, 5, {2, 2})));
       },
       E::dtype_unsupported,
       {"[matmul]", "int64", ".to("}},
      {"O20",
       "division of integers",
       [](Bench& b) { b.keep(randint(1, 5, {2})) / b.keep(randint(1, 5, {2})); },
       E::dtype_unsupported,
       {"[div]", "int64", ".to("}},
      {"O20",
       "mean of integers",
       [](Bench& b) { mean(b.keep(randint(1, 5, {2}))); },
       E::dtype_unsupported,
       {"[mean]", "int64", ".to("}},
      {"O20",
       "condition that is not bool",
       [](Bench& b) { where(b.keep(rand({2})), 1.0, b.keep(rand({2}))); },
       E::dtype_unsupported,
       {"[where]", "bool", "float32"}},
      {"O21",
       "negative label",
       [=](Bench& b) {
         cross_entropy(b.keep(rand({2, 3})), b.keep(labels({0, -1})));
       },
       E::index_out_of_range,
       {"[cross_entropy]", "-1"}},
      {"O22",
       "label of no class",
       [=](Bench& b) {
         cross_entropy(b.keep(rand({2, 3})), b.keep(labels({3, 0})));
       },
       E::index_out_of_range,
       {"[cross_entropy]", "3"}},
      {"O22",
       "label of no class, on serial",
       [=](Bench& b) {
         cross_entropy(b.keep(rand({2, 3}, serial())), labels({3, 0}).to(serial()));
       },
       E::index_out_of_range,
       {"[cross_entropy]", "3"}},
      {"O23",
       "labels that are floats",
       [](Bench& b) {
         cross_entropy(b.keep(rand({2, 3})), b.keep(rand({2})));
       },
       E::dtype_unsupported,
       {"[cross_entropy]", "float32", "int64"}},
      {"O24",
       "more labels than rows",
       [=](Bench& b) {
         cross_entropy(b.keep(rand({2, 3})), b.keep(labels({0, 1, 2})));
       },
       E::shape_mismatch,
       {"[cross_entropy]", "(2, 3)", "(3,)"}},
      {"O24",
       "logits of rank 3",
       [=](Bench& b) {
         cross_entropy(b.keep(rand({2, 3, 4})), b.keep(labels({0, 1})));
       },
       E::rank_unsupported,
       {"[cross_entropy]", "(2, 3, 4)"}},
      {"O27",
       "index past the end",
       [=](Bench& b) {
         index_select(b.keep(rand({3, 2})), 0, b.keep(labels({0, 3})));
       },
       E::index_out_of_range,
       {"[index_select]", "3"}},
      {"O27",
       "negative index",
       [=](Bench& b) {
         index_select(b.keep(rand({3, 2})), 0, b.keep(labels({-1})));
       },
       E::index_out_of_range,
       {"[index_select]", "-1"}},
      {"O27",
       "index that is float",
       [](Bench& b) {
         index_select(b.keep(rand({3, 2})), 0, b.keep(rand({2})));
       },
       E::dtype_unsupported,
       {"[index_select]", "float32"}},
      {"O28",
       "index_add past the end",
       [=](Bench& b) {
         index_add(b.keep(rand({3, 2})), 0, b.keep(labels({5})), b.keep(rand({1, 2})));
       },
       E::index_out_of_range,
       {"[index_add]", "5"}},
      {"O28",
       "index_add of the wrong number of rows",
       [=](Bench& b) {
         index_add(b.keep(rand({3, 2})), 0, b.keep(labels({1, 2})), b.keep(rand({1, 2})));
       },
       E::shape_mismatch,
       {"[index_add]"}},
      {"O29",
       "dropout of 1.5",
       [](Bench& b) { dropout(b.keep(rand({2})), 1.5); },
       E::value_out_of_range,
       {"[dropout]", "1.5"}},
      {"O29",
       "dropout of NaN",
       [](Bench& b) { dropout(b.keep(rand({2})), std::nan("")); },
       E::value_out_of_range,
       {"[dropout]", "nan"}},
      {"O29",
       "dropout of a negative probability, not training",
       [](Bench& b) { dropout(b.keep(rand({2})), -0.1, false); },
       E::value_out_of_range,
       {"[dropout]", "-0.1"}},
      {"O30",
       "randint of an empty range",
       [](Bench&) { randint(3, 3, {2}); },
       E::value_out_of_range,
       {"[randint]", "3"}},
      {"O30",
       "uniform between NaN and 1",
       [](Bench&) { uniform({2}, std::nan(""), 1); },
       E::value_out_of_range,
       {"[uniform]", "nan"}},
      {"O35",
       "loss over no rows",
       [=](Bench&) {
         cross_entropy(zeros({0, 3}), from_vector<std::int64_t>({}, {0}));
       },
       E::value_invalid,
       {"[cross_entropy]", "(0, 3)"}},
  };
}

}  // namespace weft::test
