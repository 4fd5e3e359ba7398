// Fifty captured steps are fifty eager ones: weights, optimiser states, losses, learning rates, draws, bit for bit.

#include "nn/nn_test.h"

#include <functional>
#include <memory>

#include <weft/backends/registry.h>
#include <weft/weft.h>

namespace weft::test {
namespace {

constexpr std::int64_t examples = 40, batch = 8, steps = 50;

struct Made {
  std::unique_ptr<nn::Optimizer> optimizer;
  std::unique_ptr<nn::Schedule> schedule;
};
using Make = std::function<Made(nn::Sequential&)>;

/// A network in training whose batches are chosen on the device.
class Training {
 public:
  Training(Device device, DType dtype, const Make& make) {
    model.to(device, dtype);
    made = make(model);
    images_ = randn({examples, 12}, {device, dtype}, generator_);
    labels_ = randint(0, 5, {examples}, {device, DType::int64}, generator_);
    order_ = arange(0, examples, 1, {device, DType::int64}).reshape({examples / batch, batch});
    cursor_ = zeros({1}, {device, DType::int64});
  }

  void step() {
    made.optimizer->zero_grad();
    const Tensor rows = index_select(order_, 0, cursor_).reshape({batch});
    const auto network = [this](const Tensor& x) { return dropout(model(x), 0.2, true, generator_); };
    const auto part = [&](const Tensor& x) {  // within a part: its draws are found again too
      return nested ? checkpoint(network, x, {.generators = {&generator_}}) : network(x);
    };
    const Tensor images = index_select(images_, 0, rows);
    const Tensor hidden = recomputed ? checkpoint(part, images, {.generators = {&generator_}}) : part(images);
    loss = cross_entropy(hidden, index_select(labels_, 0, rows));
    loss.backward();
    made.optimizer->step();
    made.schedule->step();
    cursor_.add_(1);
    cursor_.copy_(where(cursor_ < examples / batch, cursor_, 0));
  }

  /// Everything a further step depends on.
  std::string state() const {
    std::string all;
    for (const Tensor& p : model.parameters()) all += bytes_of(p);
    const nn::OptimizerState own = made.optimizer->state_dict();
    for (const NamedTensor& entry : own.tensors) all += entry.name + bytes_of(entry.tensor);
    for (const std::int64_t count : own.steps) all += ' ' + std::to_string(count);
    char text[128];
    std::snprintf(text, sizeof text, "hash %zx, lr %a, position %lld, draws %llu %llu", std::hash<std::string>()(all),
                  made.optimizer->lr(), static_cast<long long>(made.schedule->position()),
                  static_cast<unsigned long long>(generator_.draw()),
                  static_cast<unsigned long long>(default_generator().draw()));
    return text;
  }

  const bool seeded = (manual_seed(4), true);  // before the weights are drawn
  nn::Sequential model{nn::Linear(12, 16), nn::Tanh(), nn::Dropout(0.25), nn::Linear(16, 5)};
  Made made;
  Tensor loss;
  bool recomputed = false, nested = false;  // the activations, by checkpoint()

 private:
  Generator generator_{9};  // beside the default one, which nn::Dropout draws from
  Tensor images_, labels_, order_, cursor_;
};

template <class O, class Options>
Make with(Options options) {
  return [options](nn::Sequential& model) {
    Made made;
    made.optimizer = std::make_unique<O>(model.parameters(), options);
    made.schedule = std::make_unique<nn::WarmupCosine>(
        *made.optimizer, nn::WarmupCosineOptions{.base_lr = 0.05, .warmup_steps = 7, .total_steps = 40, .min_lr = 0});
    return made;
  };
}

const std::pair<const char*, Make> optimizers[] = {
    {"sgd", with<nn::SGD>(nn::SGDOptions{.lr = 0.05})},
    {"sgd momentum", with<nn::SGD>(nn::SGDOptions{.lr = 0.05, .momentum = 0.9, .dampening = 0.1})},
    {"sgd nesterov",
     with<nn::SGD>(nn::SGDOptions{.lr = 0.05, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true})},
    {"adam", with<nn::Adam>(nn::AdamOptions{.lr = 0.01, .weight_decay = 0.01})},
    {"adamw", with<nn::AdamW>(nn::AdamWOptions{.lr = 0.01})},
    {"rmsprop", with<nn::RMSprop>(nn::RMSpropOptions{.lr = 0.01, .momentum = 0.5})},
    {"step",
     [](nn::Sequential& model) {
       Made made;
       made.optimizer = std::make_unique<nn::SGD>(model.parameters(), nn::SGDOptions{.lr = 0.05});
       made.schedule = std::make_unique<nn::StepLR>(*made.optimizer, nn::StepLROptions{.step_size = 9, .gamma = 0.5});
       return made;
     }},
    {"one cycle, two groups",
     [](nn::Sequential& model) {
       Made made;
       const std::vector<Tensor> all = model.parameters();
       auto sgd = std::make_unique<nn::SGD>(std::vector<Tensor>{all[0], all[1]}, nn::SGDOptions{.lr = 0.1});
       sgd->add_param_group({{all[2], all[3]}, {.lr = 0.01, .momentum = 0.9}});
       made.optimizer = std::move(sgd);
       made.schedule =
           std::make_unique<nn::OneCycleLR>(*made.optimizer, nn::OneCycleLROptions{.max_lr = 0.1, .total_steps = 60});
       return made;
     }},
};

class CapturedTraining : public ::testing::TestWithParam<Device> {};

TEST_P(CapturedTraining, FiftyStepsHaveTheBitsOfEagerOnes) {
  for (const DType dtype : {DType::float32, DType::float64}) {
    for (const auto& [name, make] : optimizers) {
      SCOPED_TRACE(std::string(name) + ", " + weft::name(dtype));
      Training eager(GetParam(), dtype, make);
      std::vector<double> losses;
      std::vector<std::string> states;
      for (std::int64_t i = 0; i < steps; ++i) {
        eager.step();
        losses.push_back(eager.loss.item());
        if (i == 0 || i + 1 == steps) states.push_back(eager.state());
      }

      Training captured(GetParam(), dtype, make);
      CapturedStep step = capture([&] { captured.step(); });
      EXPECT_EQ(captured.state(), states[0]) << "after the executed step";
      for (std::int64_t i = 1; i < steps; ++i) {
        step.replay();
        ASSERT_EQ(captured.loss.item(), losses[static_cast<std::size_t>(i)]) << "step " << i;
      }
      EXPECT_EQ(captured.state(), states[1]);
    }
  }
}

TEST_P(CapturedTraining, ManyReplaysAtOnceAndEagerStepsBetweenThem) {
  const Make make = optimizers[3].second;
  Training eager(GetParam(), DType::float32, make);
  for (int i = 0; i < 20; ++i) eager.step();
  const std::string expected = eager.state();
  Training again(GetParam(), DType::float32, make);
  CapturedStep step = capture([&] { again.step(); });
  step.replay(10);
  again.step();
  step.replay(8);
  EXPECT_EQ(again.state(), expected);
}

TEST_P(CapturedTraining, RecomputedActivationsSeeTheDrawsOfTheirFirstCall) {
  const Make make = optimizers[1].second;
  Training plain(GetParam(), DType::float32, make);
  for (int i = 0; i < 10; ++i) plain.step();
  for (const bool nested : {false, true}) {
    Training again(GetParam(), DType::float32, make);
    again.recomputed = true;
    again.nested = nested;
    CapturedStep step = capture([&] { again.step(); });
    step.replay(9);
    EXPECT_EQ(again.state(), plain.state()) << "nested: " << nested;
  }
}

TEST_P(CapturedTraining, APartIsNotRecomputedInAnotherStep) {
  const TensorOptions device{GetParam()};
  const Tensor x = ones({4}, device).requires_grad_();
  const Tensor y = checkpoint([](const Tensor& v) { return dropout(v * v, 0.5).exp(); }, x).sum();
  error_of<StateError>([&] { capture([&] { grad({y}, {x}, {}, true); }); }, ErrorCode::read_only);
}

TEST_P(CapturedTraining, TheLearningRateMayBeSetBetweenReplays) {
  const auto run = [&](bool capturing) {
    manual_seed(6);
    const Tensor w = randn({3, 3}, {GetParam(), DType::float64}).requires_grad_();
    nn::SGD sgd({w}, {.lr = 0.1, .momentum = 0.5});
    const auto once = [&] {
      sgd.zero_grad();
      (w * w).sum().backward();
      sgd.step();
    };
    std::function<void()> next = once;
    std::shared_ptr<CapturedStep> step;
    if (capturing) {
      step = std::make_shared<CapturedStep>(capture(once));
      next = [step] { step->replay(); };
    } else {
      once();
    }
    for (int i = 0; i < 5; ++i) {
      next();
      sgd.set_lr(0.1 / (i + 2));
    }
    return bytes_of(w);
  };
  EXPECT_EQ(run(true), run(false));
}

TEST_P(CapturedTraining, GradientsOverSeveralBackwardsOfAStep) {
  const auto run = [&](bool capturing) {
    manual_seed(6);
    const Tensor w = randn({3, 3}, {GetParam(), DType::float64}).requires_grad_();
    const Tensor a = randn({3}, {GetParam(), DType::float64}), b = randn({3}, {GetParam(), DType::float64});
    nn::AdamW adam({w}, {.lr = 0.1});
    const auto once = [&] {
      adam.zero_grad();
      (matmul(w, a) * a).sum().backward();
      (matmul(w, b) * matmul(w, b)).sum().backward();
      adam.step();
      adam.step();  // twice a step: counts by two
    };
    if (capturing) {
      CapturedStep step = capture(once);
      step.replay(6);
    } else {
      for (int i = 0; i < 7; ++i) once();
    }
    return bytes_of(w) + std::to_string(adam.state_dict().steps[0]);
  };
  EXPECT_EQ(run(true), run(false));
}

TEST_P(CapturedTraining, WhatWouldGoWrongSilentlyIsRefused) {
  const Tensor w = ones({3}, {GetParam(), DType::float32}).requires_grad_();
  const Tensor late = ones({3}, {GetParam(), DType::float32}).requires_grad_();
  nn::SGD sgd({w, late}, {.lr = 0.1, .momentum = 0.9});
  int calls = 0;
  const std::string fresh = error_of<StateError>(
      [&] {
        capture([&] {
          sgd.zero_grad();
          (++calls == 1 ? w.sum() : (w * late).sum()).backward();
          sgd.step();
        });
      },
      ErrorCode::read_only);
  EXPECT_NE(fresh.find("step it once before capturing"), std::string::npos) << fresh;
  EXPECT_EQ(sgd.state_dict().steps, (std::vector<std::int64_t>{1, 0}));

  const Tensor kept = ones({3}, {GetParam(), DType::float32}).requires_grad_();
  kept.sum().backward();
  const Tensor holder = kept.grad();  // somebody else holds the gradient: it cannot be added to in place
  const std::string grad = error_of<StateError>(
      [&] {
        capture([&] {
          const Tensor other = kept.grad();
          kept.sum().backward();
        });
      },
      ErrorCode::read_only);
  EXPECT_NE(grad.find("zero_grad()"), std::string::npos) << grad;
}

INSTANTIATE_TEST_SUITE_P(Devices, CapturedTraining, ::testing::ValuesIn(devices_here()),
                         [](const auto& test) { return std::string(name(test.param.kind)); });

}  // namespace
}  // namespace weft::test
