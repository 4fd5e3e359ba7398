// Checkpoints of every optimiser, with one parameter group and with two: a resumed run ends with the bytes of one that
// was not interrupted.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
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
#include <weft/tensor/safetensors.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

namespace fs = std::filesystem;

using Parameters = std::vector<Tensor>;
using Make = std::function<std::unique_ptr<nn::Optimizer>(const Parameters& body, const Parameters& head)>;

struct OptimizerRun {
  OptimizerRun(const Make& make, std::uint64_t seed)
      : generator(seed),
        model{nn::Linear(4, 8, true, cpu(), generator), nn::Tanh(), nn::Dropout(0.3, generator),
              nn::Linear(8, 3, true, cpu(), generator)},
        optimizer(make(model.at(0).parameters(), model.at(3).parameters())),
        schedule(*optimizer, {.T_max = 9}) {}

  void train(int steps) {
    for (int i = 0; i < steps; ++i, ++position) {
      Generator batches(static_cast<std::uint64_t>(position) + 100);
      const Tensor x = randn({6, 4}, cpu(), batches);
      const Tensor labels = randint(0, 3, {6}, {cpu(), DType::int64}, batches);
      optimizer->zero_grad();
      cross_entropy(model(x), labels).backward();
      optimizer->step();
      schedule.step();
    }
  }
  nn::Training training() {
    return {.model = &model, .optimizer = optimizer.get(), .schedule = &schedule, .generator = &generator};
  }
  std::string state() {
    std::string bytes;
    for (const auto& [name, tensor] : model.state_dict()) bytes += name + bytes_of(tensor);
    const nn::OptimizerState o = optimizer->state_dict();
    for (const auto& [name, tensor] : o.tensors) bytes += name + bytes_of(tensor);
    for (const nn::OptimizerGroupState& group : o.groups) bytes += message(" lr ", group.lr);
    for (std::int64_t steps : o.steps) bytes += message(' ', steps);
    return bytes + message(" position ", schedule.position(), " draw ", generator.draw());
  }

  Generator generator;
  nn::Sequential model;
  std::unique_ptr<nn::Optimizer> optimizer;
  nn::CosineAnnealingLR schedule;
  std::int64_t position = 0;
};

template <class O, class Options>
Make one_group(Options options) {
  return [options](const Parameters& body, const Parameters& head) {
    Parameters all = body;
    all.insert(all.end(), head.begin(), head.end());
    return std::make_unique<O>(all, options);
  };
}

template <class O, class Options>
Make two_groups(Options body_options, Options head_options) {
  return [=](const Parameters& body, const Parameters& head) {
    return std::make_unique<O>(std::vector<typename O::Group>{{body, body_options}, {head, head_options}});
  };
}

struct Setting {
  const char* name;
  Make make;
};

std::vector<Setting> settings() {
  return {
      {"sgd", one_group<nn::SGD>(nn::SGDOptions{.lr = 0.1})},
      {"nesterov", one_group<nn::SGD>(nn::SGDOptions{.lr = 0.1, .momentum = 0.9, .nesterov = true})},
      {"adam", one_group<nn::Adam>(nn::AdamOptions{.lr = 0.01})},
      {"adamw", one_group<nn::AdamW>(nn::AdamWOptions{.lr = 0.01})},
      {"rmsprop", one_group<nn::RMSprop>(nn::RMSpropOptions{.lr = 0.01})},
      {"rmsprop_momentum", one_group<nn::RMSprop>(nn::RMSpropOptions{.lr = 0.01, .momentum = 0.9})},
      {"sgd_groups", two_groups<nn::SGD>(nn::SGDOptions{.lr = 0.1}, nn::SGDOptions{.lr = 0.05, .momentum = 0.9})},
      {"adamw_groups",
       two_groups<nn::AdamW>(nn::AdamWOptions{.lr = 0.001}, nn::AdamWOptions{.lr = 0.01, .weight_decay = 0})},
  };
}

class CheckpointOptimizers : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    folder = fs::path(::testing::TempDir()) / (std::string("weft_checkpoint_optimizers_") + GetParam().name);
    fs::remove_all(folder);
    fs::create_directory(folder);
  }
  void TearDown() override { fs::remove_all(folder); }
  std::string path() const { return (folder / "a.safetensors").string(); }
  fs::path folder;
};

TEST_P(CheckpointOptimizers, ResumedIsUninterruptedForEveryCut) {
  constexpr int total = 8;
  OptimizerRun straight(GetParam().make, 1);
  straight.train(total);
  for (int cut = 0; cut <= total; ++cut) {
    {
      OptimizerRun first(GetParam().make, 1);
      first.train(cut);
      nn::save_checkpoint(path(), first.training(), {.step = cut});
    }
    OptimizerRun second(GetParam().make, 1000 + static_cast<std::uint64_t>(cut));
    second.position = nn::load_checkpoint(path(), second.training()).step;
    second.train(total - cut);
    ASSERT_TRUE(second.state() == straight.state()) << cut;
  }
}

// What one group needs is written as format 1, so that an older weft can read it; several are format 2, which an older
// one refuses by its number.
TEST_P(CheckpointOptimizers, OnlySeveralGroupsNeedTheNewerFormat) {
  OptimizerRun run(GetParam().make, 1);
  run.train(2);
  nn::save_checkpoint(path(), run.training());
  const Safetensors file = load_safetensors(path(), cpu());
  const auto field = [&](const std::string& name) -> std::string {
    for (const auto& [key, value] : file.metadata) {
      if (key == name) return value;
    }
    return "absent";
  };
  const bool groups = run.optimizer->num_groups() > 1;
  EXPECT_EQ(field("weft.checkpoint"), groups ? "2" : "1");
  EXPECT_EQ(field("weft.optimizer.groups"), groups ? "2,2" : "absent");
  EXPECT_EQ(field("weft.optimizer.steps"), "2,2,2,2");
  EXPECT_NE(field("weft.optimizer.lr"), "absent");
  EXPECT_EQ(field("weft.optimizer.group.1.lr") != "absent", groups);
  EXPECT_NE(field("weft.optimizer.option.weight_decay"), "absent");
}

TEST_P(CheckpointOptimizers, AnotherOptimizerIsRefused) {
  OptimizerRun run(GetParam().make, 1);
  run.train(2);
  nn::save_checkpoint(path(), run.training());
  for (const Setting& other : settings()) {
    if (std::string(other.name) == GetParam().name) continue;
    OptimizerRun fresh(other.make, 3);
    const std::string before = fresh.state();
    error_of<StateError>([&] { nn::load_checkpoint(path(), fresh.training()); }, ErrorCode::state_mismatch);
    EXPECT_TRUE(fresh.state() == before) << other.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CheckpointOptimizers, ::testing::ValuesIn(settings()),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace weft::test
