#include <limits>

#include <weft/autograd/functions.h>

#include "refusals/refusals.h"

namespace weft::test {

std::vector<Refusal> norm_refusals() {
  using E = ErrorCode;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  return {
      {"O14",
       "batch norm of one value per channel, training: the running statistics stay",
       [](Bench& b) {
         batch_norm(b.keep(rand({1, 3})), b.keep(zeros({3})), b.keep(ones({3})), {}, {}, true);
       },
       E::value_invalid,
       {"[batch_norm]", "(1, 3)", "2 values"}},
      {"O14",
       "batch norm of no samples, training",
       [](Bench& b) {
         batch_norm(b.keep(zeros({0, 3, 4})), b.keep(zeros({3})), b.keep(ones({3})), {}, {}, true);
       },
       E::value_invalid,
       {"[batch_norm]", "(0, 3, 4)", "none"}},
      {"O15",
       "batch norm with eps 0",
       [](Bench& b) {
         batch_norm(b.keep(rand({4, 3})), {}, {}, {}, {}, true, 0.1, 0.0);
       },
       E::value_out_of_range,
       {"[batch_norm]", "eps", "0"}},
      {"O15",
       "batch norm with eps NaN",
       [=](Bench& b) {
         batch_norm(b.keep(rand({4, 3})), {}, {}, {}, {}, true, 0.1, nan);
       },
       E::value_out_of_range,
       {"[batch_norm]", "eps", "nan"}},
      {"O15",
       "layer norm with a negative eps",
       [](Bench& b) {
         layer_norm(b.keep(rand({4, 3})), {3}, {}, {}, -1e-5);
       },
       E::value_out_of_range,
       {"[layer_norm]", "eps"}},
      {"O15",
       "batch norm with a momentum of 1.5",
       [](Bench& b) {
         batch_norm(b.keep(rand({4, 3})), b.keep(zeros({3})), b.keep(ones({3})), {}, {}, true, 1.5);
       },
       E::value_out_of_range,
       {"[batch_norm]", "momentum", "1.5"}},
      {"O16",
       "running statistics of another length",
       [](Bench& b) {
         batch_norm(b.keep(rand({4, 3})), b.keep(zeros({3})), b.keep(ones({4})), {}, {}, true);
       },
       E::shape_mismatch,
       {"[batch_norm]", "running_var", "(4,)", "(3,)"}},
      {"O16",
       "running mean without running variance",
       [](Bench& b) {
         batch_norm(b.keep(rand({4, 3})), b.keep(zeros({3})), {}, {}, {}, true);
       },
       E::tensor_undefined,
       {"[batch_norm]", "running_var"}},
      {"O16",
       "no running statistics, not training",
       [](Bench& b) {
         batch_norm(b.keep(rand({4, 3})), {}, {});
       },
       E::tensor_undefined,
       {"[batch_norm]", "running_mean"}},
      {"O16",
       "running statistics that record gradients",
       [](Bench& b) {
         batch_norm(b.keep(rand({4, 3})), b.keep(zeros({3})).requires_grad_(), b.keep(ones({3})), {}, {}, true);
       },
       E::in_place_recorded,
       {"[batch_norm]", "running_mean"}},
      {"O16",
       "running statistics that are an expanded view",
       [](Bench& b) {
         batch_norm(b.keep(rand({4, 3})), b.keep(zeros({1})).expand({3}), b.keep(ones({3})), {}, {}, true);
       },
       E::read_only,
       {"[batch_norm]", "(3,)"}},
      {"O16",
       "a weight of another length",
       [](Bench& b) {
         batch_norm(b.keep(rand({4, 3})), {}, {}, b.keep(ones({4})), {}, true);
       },
       E::shape_mismatch,
       {"[batch_norm]", "weight", "(4,)"}},
      {"O16",
       "batch norm of a vector",
       [](Bench& b) { batch_norm(b.keep(rand({4})), {}, {}, {}, {}, true); },
       E::rank_unsupported,
       {"[batch_norm]", "(4,)"}},
      {"O17",
       "normalized_shape that is no suffix",
       [](Bench& b) {
         layer_norm(b.keep(rand({4, 3})), {4});
       },
       E::shape_mismatch,
       {"[layer_norm]", "(4,)", "(4, 3)"}},
      {"O17",
       "normalized_shape longer than the input's",
       [](Bench& b) {
         layer_norm(b.keep(rand({3})), {4, 3});
       },
       E::shape_mismatch,
       {"[layer_norm]", "(4, 3)", "(3,)"}},
      {"O17",
       "normalized_shape of nothing",
       [](Bench& b) { layer_norm(b.keep(rand({3})), {}); },
       E::shape_mismatch,
       {"[layer_norm]"}},
      {"O17",
       "a weight of another shape than normalized_shape",
       [](Bench& b) {
         layer_norm(b.keep(rand({4, 3})), {3}, b.keep(ones({4})));
       },
       E::shape_mismatch,
       {"[layer_norm]", "weight", "(4,)", "(3,)"}},
      {"O20",
       "a weight of another dtype",
       [](Bench& b) {
         layer_norm(b.keep(rand({4, 3})), {3}, b.keep(ones({3}, DType::float64)));
       },
       E::dtype_mismatch,
       {"[layer_norm]", "weight", "float64"}},
      {"O20",
       "layer norm of integers",
       [](Bench& b) {
         layer_norm(b.keep(randint(0, 5, {4, 3})), {3});
       },
       E::dtype_unsupported,
       {"[layer_norm]", "int64", ".to("}},
      {"O8",
       "groups that do not divide the channels",
       [](Bench& b) {
         group_norm(b.keep(rand({2, 6, 4})), 4);
       },
       E::value_out_of_range,
       {"[group_norm]", "4", "6"}},
      {"O8",
       "0 groups",
       [](Bench& b) {
         group_norm(b.keep(rand({2, 6, 4})), 0);
       },
       E::value_out_of_range,
       {"[group_norm]", "0"}},
  };
}

}  // namespace weft::test
