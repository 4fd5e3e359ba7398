#include <limits>

#include <weft/autograd/functions.h>
#include <weft/nn/attention.h>
#include <weft/nn/embedding.h>
#include <weft/nn/norm.h>

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
      {"O20",
       "attention between two dtypes",
       [](Bench& b) {
         scaled_dot_product_attention(b.keep(rand({2, 3})), b.keep(rand({4, 3}, DType::float64)), b.keep(rand({4, 3})));
       },
       E::dtype_mismatch,
       {"[scaled_dot_product_attention]", "key", "float64"}},
      {"O1",
       "query and key of different widths",
       [](Bench& b) {
         scaled_dot_product_attention(b.keep(rand({2, 3})), b.keep(rand({4, 5})), b.keep(rand({4, 3})));
       },
       E::shape_mismatch,
       {"[scaled_dot_product_attention]", "(2, 3)", "(4, 5)"}},
      {"O1",
       "another number of values than keys",
       [](Bench& b) {
         scaled_dot_product_attention(b.keep(rand({2, 3})), b.keep(rand({4, 3})), b.keep(rand({5, 3})));
       },
       E::shape_mismatch,
       {"[scaled_dot_product_attention]", "(4, 3)", "(5, 3)"}},
      {"O1",
       "attention between batches that do not go together",
       [](Bench& b) {
         scaled_dot_product_attention(b.keep(rand({2, 2, 3})), b.keep(rand({3, 4, 3})), b.keep(rand({3, 4, 3})));
       },
       E::shape_mismatch,
       {"[scaled_dot_product_attention]", "(2, 2, 3)", "(3, 4, 3)"}},
      {"O2",
       "attention of vectors",
       [](Bench& b) {
         scaled_dot_product_attention(b.keep(rand({3})), b.keep(rand({4, 3})), b.keep(rand({4, 3})));
       },
       E::rank_unsupported,
       {"[scaled_dot_product_attention]", "(3,)"}},
      {"T15",
       "an attention mask that cannot be broadcast",
       [](Bench& b) {
         scaled_dot_product_attention(b.keep(rand({2, 3})), b.keep(rand({4, 3})), b.keep(rand({4, 3})),
                                      b.keep(rand({2, 5})));
       },
       E::shape_mismatch,
       {"[scaled_dot_product_attention]", "attn_mask", "(2, 5)", "(2, 4)"}},
      {"O20",
       "an attention mask of integers",
       [](Bench& b) {
         scaled_dot_product_attention(b.keep(rand({2, 3})), b.keep(rand({4, 3})), b.keep(rand({4, 3})),
                                      b.keep(randint(0, 2, {2, 4})));
       },
       E::dtype_unsupported,
       {"[scaled_dot_product_attention]", "attn_mask", "int64", "bool"}},
      {"O29",
       "attention with a dropout of 1.5",
       [](Bench& b) {
         scaled_dot_product_attention(b.keep(rand({2, 3})), b.keep(rand({4, 3})), b.keep(rand({4, 3})), {}, 1.5);
       },
       E::value_out_of_range,
       {"[scaled_dot_product_attention]", "1.5"}},
      {"N13",
       "a BatchNorm of 0 channels",
       [](Bench&) { nn::BatchNorm2d(0); },
       E::value_out_of_range,
       {"[BatchNorm2d]", "0"}},
      {"N13",
       "a LayerNorm of 0 features",
       [](Bench&) { nn::LayerNorm({0}); },
       E::value_out_of_range,
       {"[LayerNorm]", "0"}},
      {"N13",
       "a GroupNorm of 3 groups and 4 channels",
       [](Bench&) { nn::GroupNorm(3, 4); },
       E::value_out_of_range,
       {"[GroupNorm]", "3", "4"}},
      {"N13",
       "an Embedding of width 0",
       [](Bench&) { nn::Embedding(4, 0); },
       E::value_out_of_range,
       {"[Embedding]", "0"}},
      {"N13",
       "heads that do not divide the width",
       [](Bench&) { nn::MultiheadAttention(10, 3); },
       E::value_out_of_range,
       {"[MultiheadAttention]", "10", "3"}},
      {"N14",
       "a batch norm layer given another number of channels",
       [](Bench& b) {
         nn::BatchNorm1d(3)(b.keep(rand({4, 5})));
       },
       E::shape_mismatch,
       {"[BatchNorm1d]", "(4, 5)", "3"}},
      {"N14",
       "multi-head attention given another width",
       [](Bench& b) {
         nn::MultiheadAttention(8, 2)(b.keep(rand({3, 4, 6})));
       },
       E::shape_mismatch,
       {"[MultiheadAttention]", "(3, 4, 6)", "8"}},
      {"N14",
       "a padding mask for another number of keys",
       [](Bench& b) {
         nn::MultiheadAttention layer(8, 2);
         const Tensor x = b.keep(rand({4, 3, 8}));
         nn::AttentionMasks masks;
         masks.key_padding_mask = b.keep(zeros({3, 5}, DType::boolean));
         layer.forward(x, x, x, masks);
       },
       E::shape_mismatch,
       {"[MultiheadAttention]", "key_padding_mask", "(3, 5)", "(3, 4)"}},
  };
}

}  // namespace weft::test
