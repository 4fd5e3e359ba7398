#pragma once
// A training small enough to be repeated a hundred times: an MLP with dropout, SGD with momentum, a schedule; the
// batches follow from the position.

#include <cstdint>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/message.h>
#include <weft/nn/activations.h>
#include <weft/nn/checkpoint.h>
#include <weft/nn/dropout.h>
#include <weft/nn/linear.h>
#include <weft/nn/optim.h>
#include <weft/nn/schedule.h>
#include <weft/nn/sequential.h>

#include "nn/nn_test.h"

namespace weft::test {

struct SmallRun {
  explicit SmallRun(std::uint64_t seed = 1, std::int64_t width = 8)
      : generator(seed),
        model{nn::Linear(4, width, true, serial(), generator), nn::Tanh(), nn::Dropout(0.3, generator),
              nn::Linear(width, 3, true, serial(), generator)} {}

  void train(int steps) {
    for (int i = 0; i < steps; ++i, ++position) {
      Generator batches(static_cast<std::uint64_t>(position) + 100);
      const Tensor x = randn({6, 4}, serial(), batches);
      const Tensor labels = randint(0, 3, {6}, {serial(), DType::int64}, batches);
      const Tensor loss = cross_entropy(model(x), labels);
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      schedule.step();
      losses.push_back(loss.item());
    }
  }

  nn::Training training() {
    return {.model = &model, .optimizer = &optimizer, .schedule = &schedule, .generator = &generator};
  }

  /// Everything that decides how the run goes on, as bytes.
  std::string state() {
    std::string bytes;
    for (const auto& [name, tensor] : model.state_dict()) bytes += name + bytes_of(tensor);
    const nn::OptimizerState o = optimizer.state_dict();
    for (const auto& [name, tensor] : o.tensors) bytes += name + bytes_of(tensor);
    for (const nn::OptimizerGroupState& group : o.groups) bytes += message(" lr ", group.lr);
    bytes += message(" position ", schedule.position(), " draw ", generator.seed(), '/', generator.draw());
    for (std::int64_t steps : o.steps) bytes += message(' ', steps);
    return bytes;
  }

  Generator generator;
  nn::Sequential model;
  nn::SGD optimizer{model.parameters(), {.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-3}};
  nn::WarmupCosine schedule{optimizer, {.base_lr = 0.1, .warmup_steps = 3, .total_steps = 12}};
  std::int64_t position = 0;
  std::vector<double> losses;
};

}  // namespace weft::test
