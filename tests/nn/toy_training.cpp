// A third party's backend that implements nothing but the pure set (tests/backend/toy_backend.h) trains an MLP through
// the same public functions as every other device.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/nn/activations.h>
#include <weft/nn/dropout.h>
#include <weft/nn/linear.h>
#include <weft/nn/optim.h>
#include <weft/nn/schedule.h>
#include <weft/nn/sequential.h>
#include <weft/tensor/creation.h>

#include "backend/toy_backend.h"

namespace weft {
namespace {

constexpr std::int64_t points = 120;

struct Rings {
  Tensor x, labels;
};

/// Points on two rings, one inside the other: no line separates them.
Rings rings(Device device) {
  std::vector<float> x;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < points; ++i) {
    const double radius = i % 2 == 0 ? 0.5 : 1.0, angle = 0.37 * static_cast<double>(i);
    x.push_back(static_cast<float>(radius * std::cos(angle)));
    x.push_back(static_cast<float>(radius * std::sin(angle)));
    labels.push_back(i % 2);
  }
  return {from_vector(x, {points, 2}, device), from_vector(labels, {points}, device)};
}

struct Result {
  std::vector<double> losses;
  double accuracy = 0;
  std::vector<float> weights;
};

Result train(Device device, int steps) {
  Generator generator(11);
  nn::Sequential model{nn::Linear(2, 16, true, device, generator), nn::Tanh(), nn::Dropout(0.1, generator),
                       nn::Linear(16, 2, true, device, generator)};
  nn::SGD optimizer(model.parameters(), {.lr = 0.5, .momentum = 0.9, .weight_decay = 1e-4});
  nn::WarmupCosine schedule(optimizer, {.base_lr = 0.5, .warmup_steps = 10, .total_steps = steps});
  const Rings data = rings(device);
  Result result;
  for (int step = 0; step < steps; ++step) {
    const Tensor loss = cross_entropy(model(data.x), data.labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    schedule.step();
    result.losses.push_back(loss.item());
  }
  model.eval();
  const NoGrad off;
  result.accuracy = sum(eq(model(data.x).argmax(1), data.labels)).item() / points;
  for (const Tensor& parameter : model.parameters()) {
    EXPECT_EQ(parameter.device(), device);
    const std::vector<float> values = parameter.to_vector<float>();
    result.weights.insert(result.weights.end(), values.begin(), values.end());
  }
  return result;
}

TEST(ToyTraining, TheToyLearnsWhatNoLineSeparates) {
  const Device toy = contract_test::register_toy();
  EXPECT_EQ(parse_device("toy"), toy);
  const long before = contract_test::toy_calls();
  const Result result = train(toy, 150);
  EXPECT_GE(result.accuracy, 0.98);
  EXPECT_LT(result.losses.back(), 0.3 * result.losses.front());
  EXPECT_GT(contract_test::toy_calls() - before, 150 * 20) << "the work went somewhere else";
  EXPECT_EQ(contract_test::toy_broken_canaries(), 0);
}

TEST(ToyTraining, TheToyAgreesWithSerialStepByStep) {
  // The same seed gives the same weights and the same dropout masks; the toy sums in double, serial in float.
  constexpr int steps = 30;
  const Result toy = train(contract_test::register_toy(), steps), serial_result = train(serial(), steps);
  for (std::size_t i = 0; i < steps; ++i) {
    EXPECT_NEAR(toy.losses[i], serial_result.losses[i], 1e-4 * serial_result.losses[i]) << "step " << i;
  }
  ASSERT_EQ(toy.weights.size(), serial_result.weights.size());
  for (std::size_t i = 0; i < toy.weights.size(); ++i) EXPECT_NEAR(toy.weights[i], serial_result.weights[i], 1e-3);
  EXPECT_EQ(contract_test::toy_broken_canaries(), 0);
}

TEST(ToyTraining, TensorsTravelBetweenTheToyAndOthers) {
  const Device toy = contract_test::register_toy();
  const Tensor x = randn({3, 4}, toy);
  const Tensor there = x.to(cpu()), back = there.to(toy);
  EXPECT_EQ(x.to_vector<float>(), there.to_vector<float>());
  EXPECT_EQ(back.device(), toy);
  EXPECT_EQ(back.to_vector<float>(), x.to_vector<float>());
}

}  // namespace
}  // namespace weft
