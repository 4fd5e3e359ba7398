// Refusals of the elementwise functions, reductions, scans and losses.

#include <limits>

#include <weft/autograd/functions.h>

#include "refusals/refusals.h"

namespace weft::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Tensor labels(std::vector<std::int64_t> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  return from_vector<std::int64_t>(values, {n});
}
CrossEntropyOptions weighted(Bench& b, const std::vector<float>& weights) {
  CrossEntropyOptions options;
  options.weight = b.keep(from_vector<float>(weights, {static_cast<std::int64_t>(weights.size())}));
  return options;
}
CrossEntropyOptions smoothed(double smoothing) {
  CrossEntropyOptions options;
  options.label_smoothing = smoothing;
  return options;
}

}  // namespace

std::vector<Refusal> function_refusals() {
  using E = ErrorCode;
  return {
      {"O32",
       "clamp with its bounds the wrong way round",
       [](Bench& b) { clamp(b.keep(rand({2})), 2, 1); },
       E::value_out_of_range,
       {"[clamp]", "min is 2", "max is 1"}},
      {"O32",
       "clamp to NaN",
       [](Bench& b) { clamp(b.keep(rand({2})), 0, nan); },
       E::value_out_of_range,
       {"[clamp]", "max is nan"}},
      {"O32",
       "clamp without a bound",
       [](Bench& b) { clamp(b.keep(rand({2})), {}); },
       E::value_invalid,
       {"[clamp]", "min, max or both"}},
      {"O32",
       "clamp of integers to a fraction",
       [](Bench& b) { clamp(b.keep(randint(0, 5, {2})), 0.5); },
       E::value_out_of_range,
       {"[clamp]", "0.5", "int64"}},
      {"O20",
       "power of integers",
       [](Bench& b) { pow(b.keep(randint(1, 5, {2})), 3); },
       E::dtype_unsupported,
       {"[pow]", "int64", ".to("}},
      {"O20",
       "power of two dtypes",
       [](Bench& b) { pow(b.keep(rand({2})), b.keep(rand({2}, DType::float64))); },
       E::dtype_mismatch,
       {"[pow]", "float32", "float64"}},
      {"O20",
       "gelu of integers",
       [](Bench& b) { gelu(b.keep(randint(0, 5, {2}))); },
       E::dtype_unsupported,
       {"[gelu]", "int64", ".to("}},
      {"O20",
       "variance of integers",
       [](Bench& b) { var(b.keep(randint(0, 5, {4}))); },
       E::dtype_unsupported,
       {"[var]", "int64", ".to("}},
      {"O20",
       "product of bools",
       [](Bench& b) { prod(b.keep(zeros({2}, DType::boolean))); },
       E::dtype_unsupported,
       {"[prod]", "bool"}},
      {"O20",
       "softplus of a beta of 0",
       [](Bench& b) { softplus(b.keep(rand({2})), 0); },
       E::value_out_of_range,
       {"[softplus]", "beta", "0"}},
      {"O18",
       "norm over an axis that is not there",
       [](Bench& b) {
         norm(b.keep(rand({2, 3})), 2, 2);
       },
       E::axis_out_of_range,
       {"[norm]", "2"}},
      {"O18",
       "running sum over an axis that is not there",
       [](Bench& b) {
         cumsum(b.keep(rand({2, 3})), -3);
       },
       E::axis_out_of_range,
       {"[cumsum]", "-3"}},
      {"O18",
       "norm of p NaN",
       [](Bench& b) { norm(b.keep(rand({2})), nan); },
       E::value_out_of_range,
       {"[norm]", "nan"}},
      {"O19",
       "largest norm over nothing",
       [](Bench&) {
         norm(zeros({0, 3}), std::numeric_limits<double>::infinity(), 0);
       },
       E::value_invalid,
       {"[norm]", "(0, 3)"}},
      {"O19", "position of the largest of nothing", [](Bench&) { argmax(zeros({0})); }, E::value_invalid, {"[argmax]"}},
      {"O33",
       "more of the largest than there are",
       [](Bench& b) {
         topk(b.keep(rand({2, 3})), 4);
       },
       E::value_out_of_range,
       {"[topk]", "4", "(2, 3)"}},
      {"O33",
       "fewer than none of the largest",
       [](Bench& b) { topk(b.keep(rand({3})), -1); },
       E::value_out_of_range,
       {"[topk]", "-1"}},
      {"O25",
       "class weights of another length",
       [](Bench& b) {
         cross_entropy(b.keep(rand({2, 3})), b.keep(labels({0, 1})), weighted(b, {1, 2}));
       },
       E::shape_mismatch,
       {"[cross_entropy]", "weight", "(3,)", "(2,)"}},
      {"O25",
       "a negative class weight",
       [](Bench& b) {
         cross_entropy(b.keep(rand({2, 3})), b.keep(labels({0, 1})), weighted(b, {1, -2, 1}));
       },
       E::value_out_of_range,
       {"[cross_entropy]", "class 1", "-2"}},
      {"O25",
       "a class weight that is NaN",
       [](Bench& b) {
         NllLossOptions options;
         options.weight = weighted(b, {1, 1, static_cast<float>(nan)}).weight;
         nll_loss(b.keep(rand({2, 3})), b.keep(labels({0, 1})), options);
       },
       E::value_out_of_range,
       {"[nll_loss]", "class 2", "nan"}},
      {"O26",
       "label smoothing of 1.5",
       [](Bench& b) {
         cross_entropy(b.keep(rand({2, 3})), b.keep(labels({0, 1})), smoothed(1.5));
       },
       E::value_out_of_range,
       {"[cross_entropy]", "label_smoothing", "1.5"}},
      {"O26",
       "label smoothing of NaN",
       [](Bench& b) {
         cross_entropy(b.keep(rand({2, 3})), b.keep(labels({0, 1})), smoothed(nan));
       },
       E::value_out_of_range,
       {"[cross_entropy]", "nan"}},
      {"O22",
       "label of no class, in nll_loss",
       [](Bench& b) {
         nll_loss(b.keep(rand({2, 3})), b.keep(labels({0, 3})));
       },
       E::index_out_of_range,
       {"[nll_loss]", "3"}},
      {"O24",
       "labels of other extents than the logits",
       [](Bench& b) {
         cross_entropy(b.keep(rand({2, 3, 4})), b.keep(zeros({2, 5}, DType::int64)));
       },
       E::shape_mismatch,
       {"[cross_entropy]", "(2, 3, 4)", "(2, 5)"}},
      {"O24",
       "a target that would have to be broadcast",
       [](Bench& b) {
         mse_loss(b.keep(rand({4, 1})), b.keep(rand({4})));
       },
       E::shape_mismatch,
       {"[mse_loss]", "(4, 1)", "(4,)"}},
      {"O20",
       "targets that are integers",
       [](Bench& b) { l1_loss(b.keep(rand({4})), b.keep(randint(0, 2, {4}))); },
       E::dtype_mismatch,
       {"[l1_loss]", "float32", "int64"}},
      {"O24",
       "a factor that does not fit the logits",
       [](Bench& b) {
         BceOptions options;
         options.pos_weight = b.keep(ones({3, 1, 1}));
         bce_with_logits(b.keep(rand({4, 2})), b.keep(rand({4, 2})), options);
       },
       E::shape_mismatch,
       {"[bce_with_logits]", "pos_weight", "(3, 1, 1)", "(4, 2)"}},
      {"O26",
       "a negative beta",
       [](Bench& b) { smooth_l1_loss(b.keep(rand({4})), b.keep(rand({4})), Reduction::mean, -1); },
       E::value_out_of_range,
       {"[smooth_l1_loss]", "beta", "-1"}},
      {"O35",
       "mean squared error over nothing",
       [](Bench&) {
         mse_loss(zeros({0, 3}), zeros({0, 3}));
       },
       E::value_invalid,
       {"[mse_loss]", "(0, 3)"}},
  };
}

}  // namespace weft::test
