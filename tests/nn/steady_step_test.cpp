// A training step that has been taken before asks the system for no memory: every block comes from what the steps
// before it gave back.

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>

#include <weft/autograd/functions.h>
#include <weft/core/host_memory.h>
#include <weft/core/thread_pool.h>
#include <weft/nn/activations.h>
#include <weft/nn/conv.h>
#include <weft/nn/flatten.h>
#include <weft/nn/linear.h>
#include <weft/nn/norm.h>
#include <weft/nn/optim.h>
#include <weft/nn/pool.h>
#include <weft/nn/sequential.h>

namespace weft::test {
namespace {

/// System allocations of 10 steps after the first 5, on one thread: with more, which block a thread takes is chance.
std::uint64_t allocations_of_steps(nn::Sequential& model, nn::Optimizer& optimizer, const Tensor& x,
                                   const Tensor& labels) {
  const int before = num_threads();
  set_num_threads(1);
  const auto step = [&] {
    optimizer.zero_grad();
    cross_entropy(model(x), labels).backward();
    optimizer.step();
  };
  for (int i = 0; i < 5; ++i) step();
  const std::uint64_t asked = host_memory_counts().system_allocations;
  for (int i = 0; i < 10; ++i) step();
  const std::uint64_t more = host_memory_counts().system_allocations - asked;
  set_num_threads(before);
  return more;
}

TEST(SteadyStep, AnMlpAsksTheSystemForNothing) {
  nn::Sequential model;
  model.push_back(nn::Linear(784, 512)).push_back(nn::ReLU());
  model.push_back(nn::Linear(512, 512)).push_back(nn::ReLU()).push_back(nn::Linear(512, 10));
  nn::SGD sgd(model.parameters(), nn::SGDOptions{.lr = 0.01, .momentum = 0.9});
  const Tensor x = randn({32, 784}, cpu()), labels = randint(0, 10, {32}, {cpu(), DType::int64});
  EXPECT_EQ(allocations_of_steps(model, sgd, x, labels), 0u);
}

TEST(SteadyStep, AConvolutionNetAsksTheSystemForNothing) {
  nn::Sequential model;
  model.push_back(nn::Conv2d(3, 8, 3, {.padding = 1})).push_back(nn::BatchNorm2d(8)).push_back(nn::ReLU());
  model.push_back(nn::MaxPool2d(2)).push_back(nn::Conv2d(8, 16, 3, {.stride = 2})).push_back(nn::ReLU());
  model.push_back(nn::Flatten()).push_back(nn::Linear(16 * 3 * 3, 10));
  nn::Adam adam(model.parameters(), nn::AdamOptions{.lr = 0.001});
  const Tensor x = randn({8, 3, 16, 16}, cpu()), labels = randint(0, 10, {8}, {cpu(), DType::int64});
  EXPECT_EQ(allocations_of_steps(model, adam, x, labels), 0u);
}

}  // namespace
}  // namespace weft::test
