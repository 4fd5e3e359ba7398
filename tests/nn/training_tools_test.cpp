// Clipping, averages of parameters, metrics, early stopping.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/nn/checkpoint.h>
#include <weft/nn/clip.h>
#include <weft/nn/early_stopping.h>
#include <weft/nn/ema.h>
#include <weft/nn/init.h>
#include <weft/nn/linear.h>
#include <weft/nn/metrics.h>
#include <weft/nn/optim.h>
#include <weft/nn/sequential.h>
#include <weft/tensor/capture.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor with_grad(const std::vector<double>& gradient, Device device = cpu(), DType dtype = DType::float64) {
  const auto n = static_cast<std::int64_t>(gradient.size());
  Tensor p = zeros({n}, {device, dtype}).requires_grad_();
  p.set_grad(from_vector(gradient, {n}, device).to(dtype));
  return p;
}

std::vector<double> grad_of(const Tensor& p) { return p.grad().to(DType::float64).to_vector<double>(); }

// ---- clipping

TEST(ClipGradNorm, ScalesAllTogetherAndReturnsTheNorm) {
  Tensor a = with_grad({3, 0}), b = with_grad({4}), none = zeros({2}).requires_grad_();
  const Tensor norm = nn::clip_grad_norm_({a, none, b}, 2.5);
  EXPECT_EQ(norm.shape(), Shape());
  EXPECT_EQ(norm.item<double>(), 5);
  const double factor = 2.5 / (5 + 1e-6);
  EXPECT_EQ(grad_of(a), (std::vector<double>{3 * factor, 0}));
  EXPECT_EQ(grad_of(b), (std::vector<double>{4 * factor}));
  // Below the bound nothing changes, to the bit.
  const std::vector<double> before = grad_of(a);
  nn::clip_grad_norm_({a, b}, 100);
  EXPECT_EQ(grad_of(a), before);
  EXPECT_EQ(nn::clip_grad_norm_({none}, 1).item(), 0);
}

TEST(ClipGradNorm, TheLargestElement) {
  Tensor a = with_grad({-6, 2}), b = with_grad({4});
  EXPECT_EQ(nn::clip_grad_norm_({a, b}, 3, infinity).item(), 6);
  EXPECT_NEAR(grad_of(a)[0], -3, 1e-6);
  EXPECT_NEAR(grad_of(b)[0], 2, 1e-6);
}

TEST(ClipGradNorm, MixesDTypesAndDevices) {
  for (const double type : {2.0, infinity}) {
    Tensor a = with_grad({30}), b = with_grad({40}, serial(), DType::float32),
           c = with_grad({0}, cpu(), DType::bfloat16);
    const Tensor norm = nn::clip_grad_norm_({a, b, c}, 1, type);
    EXPECT_EQ(norm.item(), type == 2 ? 50 : 40);
    EXPECT_EQ(norm.device(), cpu());
    EXPECT_NEAR(grad_of(a)[0], 30 / norm.item(), 1e-6);
    EXPECT_NEAR(grad_of(b)[0], 40 / norm.item(), 1e-6);
    EXPECT_EQ(b.grad().dtype(), DType::float32);
    EXPECT_EQ(b.grad().device(), serial());
  }
}

TEST(ClipGradNorm, GradientsMayBeAnyViews) {
  Tensor p = zeros({2, 3}).requires_grad_(), q = zeros({2, 2}).requires_grad_();
  p.set_grad(ones({3, 2}).t());
  q.set_grad(full({}, 0.5).expand({2, 2}));  // one number in memory
  EXPECT_DOUBLE_EQ(nn::clip_grad_norm_({p, q}, 1).item(), std::sqrt(7.0));
  EXPECT_NEAR(p.grad().to_vector<float>()[5], 1 / std::sqrt(7.0), 1e-6);
  EXPECT_NEAR(q.grad().to_vector<float>()[3], 0.5 / std::sqrt(7.0), 1e-6);
  nn::clip_grad_value_({p, q}, 0.25);
  EXPECT_EQ(q.grad().to_vector<float>()[2], 0.5f / std::sqrt(7.0f) > 0.25f ? 0.25f : q.grad().to_vector<float>()[2]);
  EXPECT_EQ(p.grad().to_vector<float>()[0], 0.25f);
}

TEST(ClipGradNorm, WhatIsNotFinite) {
  Tensor a = with_grad({1, infinity}), b = with_grad({nan});
  const std::string what =
      error_of<ValueError>([&] { nn::clip_grad_norm_({a}, 1, 2, true); }, ErrorCode::value_out_of_range);
  EXPECT_NE(what.find("norm of the gradients is inf"), std::string::npos) << what;
  EXPECT_EQ(grad_of(a)[0], 1);
  EXPECT_EQ(nn::clip_grad_norm_({a}, 1).item(), infinity);  // as PyTorch: 1 / inf is 0, inf times 0 is NaN
  EXPECT_EQ(grad_of(a)[0], 0);
  EXPECT_TRUE(std::isnan(grad_of(a)[1]));
  EXPECT_TRUE(std::isnan(nn::clip_grad_norm_({b}, 1).item()));
  error_of<ValueError>([&] { nn::clip_grad_norm_({b}, 1, 2, true); }, ErrorCode::value_out_of_range);
}

TEST(ClipGrad, RefusesItsArguments) {
  Tensor a = with_grad({1});
  for (const double bad : {nan, infinity, -infinity, 0.0, -1.0}) {
    error_of<ValueError>([&] { nn::clip_grad_norm_({a}, bad); }, ErrorCode::value_out_of_range);
    error_of<ValueError>([&] { nn::clip_grad_value_({a}, bad); }, ErrorCode::value_out_of_range);
  }
  for (const double bad : {0.0, 3.0, -2.0, -infinity, nan}) {
    error_of<ValueError>([&] { nn::clip_grad_norm_({a}, 1, bad); }, ErrorCode::value_out_of_range);
  }
  error_of<StateError>([&] { nn::clip_grad_norm_({a, Tensor()}, 1); }, ErrorCode::tensor_undefined);
  EXPECT_EQ(grad_of(a), std::vector<double>{1});
}

TEST(ClipGradValue, Clamps) {
  Tensor a = with_grad({-3, -0.5, 0, 0.25, 7, nan, infinity});
  nn::clip_grad_value_({a, zeros({2}).requires_grad_()}, 0.5);
  const std::vector<double> now = grad_of(a);
  const std::vector<double> expected = {-0.5, -0.5, 0, 0.25, 0.5, nan, 0.5};
  for (std::size_t i = 0; i < now.size(); ++i) {
    EXPECT_TRUE(now[i] == expected[i] || (std::isnan(now[i]) && std::isnan(expected[i]))) << i;
  }
}

// ---- EMA

Tensor average_of(const nn::EMA& ema) { return nn::find(ema.state_dict().tensors, "fc.weight"); }

struct Counting : nn::Module {
  nn::Ptr<nn::Linear> fc = register_module("fc", nn::Linear(2, 2, false, {cpu(), DType::float64}));
  Tensor count = register_buffer("count", zeros({}, DType::int64));
  Tensor mean = register_buffer("mean", zeros({2}));
};

TEST(EMA, FollowsItsFormula) {
  Counting model;
  nn::EMA ema(model, 0.9);
  double average = 0;
  for (int step = 1; step <= 5; ++step) {
    model.fc->weight.mutable_data<double>()[0] = step * step;
    model.count.add_(1);
    ema.update();
    average = step == 1 ? 1 : average + 0.1 * (step * step - average);
  }
  EXPECT_EQ(ema.updates(), 5);
  const std::string own = bytes_of(model.fc->weight);
  ema.apply();
  EXPECT_TRUE(ema.applied());
  EXPECT_DOUBLE_EQ(model.fc->weight.to_vector<double>()[0], average);
  EXPECT_EQ(model.count.item(), 5);
  EXPECT_TRUE(model.fc->weight.requires_grad());
  error_of<StateError>([&] { ema.apply(); }, ErrorCode::state_mismatch);
  error_of<StateError>([&] { ema.update(); }, ErrorCode::state_mismatch);
  ema.restore();
  EXPECT_EQ(bytes_of(model.fc->weight), own);
  error_of<StateError>([&] { ema.restore(); }, ErrorCode::state_mismatch);
}

TEST(EMA, BuffersAreCopiedAndSixteenBitsAveragedInThirtyTwo) {
  nn::Linear model(1, 1, false, {cpu(), DType::bfloat16});
  nn::init::constant_(model.weight, 1);
  nn::EMA ema(model, 0.999);
  ema.update();
  nn::init::constant_(model.weight, 2);
  for (int i = 0; i < 100; ++i) ema.update();
  const Tensor average = ema.state_dict().tensors[0].tensor;
  EXPECT_EQ(average.dtype(), DType::float32);
  EXPECT_NEAR(average.item(), 2 - std::pow(0.999, 100), 1e-5);  // in bfloat16 it would not have moved
  ema.apply();
  EXPECT_EQ(model.weight.dtype(), DType::bfloat16);
  ema.restore();
  EXPECT_EQ(model.weight.item(), 2);
}

TEST(EMA, TheModelMayMove) {
  Counting model;
  nn::EMA ema(model, 0.5);
  ema.update();
  const std::string before = bytes_of(model.fc->weight);
  ema.apply();
  model.to(serial(), DType::float32);
  ema.restore();
  EXPECT_EQ(model.fc->weight.dtype(), DType::float32);
  ema.update();
  EXPECT_EQ(average_of(ema).device(), serial());
  model.to(cpu(), DType::float64);
  ema.update();
}

TEST(EMA, StateRoundTripAndMismatch) {
  Counting a, b;
  nn::EMA one(a, 0.9), two(b, 0.9), other(b, 0.8);
  for (int i = 0; i < 3; ++i) {
    a.fc->weight.mutable_data<double>()[0] = i;
    one.update();
  }
  const nn::EMAState state = one.state_dict();
  EXPECT_EQ(state.tensors.size(), 3u);
  two.load_state_dict(state);
  EXPECT_EQ(two.updates(), 3);
  EXPECT_TRUE(same_bytes(average_of(two), average_of(one)));
  EXPECT_FALSE(average_of(two).is_same(average_of(one)));
  const std::string what = error_of<StateError>([&] { other.load_state_dict(state); }, ErrorCode::state_mismatch);
  EXPECT_NE(what.find("decay: 0.8 expected, 0.9 given"), std::string::npos) << what;
  nn::Linear small(2, 2, false);
  nn::EMA third(small, 0.9);
  error_of<StateError>([&] { third.load_state_dict(state); }, ErrorCode::state_mismatch);
  for (const double bad : {-0.1, 1.0, nan}) {
    error_of<ValueError>([&] { nn::EMA(small, bad); }, ErrorCode::value_out_of_range);
  }
  nn::Sequential grown{nn::Linear(2, 2)};
  nn::EMA stale(grown, 0.9);
  grown.replace_module("0", nn::Linear(2, 2));
  const std::string replaced = error_of<StateError>([&] { stale.update(); }, ErrorCode::state_mismatch);
  EXPECT_NE(replaced.find("0.weight"), std::string::npos) << replaced;
}

TEST(EMA, IsPartOfACheckpoint) {
  const std::string path = ::testing::TempDir() + "weft_ema_checkpoint.safetensors";
  Counting a, b;
  nn::EMA one(a, 0.9), two(b, 0.9);
  for (int i = 0; i < 3; ++i) {
    a.fc->weight.mutable_data<double>()[0] = i;
    one.update();
  }
  nn::save_checkpoint(path, {.model = &a, .ema = &one});
  nn::load_checkpoint(path, {.model = &b, .ema = &two});
  EXPECT_EQ(two.updates(), 3);
  one.update();
  two.update();
  EXPECT_TRUE(same_bytes(average_of(two), average_of(one)));
  nn::EMA other(b, 0.5);
  const std::string what =
      error_of<StateError>([&] { nn::load_checkpoint(path, {.model = &b, .ema = &other}); }, ErrorCode::state_mismatch);
  EXPECT_NE(what.find("ema decay: 0.5 expected, 0.9 given"), std::string::npos) << what;
  one.apply();
  error_of<StateError>([&] { nn::save_checkpoint(path, {.model = &a, .ema = &one}); }, ErrorCode::state_mismatch);
  one.restore();
  nn::save_checkpoint(path, {.model = &a});
  const std::string absent =
      error_of<StateError>([&] { nn::load_checkpoint(path, {.model = &b, .ema = &two}); }, ErrorCode::state_mismatch);
  EXPECT_NE(absent.find("ema: not in the checkpoint"), std::string::npos) << absent;
}

// ---- metrics

Tensor classes(const std::vector<std::int64_t>& values) {
  return from_vector(values, {static_cast<std::int64_t>(values.size())});
}

TEST(Metrics, Accuracy) {
  const Tensor scores = from_vector<float>({1, 5, 2, 9, 0, 0, 3, 3, 1}, {3, 3});
  EXPECT_DOUBLE_EQ(nn::accuracy(scores, classes({1, 0, 0})).item<double>(), 1);
  EXPECT_DOUBLE_EQ(nn::accuracy(scores, classes({1, 2, 1})).item<double>(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(nn::accuracy(scores, classes({1, 0, 0}).to(DType::int32)).item(), 1);
  EXPECT_DOUBLE_EQ(nn::accuracy(scores.to(DType::float16), classes({7, -1, 0})).item(), 1.0 / 3);
}

TEST(Metrics, TopKIsTheDefinition) {
  Generator generator(6);
  const std::int64_t rows = 40, count = 7;
  Tensor scores = randint(0, 4, {rows, count}, DType::int64, generator).to(DType::float64);  // many ties
  for (const std::int64_t i : {3, 11, 40, 41, 100}) scores.mutable_data<double>()[i] = nan;
  const Tensor labels = randint(0, count, {rows}, DType::int64, generator);
  const std::vector<double> s = scores.to_vector<double>();
  const std::vector<std::int64_t> l = labels.to_vector<std::int64_t>();
  for (const Device device : {cpu(), serial()}) {
    for (std::int64_t k = 1; k <= count; ++k) {
      std::int64_t hits = 0;
      for (std::int64_t i = 0; i < rows; ++i) {
        const auto at = [&](std::int64_t j) { return s[static_cast<std::size_t>(i * count + j)]; };
        const std::int64_t own = l[static_cast<std::size_t>(i)];
        std::int64_t ahead = 0;
        for (std::int64_t j = 0; j < count; ++j) {
          const bool equal = at(j) == at(own) || (std::isnan(at(j)) && std::isnan(at(own)));
          const bool larger = at(j) > at(own) || (std::isnan(at(j)) && !std::isnan(at(own)));
          ahead += larger || (equal && j < own) ? 1 : 0;
        }
        hits += ahead < k ? 1 : 0;
      }
      EXPECT_DOUBLE_EQ(nn::top_k_accuracy(scores.to(device), labels.to(device), k).item(),
                       static_cast<double>(hits) / static_cast<double>(rows));
    }
    EXPECT_DOUBLE_EQ(nn::top_k_accuracy(scores.to(device), labels.to(device), 1).item(),
                     nn::accuracy(scores.to(device), labels.to(device)).item());
  }
  EXPECT_EQ(nn::top_k_accuracy(ones({2, 3}), classes({3, -1}), 3).item(), 0);  // no such classes
}

TEST(Metrics, ConfusionMatrixAddsUp) {
  Tensor matrix = nn::confusion_matrix(classes({0, 1, 1, 2}), classes({0, 0, 1, 1}), 3);
  matrix += nn::confusion_matrix(classes({2}), classes({2}).to(DType::int32), 3);
  matrix += nn::confusion_matrix(classes({}), classes({}), 3);
  EXPECT_EQ(matrix.dtype(), DType::int64);
  EXPECT_EQ(matrix.to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, 1, 0, 0, 1, 1, 0, 0, 1}));
  error_of<IndexError>([] { nn::confusion_matrix(classes({3}), classes({0}), 3); }, ErrorCode::index_out_of_range);
  error_of<IndexError>([] { nn::confusion_matrix(classes({0}), classes({-1}), 3); }, ErrorCode::index_out_of_range);
}

TEST(Metrics, RunningMeanWeighsItsBatches) {
  nn::RunningMean mean;
  EXPECT_TRUE(std::isnan(mean.mean()));
  mean.add(2.0, 3);
  mean.add(full({1}, 6.0), 1);
  mean.add(full({}, 1.0, serial()), 4);
  EXPECT_DOUBLE_EQ(mean.mean(), (6.0 + 6 + 4) / 8);
  EXPECT_EQ(mean.weight(), 8);
  mean.reset();
  EXPECT_TRUE(std::isnan(mean.mean()));
  error_of<ValueError>([&] { mean.add(1.0, -1); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { mean.add(1.0, nan); }, ErrorCode::value_out_of_range);
  error_of<ShapeError>([&] { mean.add(ones({2})); }, ErrorCode::shape_mismatch);
}

TEST(Metrics, RefuseWhatDoesNotFit) {
  const Tensor scores = ones({2, 3});
  error_of<ShapeError>([&] { nn::accuracy(scores, classes({1})); }, ErrorCode::shape_mismatch);
  error_of<ShapeError>([&] { nn::accuracy(scores, ones({2, 1}).to(DType::int64)); }, ErrorCode::rank_unsupported);
  error_of<DTypeError>([&] { nn::accuracy(scores, ones({2})); }, ErrorCode::dtype_unsupported);
  error_of<DTypeError>([&] { nn::accuracy(scores.to(DType::int64), classes({1, 1})); }, ErrorCode::dtype_unsupported);
  error_of<DeviceError>([&] { nn::accuracy(scores, classes({1, 1}).to(serial())); }, ErrorCode::device_mismatch);
  error_of<ValueError>([&] { nn::accuracy(ones({0, 3}), classes({})); }, ErrorCode::value_invalid);
  error_of<ValueError>([&] { nn::top_k_accuracy(scores, classes({1, 1}), 0); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::top_k_accuracy(scores, classes({1, 1}), 4); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::confusion_matrix(classes({}), classes({}), 0); }, ErrorCode::value_out_of_range);
  error_of<ShapeError>([&] { nn::confusion_matrix(classes({1}), classes({1, 2}), 3); }, ErrorCode::shape_mismatch);
  error_of<StateError>([&] { nn::accuracy(Tensor(), classes({1})); }, ErrorCode::tensor_undefined);
}

// ---- all of it in a captured step

TEST(TrainingTools, ACapturedStepIsAnEagerOne) {
  struct Step {
    explicit Step(Device device) : model(3, 2, true, {device, DType::float64}, generator) {
      x = randn({4, 3}, {device, DType::float64}, generator);
      labels = randint(0, 2, {4}, {device, DType::int64}, generator);
    }
    void operator()() {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(model(x), labels);
      loss.backward();
      nn::clip_grad_norm_(model.parameters(), 0.01);
      optimizer.step();
      ema.update();
      mean.add(loss, 4);
    }
    Generator generator{3};
    nn::Linear model;
    nn::AdamW optimizer{model.parameters(), {.lr = 0.05}};
    nn::EMA ema{model, 0.8};
    nn::RunningMean mean;
    Tensor x, labels;
  };
  for (const Device device : {serial(), cpu()}) {
    Step eager(device), captured(device);
    for (int i = 0; i < 7; ++i) eager();
    CapturedStep step = capture([&] { captured(); });
    step.replay(6);
    EXPECT_EQ(captured.ema.updates(), 7);
    EXPECT_EQ(captured.mean.weight(), 28);
    EXPECT_EQ(captured.mean.mean(), eager.mean.mean());
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(same_bytes(captured.model.parameters()[i], eager.model.parameters()[i]));
      EXPECT_TRUE(same_bytes(captured.ema.state_dict().tensors[i].tensor, eager.ema.state_dict().tensors[i].tensor));
    }
  }
}

// ---- early stopping

TEST(EarlyStopping, StopsAfterPatienceAndRestoresTheBest) {
  nn::Linear model(1, 1, false);
  nn::EarlyStopping stopping(model, {.patience = 2, .min_delta = 0.1});
  error_of<StateError>([&] { stopping.restore_best(); }, ErrorCode::state_mismatch);
  const std::vector<double> losses = {nan, 1.0, 0.95, 0.8, 0.75, nan};
  const std::vector<bool> stops = {false, false, false, false, false, true};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    nn::init::constant_(model.weight, static_cast<double>(i));
    EXPECT_EQ(stopping.step(losses[i]), stops[i]) << i;
  }
  EXPECT_TRUE(stopping.stopped());
  EXPECT_EQ(stopping.best(), 0.8);
  EXPECT_EQ(stopping.best_step(), 3);
  EXPECT_EQ(stopping.waited(), 2);
  stopping.restore_best();
  EXPECT_EQ(model.weight.item(), 3);
  EXPECT_TRUE(model.weight.requires_grad());
}

TEST(EarlyStopping, MoreMayBeBetter) {
  nn::Linear model(1, 1);
  nn::EarlyStopping stopping(model, {.patience = 1, .mode = nn::EarlyStopping::Mode::max});
  EXPECT_FALSE(stopping.step(0.5));
  EXPECT_FALSE(stopping.step(0.6));
  EXPECT_TRUE(stopping.step(0.6));
  EXPECT_FALSE(stopping.step(0.7));  // a program may go on all the same
  error_of<ValueError>([&] { nn::EarlyStopping(model, {.patience = 0}); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::EarlyStopping(model, {.min_delta = -1}); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::EarlyStopping(model, {.min_delta = nan}); }, ErrorCode::value_out_of_range);
}

}  // namespace
}  // namespace weft::test
