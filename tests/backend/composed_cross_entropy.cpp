#include <cmath>
#include <limits>

#include <weft/core/error.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

using backends::CrossEntropyArgs;

class ComposedCrossEntropy : public OnEveryBackend {};

struct Problem {
  CrossEntropyArgs args;
  Array logits;
  std::vector<std::int64_t> labels;
  std::vector<double> weight;  // empty: none
};

/// One row, word for word as PyTorch documents reduction "none": the target is (1 - s) one-hot + s / C, each class term
/// weighted.
double textbook_loss(const Problem& p, std::size_t row) {
  const auto classes = static_cast<std::size_t>(p.logits.shape[1]);
  if (p.labels[row] == p.args.ignore_index) return 0;
  const double* x = p.logits.values.data() + row * classes;
  double most = x[0];
  for (std::size_t j = 1; j < classes; ++j) most = std::max(most, x[j]);
  double sum = 0;
  for (std::size_t j = 0; j < classes; ++j) sum += std::exp(x[j] - most);
  const double log_sum = most + std::log(sum);
  double loss = 0;
  for (std::size_t j = 0; j < classes; ++j) {
    double target = p.args.smoothing / static_cast<double>(classes);
    if (static_cast<std::int64_t>(j) == p.labels[row]) target += 1 - p.args.smoothing;
    if (target != 0) loss -= (p.weight.empty() ? 1 : p.weight[j]) * target * (x[j] - log_sum);
  }
  return loss;
}

Array textbook_losses(const Problem& p) {
  Array losses({p.logits.shape[0]});
  for (std::size_t row = 0; row < losses.values.size(); ++row) losses.values[row] = textbook_loss(p, row);
  return losses;
}

/// By central differences of the loss: no formula to copy a mistake from.
Array numeric_gradient(Problem p) {
  Array gradient(p.logits.shape);
  const auto classes = static_cast<std::size_t>(p.logits.shape[1]);
  for (std::size_t i = 0; i < gradient.values.size(); ++i) {
    const double x = p.logits.values[i], h = 1e-5;
    p.logits.values[i] = x + h;
    const double above = textbook_loss(p, i / classes);
    p.logits.values[i] = x - h;
    gradient.values[i] = (above - textbook_loss(p, i / classes)) / (2 * h);
    p.logits.values[i] = x;
  }
  return gradient;
}

std::vector<Problem> problems(DType dtype) {
  std::vector<Problem> all;
  for (const Shape& shape : {Shape{1, 1}, Shape{5, 3}, Shape{40, 10}, Shape{3, 700}}) {
    for (double smoothing : {0.0, 0.1, 1.0}) {
      for (bool weighted : {false, true}) {
        for (std::int64_t ignore : {-100, 1}) {
          Problem p;
          p.args = {ignore, smoothing};
          p.logits = random_array(dtype, shape, 111, -4, 4);
          const Array labels = random_array(DType::int64, {shape[0]}, 112, 0, static_cast<double>(shape[1]) - 0.01);
          for (double label : labels.values) p.labels.push_back(static_cast<std::int64_t>(label));
          if (ignore < 0 && shape[0] > 2) p.labels[2] = ignore;
          if (weighted) p.weight = random_array(dtype, {shape[1]}, 113, 0.25, 2).values;
          all.push_back(p);
        }
      }
    }
  }
  return all;
}

Array as_array(const std::vector<std::int64_t>& labels) {
  Array array({static_cast<std::int64_t>(labels.size())});
  for (std::size_t i = 0; i < labels.size(); ++i) array.values[i] = static_cast<double>(labels[i]);
  return array;
}

TEST_P(ComposedCrossEntropy, LossesAndGradients) {
  for (DType dtype : floating_dtypes) {
    for (const Problem& p : problems(dtype)) {
      const Array losses = textbook_losses(p), gradient = numeric_gradient(p);
      int turn = 0;
      for (DType label_dtype : {DType::int64, DType::int32}) {
        const Layout layout = after(Layout::contiguous, turn++);
        SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(p.logits.shape) + " smoothing " +
                     std::to_string(p.args.smoothing) + (p.weight.empty() ? "" : " weighted") + " ignore " +
                     std::to_string(p.args.ignore_index) + " " + weft::name(label_dtype));
        const Block logits(backend(), dtype, p.logits, layout);
        const Block labels(backend(), label_dtype, as_array(p.labels), after(layout, 2));
        const Block weight(
            backend(), dtype,
            Array({p.logits.shape[1]},
                  p.weight.empty() ? std::vector<double>(static_cast<std::size_t>(p.logits.shape[1])) : p.weight));
        const TensorView none, class_weight = p.weight.empty() ? none : weight.view();
        for (bool fused : {false, true}) {
          const Block loss(backend(), dtype, losses.shape, layout), slope(backend(), dtype, p.logits.shape, layout);
          const auto run = [&](const TensorView& l, const TensorView& d) {
            fused ? backend().cross_entropy(p.args, logits, labels, class_weight, l, d)
                  : backend().Backend::cross_entropy(p.args, logits, labels, class_weight, l, d);
          };
          run(loss, slope);
          expect_close(dtype, loss.read(), losses, 2);
          expect_close(dtype == DType::float64 ? DType::float32 : dtype, slope.read(), gradient, 2);
          const Block only_loss(backend(), dtype, losses.shape), only_slope(backend(), dtype, p.logits.shape);
          run(only_loss, none);
          run(none, only_slope);
          expect_equal(only_loss.read(), loss.read());
          expect_equal(only_slope.read(), slope.read());
        }
      }
    }
  }
}

TEST_P(ComposedCrossEntropy, IgnoredRowsAreZeroWhateverTheyHold) {
  const double inf = std::numeric_limits<double>::infinity();
  const Array logits({2, 3}, {inf, std::nan(""), 1, 0, 0, 0});
  for (DType dtype : floating_dtypes) {
    for (bool fused : {false, true}) {
      for (double smoothing : {0.0, 0.2}) {
        const CrossEntropyArgs args{-100, smoothing};
        const Block x(backend(), dtype, logits), labels(backend(), DType::int64, Array({2}, {-100, 2}));
        const Block loss(backend(), dtype, Shape{2}), slope(backend(), dtype, Shape{2, 3});
        fused ? backend().cross_entropy(args, x, labels, {}, loss, slope)
              : backend().Backend::cross_entropy(args, x, labels, {}, loss, slope);
        expect_close(dtype, loss.read(), Array({2}, {0, std::log(3.0)}));
        const Array got = slope.read();
        for (std::size_t j = 0; j < 3; ++j) EXPECT_EQ(got.values[j], 0) << weft::name(dtype) << fused;
      }
    }
  }
}

TEST_P(ComposedCrossEntropy, TheMeanDividesByTheWeightsOfTheRowsKept) {
  for (DType dtype : {DType::float32, DType::float64}) {
    for (std::int64_t rows : {1, 7, 300}) {
      const std::int64_t classes = 10;
      const Array logits = random_array(dtype, {rows, classes}, 117, -3, 3);
      Array labels({rows});
      for (std::int64_t r = 0; r < rows; ++r) {
        labels.values[static_cast<std::size_t>(r)] = static_cast<double>(r % 5 == 3 ? -100 : r * r % classes);
      }
      for (bool weighted : {false, true}) {
        for (double smoothing : {0.0, 0.2}) {
          const Array weights = random_array(dtype, {classes}, 118, 0.25, 2);
          const Block x(backend(), dtype, logits), y(backend(), DType::int64, labels), w(backend(), dtype, weights);
          const TensorView given = weighted ? w.view() : TensorView();
          const Block each(backend(), dtype, Shape{rows}), slopes(backend(), dtype, logits.shape);
          backend().Backend::cross_entropy({-100, smoothing}, x, y, given, each, slopes);
          const Array losses = each.read();
          Array gradient = slopes.read();
          double kept = 0, total = 0;
          for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
            total += losses.values[r];
            if (labels.values[r] < 0) continue;
            kept += weighted ? weights.values[static_cast<std::size_t>(labels.values[r])] : 1;
          }
          for (double& value : gradient.values) value /= kept;
          for (bool fused : {false, true}) {
            SCOPED_TRACE(std::string(weft::name(dtype)) + " rows " + std::to_string(rows) +
                         (weighted ? " weighted" : "") + (fused ? " fused" : ""));
            const CrossEntropyArgs args{-100, smoothing, true};
            const auto run = [&](const TensorView& l, const TensorView& d) {
              fused ? backend().cross_entropy(args, x, y, given, l, d)
                    : backend().Backend::cross_entropy(args, x, y, given, l, d);
            };
            const Block mean(backend(), dtype, Shape{}), slope(backend(), dtype, logits.shape);
            run(mean, slope);
            expect_close(dtype, mean.read(), Array(Shape{}, total / kept), 2);
            expect_close(dtype, slope.read(), gradient, 2);
            const Block only_mean(backend(), dtype, Shape{}), only_slope(backend(), dtype, logits.shape);
            run(only_mean, {});
            run({}, only_slope);
            expect_equal(only_mean.read(), mean.read());
            expect_equal(only_slope.read(), slope.read());
          }
        }
      }
    }
  }
}

TEST_P(ComposedCrossEntropy, ExtremeLogitsStayFinite) {
  const Array logits({2, 3}, {1e4, 0, -1e4, -1e4, -1e4, 1e4});
  for (DType dtype : {DType::float32, DType::float64}) {
    for (bool fused : {false, true}) {
      const Block x(backend(), dtype, logits), labels(backend(), DType::int64, Array({2}, {0, 0}));
      const Block loss(backend(), dtype, Shape{2}), slope(backend(), dtype, Shape{2, 3});
      fused ? backend().cross_entropy({}, x, labels, {}, loss, slope)
            : backend().Backend::cross_entropy({}, x, labels, {}, loss, slope);
      expect_close(dtype, loss.read(), Array({2}, {0, 2e4}));
      expect_close(dtype, slope.read(), Array({2, 3}, {0, 0, 0, -1, 0, 1}));
    }
  }
}

TEST_P(ComposedCrossEntropy, BadLabelsAreRefusedBeforeTheFirstWrite) {
  const Array logits = random_array(DType::float32, {6, 4}, 114);
  for (double bad : {4.0, -1.0, -100.5, 1e12}) {
    for (bool fused : {false, true}) {
      Array labels({6}, 1);
      labels.values[4] = bad;
      CrossEntropyArgs args;
      if (bad == -100.5) args.ignore_index = -7;  // then -100 is a bad label like any other
      const Block x(backend(), DType::float32, logits), y(backend(), DType::int64, labels);
      const Block loss(backend(), DType::float32, Shape{6}), slope(backend(), DType::float32, Shape{6, 4});
      backend().tag({"cross_entropy", "train.cpp", 41});
      try {
        fused ? backend().cross_entropy(args, x, y, {}, loss, slope)
              : backend().Backend::cross_entropy(args, x, y, {}, loss, slope);
        backend().synchronise();
        ADD_FAILURE() << bad << " was accepted";
      } catch (const IndexError& error) {
        const std::string text = error.what();
        EXPECT_EQ(error.code(), ErrorCode::index_out_of_range);
        EXPECT_NE(text.find("[cross_entropy]"), std::string::npos) << text;
        EXPECT_NE(text.find(std::to_string(static_cast<std::int64_t>(bad))), std::string::npos) << text;
        EXPECT_NE(text.find("4"), std::string::npos) << text;
        EXPECT_NE(text.find("train.cpp:41"), std::string::npos) << text;
      }
      backend().tag({});
      if (backend().facts().streams) continue;  // the error came later
      EXPECT_TRUE(loss.untouched());
      EXPECT_TRUE(slope.untouched());
    }
  }
}

WEFT_ON_EVERY_BACKEND(ComposedCrossEntropy);

}  // namespace
}  // namespace weft::contract_test
