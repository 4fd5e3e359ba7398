#include <cstdint>

#include <weft/autograd/functions.h>
#include <weft/nn/conv.h>

#include "refusals/refusals.h"

namespace weft::test {

std::vector<Refusal> window_refusals() {
  using E = ErrorCode;
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  // x (2, 4, 6, 6), weight (3, 4, 3, 3), with these options
  const auto conv = [](Shape weight, ConvOptions options) {
    return [=](Bench& b) { conv2d(b.keep(rand({2, 4, 6, 6})), b.keep(rand(weight)), {}, options); };
  };
  const auto transposed = [](Shape weight, ConvTransposeOptions options) {
    return [=](Bench& b) { conv_transpose2d(b.keep(rand({2, 4, 6, 6})), b.keep(rand(weight)), {}, options); };
  };
  const auto pool = [](PerAxis kernel, MaxPoolOptions options) {
    return [=](Bench& b) { max_pool2d(b.keep(rand({2, 4, 6, 6})), kernel, options); };
  };
  return {
      {"O3",
       "channels of image and filter differ",
       conv({3, 5, 3, 3}, {}),
       E::shape_mismatch,
       {"[conv2d]", "(2, 4, 6, 6)", "(3, 5, 3, 3)"}},
      {"O3",
       "channels times groups differ",
       conv({4, 4, 3, 3}, {.groups = 2}),
       E::shape_mismatch,
       {"[conv2d]", "(4, 4, 3, 3)", "groups = 2"}},
      {"O3",
       "channels of a transposed convolution differ",
       transposed({3, 4, 3, 3}, {}),
       E::shape_mismatch,
       {"[conv_transpose2d]", "(2, 4, 6, 6)", "(3, 4, 3, 3)"}},
      {"O3",
       "bias of another length",
       [](Bench& b) {
         conv1d(b.keep(rand({2, 4, 6})), b.keep(rand({3, 4, 3})), b.keep(rand({4})));
       },
       E::shape_mismatch,
       {"[conv1d]", "bias", "(4,)", "(3,)"}},
      {"O3",
       "image of rank 2",
       [](Bench& b) {
         conv2d(b.keep(rand({6, 6})), b.keep(rand({3, 4, 3, 3})));
       },
       E::rank_unsupported,
       {"[conv2d]", "(6, 6)", "(N, C, H, W)"}},
      {"O3",
       "filter of rank 3",
       [](Bench& b) {
         conv2d(b.keep(rand({2, 4, 6, 6})), b.keep(rand({3, 4, 3})));
       },
       E::rank_unsupported,
       {"[conv2d]", "weight", "(3, 4, 3)"}},
      {"O4", "kernel of extent 0", conv({3, 4, 0, 3}, {}), E::shape_invalid, {"[conv2d]", "(3, 4, 0, 3)"}},
      {"O5", "stride 0", conv({3, 4, 3, 3}, {.stride = 0}), E::value_out_of_range, {"[conv2d]", "stride", "0"}},
      {"O5",
       "negative stride along one axis",
       conv({3, 4, 3, 3}, {.stride = {1, -2}}),
       E::value_out_of_range,
       {"[conv2d]", "stride", "-2", "axis 1"}},
      {"O5",
       "three strides for two axes",
       conv({3, 4, 3, 3}, {.stride = {1, 2, 3}}),
       E::value_invalid,
       {"[conv2d]", "stride", "3 numbers"}},
      {"O5",
       "stride 0 of a transposed convolution",
       transposed({4, 3, 3, 3}, {.stride = 0}),
       E::value_out_of_range,
       {"[conv_transpose2d]", "stride"}},
      {"O5", "stride 0 of a pooling", pool(2, {.stride = 0}), E::value_out_of_range, {"[max_pool2d]", "stride"}},
      {"O6", "dilation 0", conv({3, 4, 3, 3}, {.dilation = 0}), E::value_out_of_range, {"[conv2d]", "dilation", "0"}},
      {"O6",
       "dilation 0 of a pooling",
       pool(2, {.dilation = {1, 0}}),
       E::value_out_of_range,
       {"[max_pool2d]", "dilation"}},
      {"O7",
       "negative padding",
       conv({3, 4, 3, 3}, {.padding = -1}),
       E::value_out_of_range,
       {"[conv2d]", "padding", "-1"}},
      {"O7",
       "negative output padding",
       transposed({4, 3, 3, 3}, {.output_padding = -1}),
       E::value_out_of_range,
       {"[conv_transpose2d]", "output_padding", "-1"}},
      {"O7",
       "output padding as large as the stride",
       transposed({4, 3, 3, 3}, {.stride = 2, .output_padding = 2}),
       E::value_out_of_range,
       {"[conv_transpose2d]", "output_padding", "2", "stride"}},
      {"O8", "no groups", conv({3, 4, 3, 3}, {.groups = 0}), E::value_out_of_range, {"[conv2d]", "groups", "0"}},
      {"O8",
       "groups that do not divide the output channels",
       conv({3, 2, 3, 3}, {.groups = 2}),
       E::shape_mismatch,
       {"[conv2d]", "groups is 2", "3"}},
      {"O8",
       "groups that do not divide the input channels",
       conv({3, 1, 3, 3}, {.groups = 3}),
       E::shape_mismatch,
       {"[conv2d]", "groups is 3", "4"}},
      {"O8",
       "groups that do not divide, transposed",
       transposed({4, 3, 3, 3}, {.groups = 3}),
       E::shape_mismatch,
       {"[conv_transpose2d]", "groups is 3", "4"}},
      {"O9",
       "kernel larger than the padded image",
       conv({3, 4, 9, 9}, {.padding = 1}),
       E::shape_invalid,
       {"[conv2d]", "(2, 4, 6, 6)", "kernel 9", "padding 1"}},
      {"O9",
       "dilated kernel larger than the image",
       conv({3, 4, 3, 3}, {.dilation = {1, 3}}),
       E::shape_invalid,
       {"[conv2d]", "axis 1", "dilation 3"}},
      {"O9",
       "nothing left of a transposed convolution",
       transposed({4, 3, 1, 1}, {.padding = 3}),
       E::shape_invalid,
       {"[conv_transpose2d]", "padding 3"}},
      {"O9",
       "pooling window larger than the image",
       pool(7, {}),
       E::shape_invalid,
       {"[max_pool2d]", "(2, 4, 6, 6)", "kernel 7"}},
      {"O9",
       "pooling windows that see nothing but padding",
       pool(2, {.padding = 1, .dilation = 7}),
       E::shape_invalid,
       {"[max_pool2d]", "padding"}},
      {"O9",
       "adaptive pooling of nothing",
       [](Bench& b) {
         adaptive_avg_pool2d(b.keep(rand({2, 3, 0, 4})), 1);
       },
       E::shape_invalid,
       {"[adaptive_avg_pool2d]", "(2, 3, 0, 4)"}},
      {"O9",
       "adaptive pooling to a negative extent",
       [](Bench& b) {
         adaptive_max_pool2d(b.keep(rand({2, 3, 4, 4})), {2, -1});
       },
       E::value_out_of_range,
       {"[adaptive_max_pool2d]", "output_size", "-1"}},
      {"O10",
       "more outputs than 63 bits count",
       conv({3, 4, 3, 3}, {.padding = std::int64_t{1} << 31}),
       E::shape_overflow,
       {"[conv2d]"}},
      {"O10",
       "padding that overflows",
       conv({3, 4, 3, 3}, {.padding = huge}),
       E::shape_overflow,
       {"[conv2d]", "63 bits"}},
      {"O10",
       "dilation that overflows",
       conv({3, 4, 3, 3}, {.dilation = huge}),
       E::shape_overflow,
       {"[conv2d]", "63 bits"}},
      {"O10",
       "stride that overflows, transposed",
       transposed({4, 3, 3, 3}, {.stride = huge}),
       E::shape_overflow,
       {"[conv_transpose2d]", "63 bits"}},
      {"O10",
       "pooling whose dilation overflows",
       pool(3, {.dilation = huge}),
       E::shape_overflow,
       {"[max_pool2d]", "63 bits"}},
      {"O11", "no filters", conv({0, 4, 3, 3}, {}), E::shape_invalid, {"[conv2d]", "(0, 4, 3, 3)", "empty"}},
      {"O11", "filters of no channels", conv({3, 0, 3, 3}, {}), E::shape_invalid, {"[conv2d]", "(3, 0, 3, 3)"}},
      {"O12", "pooling window of extent 0", pool(0, {}), E::value_out_of_range, {"[max_pool2d]", "kernel", "0"}},
      {"O12",
       "negative pooling window",
       [](Bench& b) {
         avg_pool1d(b.keep(rand({2, 3, 8})), -2);
       },
       E::value_out_of_range,
       {"[avg_pool1d]", "kernel", "-2"}},
      {"O12",
       "pooling of rank 2",
       [](Bench& b) {
         avg_pool2d(b.keep(rand({8, 8})), 2);
       },
       E::rank_unsupported,
       {"[avg_pool2d]", "(8, 8)"}},
      {"O13",
       "pooling padding over half the window",
       pool(3, {.padding = 2}),
       E::value_out_of_range,
       {"[max_pool2d]", "padding 2", "3"}},
      {"O13",
       "average padding as large as the window",
       [](Bench& b) {
         avg_pool1d(b.keep(rand({2, 3, 8})), 2, {.padding = 2});
       },
       E::value_out_of_range,
       {"[avg_pool1d]", "padding 2"}},
      {"O20",
       "convolution of integers",
       [](Bench& b) {
         conv1d(b.keep(randint(0, 5, {1, 2, 5})), b.keep(randint(0, 5, {1, 2, 3})));
       },
       E::dtype_unsupported,
       {"[conv1d]", "int64", ".to("}},
      {"O20",
       "image and filter of different dtypes",
       [](Bench& b) {
         conv1d(b.keep(rand({1, 2, 5})), b.keep(rand({1, 2, 3}, DType::float64)));
       },
       E::dtype_mismatch,
       {"[conv1d]", "float32", "float64"}},
      {"O20",
       "pooling of integers",
       [](Bench& b) {
         max_pool1d(b.keep(randint(0, 5, {1, 2, 5})), 2);
       },
       E::dtype_unsupported,
       {"[max_pool1d]", "int64", ".to("}},
      {"D1",
       "image and filter on different devices",
       [](Bench& b) {
         conv1d(b.keep(rand({1, 2, 5})), b.keep(rand({1, 2, 3}, serial())));
       },
       E::device_mismatch,
       {"[conv1d]", "weight", "serial"}},
      {"T22",
       "undefined filter",
       [](Bench& b) {
         conv2d(b.keep(rand({1, 2, 5, 5})), {});
       },
       E::tensor_undefined,
       {"[conv2d]", "weight"}},
      {"N13",
       "convolution of no channels",
       [](Bench&) { nn::Conv2d(0, 3, 3); },
       E::value_out_of_range,
       {"[Conv2d]", "in = 0"}},
      {"N13",
       "convolution to a negative number of channels",
       [](Bench&) { nn::Conv1d(2, -3, 3); },
       E::value_out_of_range,
       {"[Conv1d]", "out = -3"}},
      {"N13",
       "layer with a kernel of extent 0",
       [](Bench&) {
         nn::ConvTranspose2d(2, 3, {3, 0});
       },
       E::value_out_of_range,
       {"[ConvTranspose2d]", "kernel is 0"}},
      {"N13",
       "layer whose groups do not divide",
       [](Bench&) { nn::Conv2d(4, 6, 3, {.groups = 4}); },
       E::value_out_of_range,
       {"[Conv2d]", "groups = 4"}},
      {"N13",
       "layer with three kernel extents for one axis",
       [](Bench&) {
         nn::Conv1d(4, 6, {3, 3, 3});
       },
       E::value_invalid,
       {"[Conv1d]", "3 extents"}},
      {"N13",
       "layer of integers",
       [](Bench&) { nn::Conv2d(4, 6, 3, {}, true, DType::int64); },
       E::dtype_unsupported,
       {"[Conv2d]", "int64"}},
      {"N14",
       "wrong rank inside a layer",
       [](Bench& b) {
         nn::Conv2d(4, 6, 3)(b.keep(rand({4, 8})));
       },
       E::rank_unsupported,
       {"[conv2d]", "(4, 8)", "Conv2d(4, 6, kernel=3)"}},
  };
}

}  // namespace weft::test
