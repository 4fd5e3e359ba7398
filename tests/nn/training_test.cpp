#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/thread_pool.h>
#include <weft/nn/activations.h>
#include <weft/nn/dropout.h>
#include <weft/nn/linear.h>
#include <weft/nn/optim.h>
#include <weft/nn/schedule.h>
#include <weft/nn/sequential.h>

#include "nn/nn_test.h"

// A small MLP learns two spirals, which no linear classifier can tell apart (a line gets about 2 of 3 right).

namespace weft::test {
namespace {

struct Spirals {
  Tensor points, labels;
};

Spirals spirals(std::int64_t per_class, Device device) {
  std::vector<float> points;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < per_class; ++i) {
    for (std::int64_t label = 0; label < 2; ++label) {
      const double radius = 0.2 + 0.8 * static_cast<double>(i) / static_cast<double>(per_class);
      const double angle = 7 * radius + 3.14159265 * static_cast<double>(label);
      points.push_back(static_cast<float>(radius * std::cos(angle)));
      points.push_back(static_cast<float>(radius * std::sin(angle)));
      labels.push_back(label);
    }
  }
  const std::int64_t n = 2 * per_class;
  return {from_vector(points, {n, 2}, device), from_vector(labels, {n}, device)};
}

double accuracy(nn::Module& model, const Spirals& data) {
  const NoGrad off;
  const Tensor hits = eq(model(data.points).argmax(1), data.labels);
  return sum(hits).item() / static_cast<double>(data.labels.numel());
}

/// The parameters after `steps` steps, as bytes.
std::string train(nn::Sequential& model, const Spirals& data, int steps) {
  nn::SGD optimizer(model.parameters(), {.lr = 0.3, .momentum = 0.9});
  nn::WarmupCosine schedule(optimizer, {.base_lr = 0.3, .warmup_steps = steps / 10, .total_steps = steps});
  for (int step = 0; step < steps; ++step) {
    const Tensor loss = cross_entropy(model(data.points), data.labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    schedule.step();
  }
  std::string bytes;
  for (const Tensor& parameter : model.parameters()) bytes += bytes_of(parameter);
  return bytes;
}

class Training : public ::testing::TestWithParam<Device> {};

TEST_P(Training, AnMlpLearnsTwoSpirals) {
  const Device device = GetParam();
  const Spirals data = spirals(96, device);
  manual_seed(2);
  nn::Sequential linear{nn::Linear(2, 2)};
  nn::Sequential mlp{nn::Linear(2, 32), nn::Tanh(), nn::Linear(32, 32), nn::ReLU(), nn::Linear(32, 2)};
  linear.to(device);
  mlp.to(device);
  train(linear, data, 200);
  train(mlp, data, 600);
  EXPECT_LT(accuracy(linear, data), 0.75);
  EXPECT_GT(accuracy(mlp, data), 0.97);
}

INSTANTIATE_TEST_SUITE_P(Devices, Training, ::testing::ValuesIn(devices_here()),
                         [](const auto& test) { return std::string(name(test.param.kind)); });

// Wide enough that every kind of call is cut into several pieces of work.
TEST(Training, TheBytesDoNotDependOnTheNumberOfThreads) {
  const int before = num_threads();
  const Spirals data = spirals(600, cpu());
  std::string first;
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    manual_seed(2);
    nn::Sequential mlp{nn::Linear(2, 192),   nn::ReLU(), nn::Dropout(0.1),
                       nn::Linear(192, 160), nn::Tanh(), nn::Linear(160, 2)};
    const std::string bytes = train(mlp, data, 12);
    if (threads == 1) first = bytes;
    EXPECT_TRUE(bytes == first) << threads << " threads";
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace weft::test
