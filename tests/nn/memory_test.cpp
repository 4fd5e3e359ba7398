// memory_report: every byte of a step, under the module and the kind it belongs to.

#include <weft/nn/memory.h>

#include <memory>

#include <weft/autograd/checkpoint.h>
#include <weft/autograd/functions.h>
#include <weft/nn/dropout.h>
#include <weft/nn/linear.h>
#include <weft/nn/norm.h>
#include <weft/nn/sequential.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/generator.h>

#include "nn_test.h"

namespace weft {
namespace {

using nn::MemoryReport;
using test::error_of;
using test::same_bytes;

struct Tanh : nn::Module {
  Tensor forward(const Tensor& x) override { return x.tanh(); }
  std::string describe() const override { return "Tanh"; }
};

TEST(MemoryReport, CountsEveryKindWhereItBelongs) {
  nn::Sequential model{nn::Linear(8, 16), Tanh(), nn::Linear(16, 4)};
  nn::Adam optimizer(model.parameters());
  const Tensor x = rand({32, 8});

  MemoryReport before = memory_report(model, x, &optimizer);
  ASSERT_EQ(before.modules.size(), 4U);
  EXPECT_EQ(before.modules[1].name, "0");
  EXPECT_EQ(before.modules[1].layer, "Linear(8, 16)");
  EXPECT_EQ(before.modules[1].own.parameters, 4U * (8 * 16 + 16));
  EXPECT_EQ(before.modules[3].own.parameters, 4U * (16 * 4 + 4));
  EXPECT_EQ(before.total.gradients, 0U);
  EXPECT_EQ(before.total.optimizer_state, 0U);
  // The first layer keeps its input, tanh its result, which is the next layer's input too.
  EXPECT_EQ(before.modules[1].own.activations, 4U * 32 * 8);
  EXPECT_EQ(before.modules[2].own.activations, 4U * 32 * 16);
  EXPECT_EQ(before.modules[3].own.activations, 0U);
  EXPECT_EQ(before.total.activations, 4U * 32 * (8 + 16));

  mse_loss(model(x), zeros({32, 4})).backward();
  optimizer.step();
  const MemoryReport after = memory_report(model, x, &optimizer);
  EXPECT_EQ(after.modules[1].own.gradients, after.modules[1].own.parameters);
  EXPECT_EQ(after.modules[3].own.gradients, after.modules[3].own.parameters);
  EXPECT_EQ(after.modules[1].own.optimizer_state, 2 * after.modules[1].own.parameters);
  EXPECT_EQ(after.total.optimizer_state, 2 * after.total.parameters);
  EXPECT_EQ(after.total.total(), after.total.parameters * 4 + after.total.activations);
  EXPECT_GE(after.live, after.total.total() - after.total.activations);
  EXPECT_GE(after.peak, after.live);
  EXPECT_GE(after.reserved, after.live);

  const std::string text = after.to_string();
  EXPECT_NE(text.find("0: Linear(8, 16)         576        576      1,152        -        1,024  3,328"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("The backend has "), std::string::npos) << text;
}

TEST(MemoryReport, SharedTensorsCountOnce) {
  const auto shared = std::make_shared<nn::Linear>(5, 5);
  nn::Sequential model{shared, Tanh(), shared};
  const MemoryReport report = memory_report(model, ones({2, 5}));
  EXPECT_EQ(report.total.parameters, 4U * 30);
}

TEST(MemoryReport, ChangesNothing) {
  nn::Sequential model{nn::BatchNorm1d(4), nn::Dropout(0.5)};
  const Tensor running = dynamic_cast<nn::BatchNorm1d&>(model.at(0)).running_mean;
  const Tensor x = rand({16, 4});
  const Tensor before = running.clone();
  const std::uint64_t draw = default_generator().draw();
  const MemoryReport report = memory_report(model, x);
  EXPECT_EQ(report.modules[1].own.buffers, 4U * (4 + 4) + 8);
  EXPECT_TRUE(same_bytes(running, before));
  EXPECT_EQ(default_generator().draw(), draw);
  EXPECT_FALSE(model.parameters()[0].grad().defined());

  error_of<ShapeError>([&] { memory_report(model, ones({2, 3})); }, ErrorCode::shape_mismatch);
  EXPECT_TRUE(same_bytes(running, before));
  EXPECT_EQ(default_generator().draw(), draw);
}

TEST(MemoryReport, WhatIsCheckpointedIsNotKept) {
  struct Part : nn::Module {
    nn::Ptr<nn::Linear> fc = register_module("fc", nn::Linear(8, 8));
    bool again = false;
    Tensor forward(const Tensor& x) override {
      const auto f = [this](const Tensor& y) { return fc(fc(y).tanh()).tanh(); };
      return again ? checkpoint(f, x) : f(x);
    }
  };
  Part part;
  const Tensor x = ones({64, 8}).requires_grad_();
  const std::size_t whole = memory_report(part, x).total.activations;
  part.again = true;
  const std::size_t kept = memory_report(part, x).total.activations;
  EXPECT_EQ(whole, 4U * 64 * 8 * 3);
  EXPECT_EQ(kept, 4U * 64 * 8);  // its input
}

}  // namespace
}  // namespace weft
