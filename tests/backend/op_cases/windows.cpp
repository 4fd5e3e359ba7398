#include <algorithm>

#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

// Convolution and pooling. The large shapes are cut into several tiles, chunks and runs of images on cpu.

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

OpCase convolution(const char* name, const Shape& x, const Shape& w, const ConvOptions& options, bool bias = false) {
  OpCase row;
  row.name = name;
  row.inputs = {{x}, {w}};
  if (bias) row.inputs.push_back({{w[0]}});
  const bool two = w.rank() == 4;
  row.call = [options, two](const Tensors& t) {
    const Tensor b = t.size() > 2 ? t[2] : Tensor();
    return two ? conv2d(t[0], t[1], b, options) : conv1d(t[0], t[1], b, options);
  };
  row.accepts = supports_conv;
  row.terms = static_cast<double>(std::max(w.numel(), x.numel() * 4));
  row.exact = true;
  row.rows = x.rank() == w.rank();
  return row;
}

OpCase transposed(const char* name, const Shape& x, const Shape& w, const ConvTransposeOptions& options,
                  bool bias = false) {
  OpCase row = convolution(name, x, w, {});
  if (bias) row.inputs.push_back({{w[1] * options.groups}});
  const bool two = w.rank() == 4;
  row.call = [options, two](const Tensors& t) {
    const Tensor b = t.size() > 2 ? t[2] : Tensor();
    return two ? conv_transpose2d(t[0], t[1], b, options) : conv_transpose1d(t[0], t[1], b, options);
  };
  return row;
}

OpCase pooling(const char* name, const Shape& x, Domain domain, Call call) {
  OpCase row;
  row.name = name;
  row.inputs = {{x, domain}};
  row.call = std::move(call);
  row.accepts = supports_pool;
  row.terms = static_cast<double>(x.numel());
  row.rows = true;
  row.exact = domain == Domain::distinct;  // an average of integers is not exact
  return row;
}

OpCase of_max(const char* name, const Shape& x, Call call) {
  return pooling(name, x, Domain::distinct, std::move(call));
}
OpCase of_average(const char* name, const Shape& x, Call call) {
  return pooling(name, x, Domain::normal, std::move(call));
}

}  // namespace

std::vector<OpCase> window_cases() {
  std::vector<OpCase> rows = {
      convolution("conv1d", {2, 3, 9}, {4, 3, 3}, {}, true),
      convolution("conv1d/strided-padded-dilated", {2, 2, 11}, {3, 2, 3}, {.stride = 2, .padding = 3, .dilation = 2}),
      convolution("conv1d/grouped", {2, 4, 7}, {6, 2, 3}, {.padding = 1, .groups = 2}),
      convolution("conv1d/unbatched", {3, 8}, {2, 3, 3}, {}, true),
      convolution("conv2d", {2, 2, 5, 6}, {3, 2, 3, 3}, {.padding = 1}, true),
      convolution("conv2d/no-padding", {2, 2, 5, 5}, {3, 2, 3, 2}, {}),
      convolution("conv2d/strided", {2, 2, 7, 6}, {3, 2, 3, 3}, {.stride = {2, 3}, .padding = {1, 0}}),
      convolution("conv2d/dilated", {1, 2, 8, 7}, {2, 2, 3, 2}, {.padding = 2, .dilation = {2, 3}}),
      convolution("conv2d/grouped", {2, 4, 5, 4}, {6, 2, 3, 3}, {.padding = 1, .groups = 2}, true),
      convolution("conv2d/depthwise", {2, 3, 6, 5}, {6, 1, 3, 3}, {.stride = 2, .padding = 1, .groups = 3}),
      convolution("conv2d/pointwise", {2, 4, 4, 3}, {5, 4, 1, 1}, {}, true),
      convolution("conv2d/pointwise-strided", {2, 3, 5, 6}, {4, 3, 1, 1}, {.stride = 2}),
      convolution("conv2d/wide-padding", {1, 2, 3, 4}, {2, 2, 2, 2}, {.padding = 3}),
      convolution("conv2d/whole-image", {3, 2, 4, 3}, {2, 2, 4, 3}, {}),
      convolution("conv2d/unbatched", {2, 5, 5}, {3, 2, 3, 3}, {.padding = 1}, true),
      convolution("conv2d/two-panels", {1, 40, 5, 5}, {3, 40, 3, 3}, {.padding = 1}),
      transposed("conv_transpose1d", {2, 3, 5}, {3, 2, 3}, {}, true),
      transposed("conv_transpose1d/strided", {2, 2, 4}, {2, 3, 3},
                 {.stride = 3, .padding = 1, .output_padding = 2, .dilation = 2}),
      transposed("conv_transpose2d", {2, 3, 4, 3}, {3, 2, 3, 3}, {.padding = 1}, true),
      transposed("conv_transpose2d/strided", {2, 2, 3, 4}, {2, 3, 2, 3},
                 {.stride = {2, 3}, .padding = {0, 1}, .output_padding = {1, 2}}),
      transposed("conv_transpose2d/grouped", {1, 4, 3, 3}, {4, 2, 3, 2}, {.stride = 2, .groups = 2, .dilation = {1, 2}},
                 true),
      transposed("conv_transpose2d/wide-output-padding", {1, 2, 3, 3}, {2, 1, 2, 2},
                 {.output_padding = 1, .dilation = 2}),
      transposed("conv_transpose2d/unbatched", {2, 3, 4}, {2, 3, 3, 3}, {.stride = 2}),
      of_max("max_pool1d", {2, 3, 9}, [](const Tensors& x) { return max_pool1d(x[0], 2); }),
      of_max("max_pool2d", {2, 2, 6, 5}, [](const Tensors& x) { return max_pool2d(x[0], 2); }),
      of_max("max_pool2d/overlapping", {2, 2, 6, 7},
             [](const Tensors& x) {
               return max_pool2d(x[0], {3, 2}, {.stride = {2, 1}});
             }),
      of_max("max_pool2d/padded-dilated", {1, 2, 7, 8},
             [](const Tensors& x) { return max_pool2d(x[0], 3, {.stride = 2, .padding = 1, .dilation = 2}); }),
      of_max("max_pool2d/ceil", {2, 1, 5, 6},
             [](const Tensors& x) { return max_pool2d(x[0], 3, {.stride = 2, .padding = 1, .ceil_mode = true}); }),
      of_max("max_pool2d/unbatched", {2, 4, 6},
             [](const Tensors& x) {
               return max_pool2d(x[0], {2, 3});
             }),
      of_max("adaptive_max_pool2d", {2, 2, 7, 5},
             [](const Tensors& x) {
               return adaptive_max_pool2d(x[0], {3, 2});
             }),
      of_average("avg_pool1d", {2, 3, 9}, [](const Tensors& x) { return avg_pool1d(x[0], 3, {.stride = 2}); }),
      of_average("avg_pool2d", {2, 2, 6, 5}, [](const Tensors& x) { return avg_pool2d(x[0], 2); }),
      of_average("avg_pool2d/padded", {2, 2, 5, 6},
                 [](const Tensors& x) {
                   return avg_pool2d(x[0], 3, {.stride = {1, 2}, .padding = 1});
                 }),
      of_average("avg_pool2d/padding-not-counted", {2, 2, 5, 6},
                 [](const Tensors& x) {
                   return avg_pool2d(x[0], 3, {.stride = 2, .padding = 1, .count_include_pad = false});
                 }),
      of_average("avg_pool2d/ceil", {1, 2, 6, 6},
                 [](const Tensors& x) { return avg_pool2d(x[0], 3, {.stride = 2, .padding = 1, .ceil_mode = true}); }),
      of_average("avg_pool2d/unbatched", {2, 4, 6},
                 [](const Tensors& x) {
                   return avg_pool2d(x[0], {2, 3});
                 }),
      of_average("adaptive_avg_pool1d", {2, 3, 10}, [](const Tensors& x) { return adaptive_avg_pool1d(x[0], 4); }),
      of_average("adaptive_avg_pool2d", {2, 2, 7, 6},
                 [](const Tensors& x) {
                   return adaptive_avg_pool2d(x[0], {3, 4});
                 }),
      of_average("adaptive_avg_pool2d/global", {2, 3, 4, 5},
                 [](const Tensors& x) { return adaptive_avg_pool2d(x[0], 1); }),
      of_average("adaptive_avg_pool2d/larger", {1, 2, 3, 2},
                 [](const Tensors& x) {
                   return adaptive_avg_pool2d(x[0], {5, 4});
                 }),
  };
  for (OpCase& row : rows) {
    const std::string& name = row.name;
    if (name.find("unbatched") != std::string::npos) row.rows = false;
    if (name == "conv1d") {
      row.large = {{13, 8, 400}, {10, 8, 5}, {10}};
      row.empty = {{{0, 3, 9}, {4, 3, 3}, {4}}};
    } else if (name == "conv2d") {
      row.large = {{13, 16, 20, 20}, {24, 16, 3, 3}, {24}};
      row.empty = {{{0, 2, 5, 6}, {3, 2, 3, 3}, {3}}, {{2, 2, 0, 6}, {3, 2, 2, 3}, {3}}};
    } else if (name == "conv2d/strided") {
      row.large = {{11, 40, 15, 31}, {20, 40, 3, 3}};  // more than a panel of terms
    } else if (name == "conv2d/depthwise") {
      row.large = {{11, 3, 120, 110}, {6, 1, 3, 3}};  // more positions than one block holds
    } else if (name == "conv2d/pointwise") {
      row.large = {{13, 64, 20, 21}, {48, 64, 1, 1}, {48}};
    } else if (name == "conv_transpose2d/strided") {
      row.large = {{11, 30, 14, 15}, {30, 20, 2, 3}};
    } else if (name == "conv_transpose2d") {
      row.empty = {{{0, 3, 4, 3}, {3, 2, 3, 3}, {2}}};
    } else if (name == "conv2d/two-panels") {
      row.gradient = false;  // the same as above, too many finite differences
    } else if (name == "max_pool2d" || name == "avg_pool2d") {
      row.large = {{13, 8, 40, 41}};
      row.empty = {{{0, 2, 6, 5}}, {{2, 0, 6, 5}}};
    } else if (name == "max_pool2d/padded-dilated" || name == "avg_pool2d/padding-not-counted" ||
               name == "adaptive_avg_pool2d") {
      row.large = {{13, 6, 37, 30}};
    } else if (name == "adaptive_avg_pool2d/global") {
      row.empty = {{{0, 3, 4, 5}}};
    }
  }
  return rows;
}

}  // namespace weft::test
