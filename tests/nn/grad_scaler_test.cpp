// GradScaler: the scale, the steps it skips, and that a float16 training with it reaches what float32 reaches.

#include <algorithm>
#include <cmath>
#include <limits>

#include <weft/weft.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

/// One weight w with loss = factor * w, so that its gradient is factor times the scale.
struct One {
  Tensor w = full({3}, 1.0, {cpu(), DType::float32}).requires_grad_();
  nn::SGD sgd{{w}, {.lr = 0.5, .momentum = 0.9}};

  bool step(nn::GradScaler& scaler, double factor) {
    sgd.zero_grad();
    scaler.scale((w * factor).sum()).backward();
    const bool stepped = scaler.step(sgd);
    scaler.update();
    return stepped;
  }
  float weight() const { return w.detach().to_vector<float>()[0]; }
};

TEST(GradScaler, StepsAreThoseWithoutIt) {
  for (const bool unscaled : {false, true}) {
    One plain, scaled;
    nn::GradScaler scaler({.init_scale = 1024});
    for (int i = 0; i < 4; ++i) {
      plain.sgd.zero_grad();
      (plain.w * 0.25).sum().backward();
      plain.sgd.step();
      scaled.sgd.zero_grad();
      scaler.scale((scaled.w * 0.25).sum()).backward();
      EXPECT_EQ(scaled.w.grad().to_vector<float>()[0], 256);
      if (unscaled) {
        scaler.unscale_(scaled.sgd);
        EXPECT_EQ(scaled.w.grad().to_vector<float>()[0], 0.25);
        nn::clip_grad_norm_({scaled.w}, 100);
      }
      EXPECT_TRUE(scaler.step(scaled.sgd));
      scaler.update();
    }
    EXPECT_TRUE(same_bytes(plain.w.detach(), scaled.w.detach()));  // powers of two: exact
  }
}

TEST(GradScaler, ClippingSeesTheGradientsThemselves) {
  One one;
  nn::GradScaler scaler({.init_scale = 4096});
  scaler.scale((one.w * 3.0).sum()).backward();
  scaler.unscale_(one.sgd);
  EXPECT_NEAR(nn::clip_grad_norm_({one.w}, 1.0).item(), 3 * std::sqrt(3.0), 1e-6);
  EXPECT_NEAR(one.w.grad().to_vector<float>()[0], 1 / std::sqrt(3.0), 1e-6);
}

TEST(GradScaler, AGradientThatIsNotFiniteSkipsTheStepAndHalvesTheScale) {
  for (const double bad : {inf, -inf, std::nan("")}) {
    for (const bool unscaled : {false, true}) {
      One one;
      nn::GradScaler scaler({.init_scale = 8});
      EXPECT_TRUE(one.step(scaler, 0.25));
      const float before = one.weight();
      const nn::OptimizerState state = one.sgd.state_dict();
      const std::vector<float> momentum = state.tensors[0].tensor.to_vector<float>();
      one.sgd.zero_grad();
      scaler.scale((one.w * 1.0).sum()).backward();
      one.w.set_grad(tensor({1.0, bad, 1.0}, {cpu(), DType::float32}));
      if (unscaled) scaler.unscale_(one.sgd);
      EXPECT_FALSE(scaler.step(one.sgd)) << bad;
      scaler.update();
      EXPECT_EQ(one.weight(), before);
      EXPECT_EQ(one.sgd.state_dict().tensors[0].tensor.to_vector<float>(), momentum);
      EXPECT_EQ(one.sgd.state_dict().steps, state.steps);
      EXPECT_EQ(scaler.get_scale(), 4);
      EXPECT_TRUE(one.step(scaler, 0.25)) << "and goes on";
    }
  }
}

TEST(GradScaler, GrowsAfterAnIntervalOfGoodSteps) {
  One one;
  nn::GradScaler scaler({.init_scale = 8, .growth_factor = 4, .backoff_factor = 0.25, .growth_interval = 3});
  std::vector<double> scales;
  for (const double factor : {1.0, 1.0, 1.0, 1.0, 1.0, inf, 1.0, 1.0, 1.0}) {
    one.step(scaler, factor);
    scales.push_back(scaler.get_scale());
  }
  EXPECT_EQ(scales, (std::vector<double>{8, 8, 32, 32, 32, 8, 8, 8, 32}));
}

TEST(GradScaler, TheScaleStaysWithinWhatFloat32Has) {
  One one;
  nn::GradScaler scaler({.init_scale = 0x1p127, .growth_interval = 1});
  EXPECT_TRUE(one.step(scaler, 1e-9));
  EXPECT_EQ(scaler.get_scale(), 0x1p127);
  for (int i = 0; i < 1500; ++i) one.step(scaler, inf);
  EXPECT_GT(scaler.get_scale(), 0);
}

TEST(GradScaler, SmallGradientsOfFloat16AreLostWithoutAndThereWithIt) {
  Tensor w = ones({2, 2}, {cpu(), DType::float32}).requires_grad_();
  const Tensor x = ones({2, 2}, {cpu(), DType::float32});
  const auto gradient = [&](double scale) {
    w.zero_grad();
    Tensor loss;
    {
      const Autocast on(DType::float16);
      loss = matmul(x, w).sum() * 1e-8;  // float16 ends at 6e-8
    }
    nn::GradScaler scaler({.init_scale = scale});
    scaler.scale(loss).backward();
    nn::SGD sgd({w}, {.lr = 1});
    scaler.unscale_(sgd);
    return w.grad().to_vector<float>()[0];
  };
  EXPECT_EQ(gradient(1), 0);
  EXPECT_NEAR(gradient(65536), 2e-8, 1e-11);
}

TEST(GradScaler, ALossOfSixteenBitsIsScaledInFloat32) {
  const nn::GradScaler scaler;  // 65536 is more than float16 has
  const Tensor scaled = scaler.scale(full({}, 2.0, {cpu(), DType::float16}));
  EXPECT_EQ(scaled.dtype(), DType::float32);
  EXPECT_EQ(scaled.item(), 131072);
}

TEST(GradScaler, SeveralOptimizersShareAScale) {
  One a, b;
  nn::GradScaler scaler({.init_scale = 8});
  scaler.scale((a.w * 1.0).sum() + (b.w * inf).sum()).backward();
  EXPECT_TRUE(scaler.step(a.sgd));
  EXPECT_FALSE(scaler.step(b.sgd));
  scaler.update();
  EXPECT_EQ(scaler.get_scale(), 4);
  EXPECT_EQ(b.weight(), 1);
}

TEST(GradScaler, CallsInAnotherOrderAreRefused) {
  One one;
  nn::GradScaler scaler;
  const auto refused = [](auto&& act, const char* words) {
    const std::string text = error_of<StateError>(act, ErrorCode::state_mismatch);
    EXPECT_NE(text.find(words), std::string::npos) << text;
  };
  refused([&] { scaler.update(); }, "nothing was stepped or unscaled");
  scaler.scale(one.w.sum()).backward();
  scaler.unscale_(one.sgd);
  refused([&] { scaler.unscale_(one.sgd); }, "called twice for one optimizer");
  scaler.step(one.sgd);
  refused([&] { scaler.step(one.sgd); }, "called twice for one optimizer");
  refused([&] { scaler.unscale_(one.sgd); }, "after step()");
  scaler.update();
  refused([&] { scaler.update(); }, "nothing was stepped or unscaled");
}

TEST(GradScaler, NumbersThatMeanNothingAreRefused) {
  const auto refused = [](nn::GradScalerOptions options, const char* words) {
    const std::string text =
        error_of<ValueError>([&] { nn::GradScaler scaler(options); }, ErrorCode::value_out_of_range);
    EXPECT_NE(text.find(words), std::string::npos) << text;
  };
  for (const double scale : {0.0, -1.0, inf, std::nan("")}) refused({.init_scale = scale}, "init_scale = ");
  for (const double factor : {1.0, 0.5, inf, std::nan("")}) refused({.growth_factor = factor}, "growth_factor = ");
  for (const double factor : {0.0, 1.0, 2.0, std::nan("")}) refused({.backoff_factor = factor}, "backoff_factor = ");
  refused({.growth_interval = 0}, "growth_interval = 0");
}

TEST(GradScaler, ACapturedStepIsRefusedByName) {
  One one;
  nn::GradScaler scaler;
  int calls = 0;
  const std::string text = error_of<StateError>(
      [&] {
        capture([&] {
          one.sgd.zero_grad();
          if (++calls == 1) return one.w.sum().backward();
          scaler.scale(one.w.sum()).backward();
        });
      },
      ErrorCode::read_only);
  EXPECT_NE(text.find("GradScaler::scale() inside a captured step"), std::string::npos) << text;
  EXPECT_NE(text.find("bfloat16"), std::string::npos) << text;
}

TEST(GradScaler, TheStateGoesOnWhereItWas) {
  One a, b;
  const nn::GradScalerOptions options = {.init_scale = 8, .growth_interval = 3};
  nn::GradScaler first(options);
  for (int i = 0; i < 2; ++i) a.step(first, 1);
  nn::GradScaler second;
  second.load_state_dict(first.state_dict());
  EXPECT_EQ(second.get_scale(), 8);
  b.step(second, 1);
  EXPECT_EQ(second.get_scale(), 16) << "the third good step, counted on";
  nn::GradScalerState broken = first.state_dict();
  broken.scale = 0;
  const std::string text = error_of<ValueError>([&] { second.load_state_dict(broken); }, ErrorCode::value_out_of_range);
  EXPECT_NE(text.find("scale = 0"), std::string::npos) << text;
  EXPECT_EQ(second.get_scale(), 16);
}

TEST(GradScaler, SwitchedOffItDoesNothing) {
  One one;
  nn::GradScaler scaler({.enabled = false});
  const Tensor loss = one.w.sum();
  EXPECT_TRUE(scaler.scale(loss).is_same(loss));
  EXPECT_EQ(scaler.get_scale(), 1);
  loss.backward();
  scaler.unscale_(one.sgd);
  EXPECT_TRUE(scaler.step(one.sgd));
  scaler.update();
  EXPECT_EQ(one.weight(), 0.5);
}

// ---- the whole of it: the same network, seed and batches in three precisions

enum class Precision { float32, bfloat16, float16 };

double accuracy_of(Precision precision, std::uint64_t seed) {
  manual_seed(seed);
  nn::Sequential model{nn::Linear(784, 64), nn::ReLU(), nn::Linear(64, 10)};
  nn::SGD sgd(model.parameters(), {.lr = 0.05, .momentum = 0.9});
  nn::GradScaler scaler({.enabled = precision == Precision::float16});
  const auto forward = [&](const Tensor& x) -> Tensor {
    if (precision == Precision::float32) return model(x);
    const Autocast on(precision == Precision::float16 ? DType::float16 : DType::bfloat16);
    return model(x);
  };
  DataLoader train(synthetic_digits(Split::train, 2000, seed),
                   {.batch_size = 64, .shuffle = true, .workers = 0, .seed = seed});
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (const Batch& b : train.epoch(epoch)) {
      sgd.zero_grad();
      scaler.scale(cross_entropy(forward(b.inputs.flatten(1)).to(DType::float32), b.targets)).backward();
      scaler.step(sgd);
      scaler.update();
    }
  }
  const NoGrad off;
  double right = 0, all = 0;
  DataLoader test(synthetic_digits(Split::test, 1000, seed), {.batch_size = 250, .shuffle = false, .workers = 0});
  for (const Batch& b : test.epoch(0)) {
    right += (argmax(forward(b.inputs.flatten(1)), 1) == b.targets).sum().item();
    all += static_cast<double>(b.targets.numel());
  }
  return 100 * right / all;
}

TEST(MixedPrecision, TrainsToTheAccuracyOfFloat32) {
  double mean[3] = {}, least[3] = {100, 100, 100}, most[3] = {};
  for (const Precision precision : {Precision::float32, Precision::bfloat16, Precision::float16}) {
    const int i = static_cast<int>(precision);
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      const double accuracy = accuracy_of(precision, seed);
      mean[i] += accuracy / 3;
      least[i] = std::min(least[i], accuracy);
      most[i] = std::max(most[i], accuracy);
    }
    std::printf("%s: %.2f %% of 1000 digits, %.1f to %.1f in 3 seeds\n",
                i == 0   ? "float32"
                : i == 1 ? "bfloat16"
                         : "float16",
                mean[i], least[i], most[i]);
  }
  EXPECT_GT(mean[0], 60) << "it has to learn";
  // A point is ten digits; seeds alone move it by more.
  EXPECT_NEAR(mean[1], mean[0], 1.0);
  EXPECT_NEAR(mean[2], mean[0], 1.0);
}

}  // namespace
}  // namespace weft::test
