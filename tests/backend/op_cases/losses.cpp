#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;

/// Constants beside the arguments, in x's dtype and on its device.
Tensor beside(const Tensor& x, const std::vector<double>& values, const Shape& shape) {
  const NoGrad off;
  return from_vector<double>(values, shape, serial()).to(x.dtype()).to(x.device());
}
Tensor class_weights(const Tensor& x) { return beside(x, {0.5, 2, 0, 1.25}, {4}); }

/// A target whose differences from the other argument have both signs, lie on both sides of beta and on no kink.
Tensor apart(const Tensor& x) { return -x; }

/// A loss of logits (.., 4, ..) and labels.
OpCase of_classes(const char* name, Call call, bool independent = false, const Shape& logits = {5, 4},
                  const Shape& labels = {5}) {
  OpCase row;
  row.name = name;
  row.inputs = {{logits}, {labels, Domain::normal, Kind::index, 4}};
  row.call = std::move(call);
  row.terms = 40;
  row.rows = independent;
  if (logits.rank() == 2) {
    row.large = {{1000, 4}, {1000}};
  } else {
    row.large = {{200, 4, 37}, {200, 37}};
  }
  return row;
}

template <class Options>
Options class_options(const Tensor& x, bool weighted, std::int64_t ignored, Reduction reduction) {
  Options options;
  if (weighted) options.weight = class_weights(x);
  options.ignore_index = ignored;
  options.reduction = reduction;
  return options;
}

OpCase entropy(const char* name, bool weighted, std::int64_t ignored, double smoothing, Reduction reduction) {
  return of_classes(
      name,
      [=](const Tensors& x) {
        auto options = class_options<CrossEntropyOptions>(x[0], weighted, ignored, reduction);
        options.label_smoothing = smoothing;
        return cross_entropy(x[0], x[1], options);
      },
      reduction == Reduction::none);
}

OpCase nll(const char* name, bool weighted, std::int64_t ignored, Reduction reduction) {
  return of_classes(
      name,
      [=](const Tensors& x) {
        return nll_loss(x[0], x[1], class_options<NllLossOptions>(x[0], weighted, ignored, reduction));
      },
      reduction == Reduction::none);
}

OpCase of_pairs(const char* name, Call call, bool independent = false) {
  OpCase row;
  row.name = name;
  row.inputs = {{{3, 5}, Domain::distinct}, {{3, 5}, Domain::distinct}};
  row.call = std::move(call);
  row.terms = 24;
  row.rows = independent;
  row.large = {{37, 401}, {37, 401}};
  return row;
}

}  // namespace

std::vector<OpCase> loss_cases() {
  const auto mean = Reduction::mean, total = Reduction::sum, none = Reduction::none;
  std::vector<OpCase> rows = {
      entropy("cross_entropy/weight", true, -100, 0, mean),
      entropy("cross_entropy/weight-sum", true, -100, 0, total),
      entropy("cross_entropy/ignore", false, 2, 0, mean),
      entropy("cross_entropy/smoothing", false, -100, 0.1, mean),
      entropy("cross_entropy/all-options", true, 3, 0.2, mean),
      entropy("cross_entropy/all-options-none", true, 3, 0.2, none),
      of_classes("cross_entropy/spatial", [](const Tensors& x) { return cross_entropy(x[0], x[1]); }, false, {2, 4, 3},
                 {2, 3}),
      of_classes("cross_entropy/spatial-options",
                 [](const Tensors& x) {
                   auto options = class_options<CrossEntropyOptions>(x[0], true, 1, Reduction::none);
                   options.label_smoothing = 0.1;
                   return cross_entropy(x[0], x[1], options);
                 },
                 true, {2, 4, 3}, {2, 3}),
      nll("nll_loss", false, -100, mean),
      nll("nll_loss/sum", false, -100, total),
      nll("nll_loss/none", false, 1, none),
      nll("nll_loss/options", true, 3, mean),
      of_classes("nll_loss/spatial", [](const Tensors& x) { return nll_loss(x[0], x[1]); }, false, {2, 4, 3}, {2, 3}),
      of_pairs("mse_loss", [](const Tensors& x) { return mse_loss(x[0], apart(x[1])); }),
      of_pairs("mse_loss/sum", [](const Tensors& x) { return mse_loss(x[0], apart(x[1]), Reduction::sum); }),
      of_pairs(
          "mse_loss/none", [](const Tensors& x) { return mse_loss(x[0], apart(x[1]), Reduction::none); }, true),
      of_pairs("l1_loss", [](const Tensors& x) { return l1_loss(x[0], apart(x[1])); }),
      of_pairs("l1_loss/sum", [](const Tensors& x) { return l1_loss(x[0], apart(x[1]), Reduction::sum); }),
      of_pairs(
          "l1_loss/none", [](const Tensors& x) { return l1_loss(x[0], apart(x[1]), Reduction::none); }, true),
      of_pairs("smooth_l1_loss", [](const Tensors& x) { return smooth_l1_loss(x[0], apart(x[1])); }),
      of_pairs("smooth_l1_loss/beta",
               [](const Tensors& x) { return smooth_l1_loss(x[0], apart(x[1]), Reduction::sum, 0.5); }),
      of_pairs(
          "smooth_l1_loss/none", [](const Tensors& x) { return smooth_l1_loss(x[0], apart(x[1]), Reduction::none); },
          true),
      of_pairs("smooth_l1_loss/beta-0",
               [](const Tensors& x) { return smooth_l1_loss(x[0], apart(x[1]), Reduction::mean, 0); }),
      of_pairs("bce_with_logits", [](const Tensors& x) { return bce_with_logits(x[0], sigmoid(x[1])); }),
      of_pairs("bce_with_logits/sum",
               [](const Tensors& x) { return bce_with_logits(x[0], sigmoid(x[1]), Reduction::sum); }),
      of_pairs(
          "bce_with_logits/options",
          [](const Tensors& x) {
            BceOptions options;
            options.weight = beside(x[0], {2}, {1});
            options.pos_weight = beside(x[0], {3}, {1, 1});
            options.reduction = Reduction::none;
            return bce_with_logits(x[0], sigmoid(x[1]), options);
          },
          true),
  };
  for (OpCase& row : rows) {
    if (row.name.find("/none") != std::string::npos && row.inputs[1].kind == Kind::value)
      row.empty = {{{0, 5}, {0, 5}}};
    if (row.name.rfind("bce", 0) == 0) row.inputs[0].domain = row.inputs[1].domain = Domain::normal;
  }
  return rows;
}

}  // namespace weft::test
