#include <cmath>

#include <weft/autograd/functions.h>

#include "refusals/refusals.h"

namespace weft::test {

std::vector<Refusal> tensor_refusals() {
  using E = ErrorCode;
  constexpr std::int64_t big = std::int64_t{1} << 32;
  return {
      {"T1",
       "shape of 2^64 elements",
       [](Bench&) {
         zeros({big, big});
       },
       E::shape_overflow,
       {"[zeros]", "4294967296"}},
      {"T2",
       "shape whose product wraps to 4",
       [](Bench&) {
         zeros({4194305, 4194305, 211106198978564});
       },
       E::shape_overflow,
       {"4194305"}},
      {"T3",
       "elements fit, bytes do not",
       [](Bench&) { empty({std::int64_t{1} << 61}, DType::float64); },
       E::shape_overflow,
       {"[empty]"}},
      {"T4", "negative extent", [](Bench&) { ones({-2}); }, E::shape_invalid, {"[ones]", "-2"}},
      {"T5",
       "rank 9",
       [](Bench&) {
         zeros({1, 1, 1, 1, 1, 1, 1, 1, 1});
       },
       E::rank_unsupported,
       {"9", "8"}},
      {"T6",
       "zero extent beside a huge product",
       [](Bench&) {
         zeros({0, std::int64_t{1} << 62, 4});
       },
       E::shape_overflow,
       {"4611686018427387904"}},
      {"T7",
       "values that do not fill the shape",
       [](Bench&) {
         from_vector<float>({1, 2, 3}, {2, 2});
       },
       E::shape_mismatch,
       {"3", "(2, 2)"}},
      {"T8",
       "reshape to another count",
       [](Bench& b) {
         b.keep(rand({2, 3})).reshape({4, 2});
       },
       E::shape_invalid,
       {"[reshape]", "(2, 3)", "(4, 2)"}},
      {"T9",
       "two -1 in a reshape",
       [](Bench& b) {
         b.keep(rand({2, 3})).reshape({-1, -1});
       },
       E::shape_invalid,
       {"[reshape]", "-1"}},
      {"T9",
       "an extent below -1 in a reshape",
       [](Bench& b) {
         b.keep(rand({2, 3})).reshape({-6, 1});
       },
       E::shape_invalid,
       {"-6"}},
      {"T10",
       "-1 beside a zero extent",
       [](Bench&) {
         zeros({0, 3}).reshape({0, -1});
       },
       E::shape_invalid,
       {"[reshape]"}},
      {"T11",
       "permutation with a repeated axis",
       [](Bench& b) {
         b.keep(rand({2, 3})).permute({0, 0});
       },
       E::shape_invalid,
       {"[permute]", "0"}},
      {"T11",
       "permutation that misses an axis",
       [](Bench& b) {
         b.keep(rand({2, 3, 4})).permute({0, 1});
       },
       E::shape_invalid,
       {"[permute]"}},
      {"T11",
       "permutation with an axis out of range",
       [](Bench& b) {
         b.keep(rand({2, 3})).permute({0, 2});
       },
       E::axis_out_of_range,
       {"[permute]", "2"}},
      {"T12",
       "slice of step 0",
       [](Bench& b) {
         b.keep(rand({4})).slice(0, {0, 4, 0});
       },
       E::value_out_of_range,
       {"[slice]", "step"}},
      {"T13",
       "single index past the end",
       [](Bench& b) { b.keep(rand({4}))[4]; },
       E::index_out_of_range,
       {"4", "[select]"}},
      {"T13",
       "single index before the start",
       [](Bench& b) { b.keep(rand({4})).select(0, -5); },
       E::index_out_of_range,
       {"-5"}},
      {"T14",
       "item() of two elements",
       [](Bench& b) { b.keep(rand({2})).item<float>(); },
       E::shape_invalid,
       {"[item]", "(2,)"}},
      {"T14",
       "item() as another type",
       [](Bench& b) { b.keep(rand({})).item<double>(); },
       E::dtype_mismatch,
       {"[item]", "float32", "float64"}},
      {"T15",
       "broadcast of 3 with 4",
       [](Bench& b) { b.keep(rand({3})) + b.keep(rand({4})); },
       E::shape_mismatch,
       {"[add]", "(3,)", "(4,)"}},
      {"T16",
       "expand that shrinks",
       [](Bench& b) {
         b.keep(rand({3, 2})).expand({3, 1});
       },
       E::shape_mismatch,
       {"[expand]", "(3, 2)", "(3, 1)"}},
      {"T17",
       "write through an expanded view",
       [](Bench& b) {
         b.keep(rand({1, 2})).expand({3, 2}).fill_(1);
       },
       E::read_only,
       {"[fill_]"}},
      {"T17",
       "sum into an expanded view",
       [](Bench& b) {
         b.keep(rand({1, 2})).expand({3, 2}).add_(1);
       },
       E::read_only,
       {"[add_]"}},
      {"T18", "cat of nothing", [](Bench&) { cat(std::initializer_list<Tensor>{}); }, E::value_invalid, {"[cat]"}},
      {"T18",
       "cat of different ranks",
       [](Bench& b) {
         cat({b.keep(rand({2})), b.keep(rand({2, 2}))});
       },
       E::shape_mismatch,
       {"[cat]", "(2,)", "(2, 2)"}},
      {"T18",
       "cat of different extents",
       [](Bench& b) {
         cat({b.keep(rand({2, 3})), b.keep(rand({2, 4}))});
       },
       E::shape_mismatch,
       {"[cat]", "(2, 3)", "(2, 4)"}},
      {"T20",
       "narrow past the end",
       [](Bench& b) { b.keep(rand({4})).narrow(0, 2, 3); },
       E::index_out_of_range,
       {"[narrow]", "4"}},
      {"T20",
       "narrow of negative length",
       [](Bench& b) { b.keep(rand({4})).narrow(0, 2, -1); },
       E::index_out_of_range,
       {"[narrow]", "-1"}},
      {"T22", "shape of an undefined tensor", [](Bench&) { Tensor().shape(); }, E::tensor_undefined, {"shape"}},
      {"T22", "sum of an undefined tensor", [](Bench&) { sum(Tensor()); }, E::tensor_undefined, {"[sum]"}},
      {"T22", "undefined operand", [](Bench& b) { b.keep(rand({2})) * Tensor(); }, E::tensor_undefined, {"[mul]"}},
      {"T23", "arange of step 0", [](Bench&) { arange(0, 5, 0); }, E::value_out_of_range, {"[arange]", "step"}},
      {"T23", "arange that never arrives", [](Bench&) { arange(0, 5, -1); }, E::value_out_of_range, {"[arange]"}},
      {"T23", "arange of too many", [](Bench&) { arange(0, 1e300, 1e-3); }, E::shape_overflow, {"[arange]"}},
      {"T23", "arange to NaN", [](Bench&) { arange(0, std::nan(""), 1); }, E::value_out_of_range, {"[arange]"}},
  };
}

}  // namespace weft::test
