#include <cmath>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

using backends::NormArgs;

class ComposedLayerNorm : public OnEveryBackend {};
class ComposedBatchNorm : public OnEveryBackend {};

/// Groups of positions that are averaged together, with the channel whose scale and shift belong to each position.
struct Plan {
  std::vector<std::vector<std::size_t>> groups;
  std::vector<std::size_t> channel;
  std::size_t channels;
};

Plan layer_plan(const Shape& shape) {
  Plan plan{{}, {}, static_cast<std::size_t>(shape[1])};
  for (std::size_t row = 0, at = 0; row < static_cast<std::size_t>(shape[0]); ++row) {
    plan.groups.emplace_back();
    for (std::size_t j = 0; j < plan.channels; ++j) {
      plan.groups.back().push_back(at++);
      plan.channel.push_back(j);
    }
  }
  return plan;
}

Plan batch_plan(const Shape& shape) {
  const auto channels = static_cast<std::size_t>(shape[1]);
  Plan plan{std::vector<std::vector<std::size_t>>(channels), {}, channels};
  std::size_t at = 0;
  for_each_index(shape, [&](const Shape& index) {
    plan.groups[static_cast<std::size_t>(index[1])].push_back(at++);
    plan.channel.push_back(static_cast<std::size_t>(index[1]));
  });
  return plan;
}

struct Forward {
  Array y;
  std::vector<double> mean, variance, rstd;
};

Forward textbook(const Plan& plan, const Array& x, const std::vector<double>& scale, const std::vector<double>& shift,
                 double epsilon) {
  Forward out{Array(x.shape), {}, {}, {}};
  for (const auto& group : plan.groups) {
    double mean = 0, variance = 0;
    for (std::size_t i : group) mean += x.values[i] / static_cast<double>(group.size());
    for (std::size_t i : group) {
      variance += (x.values[i] - mean) * (x.values[i] - mean) / static_cast<double>(group.size());
    }
    const double rstd = 1 / std::sqrt(variance + epsilon);
    for (std::size_t i : group) {
      const std::size_t c = plan.channel[i];
      out.y.values[i] = (x.values[i] - mean) * rstd * (scale.empty() ? 1 : scale[c]) + (shift.empty() ? 0 : shift[c]);
    }
    out.mean.push_back(mean);
    out.variance.push_back(variance);
    out.rstd.push_back(rstd);
  }
  return out;
}

/// d(sum of dy y)/d(x, scale, shift) by central differences.
struct Gradient {
  Array dx;
  std::vector<double> dscale, dshift;
};
Gradient numeric_gradient(const Plan& plan, Array x, std::vector<double> scale, std::vector<double> shift,
                          const Array& dy, double epsilon) {
  const auto value = [&] {
    const Array y = textbook(plan, x, scale, shift, epsilon).y;
    double sum = 0;
    for (std::size_t i = 0; i < y.values.size(); ++i) sum += y.values[i] * dy.values[i];
    return sum;
  };
  const auto slope = [&](double& at) {
    const double before = at, h = 1e-5;
    at = before + h;
    const double above = value();
    at = before - h;
    const double below = value();
    at = before;
    return (above - below) / (2 * h);
  };
  Gradient out{Array(x.shape), {}, {}};
  for (std::size_t i = 0; i < x.values.size(); ++i) out.dx.values[i] = slope(x.values[i]);
  for (double& s : scale) out.dscale.push_back(slope(s));
  for (double& s : shift) out.dshift.push_back(slope(s));
  return out;
}

Array vector_of(const std::vector<double>& values) { return Array({static_cast<std::int64_t>(values.size())}, values); }

/// Differences are good to 1e-7 or so: float64 results are held to float32's tolerance, ten times tighter.
void expect_slope(DType dtype, const Array& got, const Array& want) {
  dtype == DType::float64 ? expect_close(DType::float32, got, want, 0.1) : expect_close(dtype, got, want, 4);
}

TEST_P(ComposedLayerNorm, Forward) {
  for (DType dtype : floating_dtypes) {
    for (const Shape& shape : {Shape{1, 1}, Shape{4, 7}, Shape{3, 300}, Shape{50, 16}, Shape{1, 5001}}) {
      const Array x = random_array(dtype, shape, 121, -1, 3);
      const auto n = static_cast<std::size_t>(shape[1]);
      for (bool affine : {false, true}) {
        const std::vector<double> scale =
            affine ? random_array(dtype, {shape[1]}, 122, 0.5, 2).values : std::vector<double>();
        const std::vector<double> shift = affine ? random_array(dtype, {shape[1]}, 123).values : std::vector<double>();
        const Forward want = textbook(layer_plan(shape), x, scale, shift, 1e-3);
        const Block by(backend(), dtype, vector_of(affine ? scale : std::vector<double>(n)));
        const Block plus(backend(), dtype, vector_of(affine ? shift : std::vector<double>(n)), Layout::gapped);
        const TensorView none;
        for (Layout layout : layouts) {
          for (bool fused : {false, true}) {
            SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout) + (fused ? " fused" : ""));
            const Block in(backend(), dtype, x, layout), y(backend(), dtype, shape, after(layout));
            const DType statistics = dtype == DType::float64 ? DType::float64 : DType::float32;
            const Block mean(backend(), statistics, Shape{shape[0]}), rstd(backend(), statistics, Shape{shape[0]});
            const NormArgs args{1e-3, 0.1, true};
            const TensorView a = affine ? by.view() : none, b = affine ? plus.view() : none;
            fused ? backend().layer_norm(args, in, a, b, y, mean, rstd)
                  : backend().Backend::layer_norm(args, in, a, b, y, mean, rstd);
            expect_close(dtype, y.read(), want.y, 8);
            expect_close(dtype, mean.read(), vector_of(want.mean));
            expect_close(dtype, rstd.read(), vector_of(want.rstd), 8);
          }
        }
      }
    }
  }
}

TEST_P(ComposedLayerNorm, Backward) {
  for (DType dtype : floating_dtypes) {
    for (const Shape& shape : {Shape{4, 7}, Shape{2, 33}, Shape{9, 2}}) {
      const Array x = random_array(dtype, shape, 124, -1, 3), dy = random_array(dtype, shape, 125);
      const std::vector<double> scale = random_array(dtype, {shape[1]}, 126, 0.5, 2).values;
      const Plan plan = layer_plan(shape);
      const std::vector<double> zeros(static_cast<std::size_t>(shape[1]), 0.0);
      for (bool affine : {false, true}) {
        const std::vector<double> ones(static_cast<std::size_t>(shape[1]), 1.0);
        const Forward forward = textbook(plan, x, {}, {}, 1e-2);
        const Gradient want = numeric_gradient(plan, x, affine ? scale : ones, zeros, dy, 1e-2);
        const DType statistics = dtype == DType::float64 ? DType::float64 : DType::float32;
        const Block mean(backend(), statistics, vector_of(forward.mean)),
            rstd(backend(), statistics, vector_of(forward.rstd));
        const Block by(backend(), dtype, vector_of(scale));
        for (Layout layout : layouts) {
          for (bool fused : {false, true}) {
            SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout) + (fused ? " fused" : ""));
            const Block in(backend(), dtype, x, layout), dout(backend(), dtype, dy, after(layout));
            const Block dx(backend(), dtype, shape, after(layout, 2));
            const Block dscale(backend(), dtype, Shape{shape[1]}), dshift(backend(), dtype, Shape{shape[1]});
            const auto run = [&](const TensorView& a, const TensorView& b, const TensorView& c) {
              const TensorView s = affine ? by.view() : TensorView();
              fused ? backend().layer_norm_backward(dout, in, s, mean, rstd, a, b, c)
                    : backend().Backend::layer_norm_backward(dout, in, s, mean, rstd, a, b, c);
            };
            run(dx, dscale, dshift);
            expect_slope(dtype, dx.read(), want.dx);
            expect_slope(dtype, dscale.read(), vector_of(want.dscale));
            expect_slope(dtype, dshift.read(), vector_of(want.dshift));
            const Block only_dx(backend(), dtype, shape), only_dscale(backend(), dtype, Shape{shape[1]});
            run(only_dx, {}, {});
            run({}, only_dscale, {});
            expect_equal(only_dx.read(), dx.read());
            expect_equal(only_dscale.read(), dscale.read());
          }
        }
      }
    }
  }
}

TEST_P(ComposedBatchNorm, Training) {
  for (DType dtype : floating_dtypes) {
    for (const Shape& shape :
         {Shape{4, 3, 5}, Shape{16, 2, 1}, Shape{3, 5, 100}, Shape{300, 3, 1}, Shape{2, 1, 5000}}) {
      const Array x = random_array(dtype, shape, 131, -1, 3);
      const std::vector<double> scale = random_array(dtype, {shape[1]}, 132, 0.5, 2).values;
      const std::vector<double> shift = random_array(dtype, {shape[1]}, 133).values;
      const Forward want = textbook(batch_plan(shape), x, scale, shift, 1e-3);
      const DType statistics = dtype == DType::float64 ? DType::float64 : DType::float32;
      const Array old_mean = random_array(statistics, {shape[1]}, 134);
      const Array old_var = random_array(statistics, {shape[1]}, 135, 0.5, 2);
      const double count = static_cast<double>(shape[0] * shape[2]);
      Array new_mean = old_mean, new_var = old_var;
      for (std::size_t c = 0; c < new_mean.values.size(); ++c) {
        new_mean.values[c] = 0.7 * old_mean.values[c] + 0.3 * want.mean[c];
        new_var.values[c] = 0.7 * old_var.values[c] + 0.3 * want.variance[c] * count / (count - 1);
      }
      for (Layout layout : layouts) {
        for (bool fused : {false, true}) {
          SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout) + (fused ? " fused" : ""));
          const Block in(backend(), dtype, x, layout), y(backend(), dtype, shape, after(layout));
          const Block by(backend(), dtype, vector_of(scale)), plus(backend(), dtype, vector_of(shift));
          const Block running_mean(backend(), statistics, old_mean), running_var(backend(), statistics, old_var);
          const Block mean(backend(), statistics, Shape{shape[1]}), rstd(backend(), statistics, Shape{shape[1]});
          const NormArgs args{1e-3, 0.3, true};
          fused ? backend().batch_norm(args, in, by, plus, running_mean, running_var, y, mean, rstd)
                : backend().Backend::batch_norm(args, in, by, plus, running_mean, running_var, y, mean, rstd);
          expect_close(dtype, y.read(), want.y, 8);
          expect_close(dtype, mean.read(), vector_of(want.mean));
          expect_close(dtype, rstd.read(), vector_of(want.rstd), 8);
          expect_close(dtype, running_mean.read(), new_mean);
          expect_close(dtype, running_var.read(), new_var, 2);
        }
      }
    }
  }
}

TEST_P(ComposedBatchNorm, EvaluationUsesTheRunningStatisticsAndKeepsThem) {
  const Shape shape = {4, 3, 5};
  for (DType dtype : floating_dtypes) {
    const Array x = random_array(dtype, shape, 136);
    const DType statistics = dtype == DType::float64 ? DType::float64 : DType::float32;
    const Array mean = random_array(statistics, {3}, 137), variance = random_array(statistics, {3}, 138, 0.5, 2);
    Array want(shape);
    std::size_t i = 0;
    for_each_index(shape, [&](const Shape& index) {
      const auto c = static_cast<std::size_t>(index[1]);
      want.values[i] = (x.values[i] - mean.values[c]) / std::sqrt(variance.values[c] + 1e-5);
      ++i;
    });
    for (bool fused : {false, true}) {
      const Block in(backend(), dtype, x), y(backend(), dtype, shape);
      const Block running_mean(backend(), statistics, mean), running_var(backend(), statistics, variance);
      const Block saved_mean(backend(), statistics, Shape{3}), saved_rstd(backend(), statistics, Shape{3});
      NormArgs args;
      args.training = false;
      fused ? backend().batch_norm(args, in, {}, {}, running_mean, running_var, y, saved_mean, saved_rstd)
            : backend().Backend::batch_norm(args, in, {}, {}, running_mean, running_var, y, saved_mean, saved_rstd);
      expect_close(dtype, y.read(), want, 8);
      EXPECT_TRUE(running_mean.untouched());
      EXPECT_TRUE(running_var.untouched());
    }
  }
}

TEST_P(ComposedBatchNorm, Backward) {
  for (DType dtype : floating_dtypes) {
    for (const Shape& shape : {Shape{4, 3, 2}, Shape{7, 2, 1}}) {
      const Array x = random_array(dtype, shape, 139, -1, 3), dy = random_array(dtype, shape, 140);
      const std::vector<double> scale = random_array(dtype, {shape[1]}, 141, 0.5, 2).values;
      const Plan plan = batch_plan(shape);
      const Forward forward = textbook(plan, x, {}, {}, 1e-2);
      const Gradient want =
          numeric_gradient(plan, x, scale, std::vector<double>(static_cast<std::size_t>(shape[1]), 0.0), dy, 1e-2);
      const DType statistics = dtype == DType::float64 ? DType::float64 : DType::float32;
      for (Layout layout : layouts) {
        for (bool fused : {false, true}) {
          SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout) + (fused ? " fused" : ""));
          const Block in(backend(), dtype, x, layout), dout(backend(), dtype, dy, after(layout));
          const Block by(backend(), dtype, vector_of(scale)), dx(backend(), dtype, shape, after(layout, 2));
          const Block mean(backend(), statistics, vector_of(forward.mean)),
              rstd(backend(), statistics, vector_of(forward.rstd));
          const Block dscale(backend(), dtype, Shape{shape[1]}), dshift(backend(), dtype, Shape{shape[1]});
          fused ? backend().batch_norm_backward(dout, in, by, mean, rstd, dx, dscale, dshift)
                : backend().Backend::batch_norm_backward(dout, in, by, mean, rstd, dx, dscale, dshift);
          expect_slope(dtype, dx.read(), want.dx);
          expect_slope(dtype, dscale.read(), vector_of(want.dscale));
          expect_slope(dtype, dshift.read(), vector_of(want.dshift));
        }
      }
    }
  }
}

/// Longer than any chunk, block or part a backend may sum in: the fused form against the composed one.
template <class Run>
void expect_agreement(const Run& run, std::size_t outputs) {
  const std::vector<Array> fused = run(true), composed = run(false);
  for (std::size_t i = 0; i < outputs; ++i) {
    SCOPED_TRACE(i);
    expect_close(DType::float32, fused[i], composed[i], 1);
  }
}

TEST_P(ComposedLayerNorm, LargeBackwardAgreesWithComposed) {
  for (const Shape& shape : {Shape{300, 70}, Shape{3, 9001}, Shape{200, 513}}) {
    const DType dtype = DType::float64;
    const Block x(backend(), dtype, random_array(dtype, shape, 151, -1, 3));
    const Block dy(backend(), dtype, random_array(dtype, shape, 152));
    const Block by(backend(), dtype, random_array(dtype, {shape[1]}, 153, 0.5, 2));
    const Block mean(backend(), dtype, random_array(dtype, {shape[0]}, 154));
    const Block rstd(backend(), dtype, random_array(dtype, {shape[0]}, 155, 0.5, 2));
    expect_agreement(
        [&](bool fused) {
          const Block dx(backend(), dtype, shape);
          const Block dscale(backend(), dtype, Shape{shape[1]}), dshift(backend(), dtype, Shape{shape[1]});
          fused ? backend().layer_norm_backward(dy, x, by, mean, rstd, dx, dscale, dshift)
                : backend().Backend::layer_norm_backward(dy, x, by, mean, rstd, dx, dscale, dshift);
          return std::vector<Array>{dx.read(), dscale.read(), dshift.read()};
        },
        3);
  }
}

TEST_P(ComposedBatchNorm, LargeBackwardAgreesWithComposed) {
  for (const Shape& shape : {Shape{300, 70, 1}, Shape{9001, 3, 1}, Shape{5, 7, 4099}, Shape{40, 3, 17}}) {
    const DType dtype = DType::float64;
    const Block x(backend(), dtype, random_array(dtype, shape, 156, -1, 3));
    const Block dy(backend(), dtype, random_array(dtype, shape, 157));
    const Block by(backend(), dtype, random_array(dtype, {shape[1]}, 158, 0.5, 2));
    const Block mean(backend(), dtype, random_array(dtype, {shape[1]}, 159));
    const Block rstd(backend(), dtype, random_array(dtype, {shape[1]}, 160, 0.5, 2));
    expect_agreement(
        [&](bool fused) {
          const Block dx(backend(), dtype, shape);
          const Block dscale(backend(), dtype, Shape{shape[1]}), dshift(backend(), dtype, Shape{shape[1]});
          fused ? backend().batch_norm_backward(dy, x, by, mean, rstd, dx, dscale, dshift)
                : backend().Backend::batch_norm_backward(dy, x, by, mean, rstd, dx, dscale, dshift);
          return std::vector<Array>{dx.read(), dscale.read(), dshift.read()};
        },
        3);
  }
}

WEFT_ON_EVERY_BACKEND(ComposedLayerNorm);
WEFT_ON_EVERY_BACKEND(ComposedBatchNorm);

}  // namespace
}  // namespace weft::contract_test
