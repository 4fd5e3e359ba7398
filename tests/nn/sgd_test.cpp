#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/nn/init.h>
#include <weft/nn/linear.h>
#include <weft/nn/optim.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

/// The documented update of torch.optim.SGD for one number, written out.
struct Reference {
  nn::SGDOptions options;
  double p = 0, buffer = 0;
  bool started = false;

  void step(double grad) {
    double g = grad + options.weight_decay * p;
    if (options.momentum != 0) {
      buffer = started ? options.momentum * buffer + (1 - options.dampening) * g : g;
      started = true;
      g = options.nesterov ? g + options.momentum * buffer : buffer;
    }
    p -= options.lr * g;
  }
};

class SgdFormula : public ::testing::TestWithParam<nn::SGDOptions> {};

// Ten steps on a hundred numbers, the second tensor without a gradient in steps 0 to 2 and 5: its momentum starts late
// and rests, as PyTorch's does.
TEST_P(SgdFormula, IsPyTorchs) {
  for (const DType dtype : {DType::float64, DType::float32}) {
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    const auto draw = [&] { return static_cast<double>(static_cast<float>(normal(random))); };
    std::vector<Reference> a(60), b(40);
    std::vector<double> start_a, start_b;
    for (Reference& r : a) start_a.push_back(r.p = draw());
    for (Reference& r : b) start_b.push_back(r.p = draw());
    for (Reference& r : a) r.options = GetParam();
    for (Reference& r : b) r.options = GetParam();
    Tensor pa = from_vector(start_a, {6, 10}, serial()).to(dtype).requires_grad_();
    Tensor pb = from_vector(start_b, {40}, serial()).to(dtype).requires_grad_();
    nn::SGD optimizer({pa, pb}, GetParam());
    for (int step = 0; step < 10; ++step) {
      optimizer.zero_grad();
      std::vector<double> ga, gb;
      for (Reference& r : a) r.step(ga.emplace_back(draw()));
      pa.set_grad(from_vector(ga, {6, 10}, serial()).to(dtype));
      if (step > 2 && step != 5) {
        for (Reference& r : b) r.step(gb.emplace_back(draw()));
        pb.set_grad(from_vector(gb, {40}, serial()).to(dtype));
      }
      optimizer.step();
      const double tolerance = dtype == DType::float64 ? 1e-14 : 4e-6;
      const std::vector<double> now_a = pa.to(DType::float64).to_vector<double>();
      const std::vector<double> now_b = pb.to(DType::float64).to_vector<double>();
      for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(now_a[i], a[i].p, tolerance) << step;
      for (std::size_t i = 0; i < b.size(); ++i) ASSERT_NEAR(now_b[i], b[i].p, tolerance) << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Options, SgdFormula,
    ::testing::Values(nn::SGDOptions{.lr = 0.1}, nn::SGDOptions{.lr = 0.1, .weight_decay = 0.01},
                      nn::SGDOptions{.lr = 0.1, .momentum = 0.9},
                      nn::SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05},
                      nn::SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.3},
                      nn::SGDOptions{.lr = 0.1, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.1},
                      nn::SGDOptions{.lr = 0.1, .momentum = 0.9, .nesterov = true},
                      nn::SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true}));

// The worked example of PyTorch's documentation of momentum: v = mu v + g, p = p - lr v (not mu v + lr g).
TEST(Sgd, TheLearningRateIsOutsideTheMomentum) {
  Tensor p = tensor({1}, {serial(), DType::float64}).requires_grad_();
  nn::SGD optimizer({p}, {.lr = 0.5, .momentum = 0.5});
  p.set_grad(tensor({1}, {serial(), DType::float64}));
  optimizer.step();
  EXPECT_EQ(p.item(), 0.5);
  optimizer.set_lr(0.25);
  optimizer.step();
  EXPECT_EQ(p.item(), 0.5 - 0.25 * 1.5);
}

TEST(Sgd, WritesInPlaceAndRaisesVersions) {
  Tensor p = ones({3}, serial()).requires_grad_();
  Tensor untouched = ones({3}, serial()).requires_grad_();
  nn::SGD optimizer({p, untouched}, {.lr = 1});
  sum(p * 2).backward();
  const std::uint64_t version = p.version(), other = untouched.version();
  optimizer.step();
  EXPECT_GT(p.version(), version);
  EXPECT_EQ(untouched.version(), other);
  EXPECT_TRUE(p.is_leaf());
  EXPECT_EQ(p.to_vector<float>(), std::vector<float>(3, -1.0f));
  EXPECT_EQ(untouched.to_vector<float>(), std::vector<float>(3, 1.0f));
  optimizer.zero_grad();
  EXPECT_FALSE(p.grad().defined());
}

TEST(Sgd, AStepBetweenForwardAndBackwardIsNoticed) {
  Tensor p = ones({3}, serial()).requires_grad_();
  nn::SGD optimizer({p}, {.lr = 1});
  const Tensor loss = sum(p * p);
  p.set_grad(ones({3}, serial()));
  optimizer.step();
  EXPECT_THROW(loss.backward(), AutogradError);
}

TEST(Sgd, GradientsNeedNotBeContiguousAndEmptyParametersPass) {
  Tensor p = zeros({2, 3}, serial()).requires_grad_();
  Tensor none = zeros({0, 4}, serial()).requires_grad_();
  p.set_grad(arange(0, 6, 1, serial()).reshape({3, 2}).t());
  none.set_grad(zeros({0, 4}, serial()));
  nn::SGD optimizer({p, none}, {.lr = 1, .momentum = 0.5});
  optimizer.step();
  EXPECT_EQ(p.to_vector<float>(), (std::vector<float>{0, -2, -4, -1, -3, -5}));
}

TEST(Sgd, MixesDTypesAndDevices) {
  Tensor a = ones({2}, {serial(), DType::float64}).requires_grad_();
  Tensor b = ones({2}, {serial(), DType::float32}).requires_grad_();
  Tensor c = ones({2}, cpu()).requires_grad_();
  nn::SGD optimizer({a, b, c}, {.lr = 0.5, .momentum = 0.9});
  for (Tensor* p : {&a, &b, &c}) p->set_grad(ones_like(*p));
  optimizer.step();
  for (Tensor* p : {&a, &b, &c}) EXPECT_EQ(p->to(DType::float64).to_vector<double>(), (std::vector<double>{0.5, 0.5}));
}

TEST(Sgd, ParametersMayMoveBetweenSteps) {
  nn::Linear layer(2, 2, false);
  nn::init::constant_(layer.weight, 1);
  nn::SGD optimizer(layer.parameters(), {.lr = 1, .momentum = 0.5});
  layer.weight.set_grad(ones({2, 2}));
  optimizer.step();
  layer.to(serial(), DType::float64);
  layer.weight.set_grad(ones({2, 2}, {serial(), DType::float64}));
  optimizer.step();
  EXPECT_EQ(layer.weight.to_vector<double>(), std::vector<double>(4, 1 - 1 - 1.5));
  const Tensor momentum = optimizer.state_dict().tensors[0].tensor;  // it has moved along
  EXPECT_EQ(momentum.device(), serial());
  EXPECT_EQ(momentum.dtype(), DType::float64);
}

TEST(Sgd, StateDictRoundTrip) {
  const auto make = [](Tensor& a, Tensor& b) {
    a = arange(0, 4, 1, serial()).requires_grad_();
    b = ones({2}, serial()).requires_grad_();
    return nn::SGD({a, b}, {.lr = 0.1, .momentum = 0.9});
  };
  const auto train = [](nn::SGD& optimizer, Tensor& a, int steps) {
    for (int i = 0; i < steps; ++i) {
      a.set_grad(a.detach() * 0.5);
      optimizer.step();
    }
  };
  Tensor a, b, c, d;
  nn::SGD one = make(a, b), two = make(c, d);
  train(one, a, 3);
  one.set_lr(0.05);
  const nn::OptimizerState state = one.state_dict();
  EXPECT_EQ(state.type, "SGD");
  EXPECT_EQ(state.steps, (std::vector<std::int64_t>{3, 0}));
  ASSERT_EQ(state.tensors.size(), 1u);
  EXPECT_EQ(state.tensors[0].name, "0.momentum_buffer");
  two.load_state_dict(state);
  EXPECT_EQ(two.lr(), 0.05);
  {
    const NoGrad off;
    c.copy_(a);
  }
  train(one, a, 2);
  train(two, c, 2);
  EXPECT_TRUE(same_bytes(a, c));
  EXPECT_FALSE(two.state_dict().tensors[0].tensor.is_same(one.state_dict().tensors[0].tensor));
}

TEST(Sgd, LoadRefusesWhatDoesNotFitAndListsIt) {
  Tensor p = ones({2}, serial()).requires_grad_(), q = ones({3}, serial()).requires_grad_();
  nn::SGD optimizer({p, q}, {.lr = 0.1, .momentum = 0.9});
  p.set_grad(ones({2}, serial()));
  optimizer.step();
  const nn::OptimizerState good = optimizer.state_dict();
  const auto refused = [&](auto&& change, std::initializer_list<const char*> parts) {
    nn::OptimizerState bad = good;
    bad.groups[0].lr = 77;
    change(bad);
    const std::string what = error_of<StateError>([&] { optimizer.load_state_dict(bad); }, ErrorCode::state_mismatch);
    for (const char* part : parts) EXPECT_NE(what.find(part), std::string::npos) << part << "\n" << what;
    EXPECT_EQ(optimizer.lr(), 0.1);
    EXPECT_EQ(optimizer.state_dict().steps, good.steps);
  };
  refused([](auto& s) { s.type = "Adam"; }, {"type: SGD expected, Adam given"});
  refused([](auto& s) { s.steps.push_back(1); }, {"parameters: 2 expected, 3 given"});
  refused([](auto& s) { s.groups[0].lr = std::nan(""); }, {"lr"});
  refused(
      [](auto& s) {
        s.groups[0].options[0].second = 0.5;
        s.groups[0].options[2].second = 1;
      },
      {"momentum: 0.9 expected, 0.5 given", "weight_decay: 0 expected, 1 given", "2 places"});
  refused([](auto& s) { s.tensors[0].tensor = ones({5}, serial()); }, {"0.momentum_buffer: shape (2,) expected, (5,)"});
  refused([](auto& s) { s.tensors[0].name = "1.momentum_buffer"; },
          {"0.momentum_buffer: missing", "1.momentum_buffer: unexpected"});
  refused([](auto& s) { s.steps[1] = 4; }, {"1.momentum_buffer: missing"});
  optimizer.load_state_dict(good);
}

TEST(Sgd, RefusesItsArguments) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Tensor p = ones({2}, serial()).requires_grad_();
  const auto range = [&](nn::SGDOptions options) {
    error_of<ValueError>([&] { nn::SGD({p}, options); }, ErrorCode::value_out_of_range);
  };
  for (double bad : {nan, infinity, -0.1}) {
    range({.lr = bad});
    range({.weight_decay = bad});
    range({.momentum = bad});
    range({.momentum = 0.5, .dampening = bad});
  }
  range({.momentum = 1});
  error_of<ValueError>([&] { nn::SGD({p}, {.nesterov = true}); }, ErrorCode::value_invalid);
  error_of<ValueError>([&] { nn::SGD({p}, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}); },
                       ErrorCode::value_invalid);
  error_of<ValueError>([&] { nn::SGD(std::vector<Tensor>{}); }, ErrorCode::value_invalid);
  error_of<ValueError>([&] { nn::SGD({p, p}); }, ErrorCode::value_invalid);
  error_of<ValueError>([&] { nn::SGD({p * 2}); }, ErrorCode::value_invalid);
  error_of<StateError>([&] { nn::SGD({p, Tensor()}); }, ErrorCode::tensor_undefined);
  nn::SGD({p}, {.lr = 0});
}

TEST(Sgd, AParameterThatIsNotContiguousIsRefusedBeforeAnythingChanges) {
  Tensor p = ones({2}, serial()).requires_grad_();
  Tensor across = ones({2, 3}, serial()).t().detach().requires_grad_();
  p.set_grad(ones({2}, serial()));
  across.set_grad(ones({3, 2}, serial()));
  nn::SGD optimizer({p, across}, {.lr = 1, .momentum = 0.9});
  error_of<ValueError>([&] { optimizer.step(); }, ErrorCode::value_invalid);
  EXPECT_EQ(p.to_vector<float>(), std::vector<float>(2, 1.0f));
  EXPECT_TRUE(optimizer.state_dict().tensors.empty());
}

}  // namespace
}  // namespace weft::test
