// What a steady training step asks of the device: launches, allocations, waits, counted by the harness. The step is the one
// the speed is quoted for (three linear layers, cross-entropy, SGD with momentum), captured, its batch gathered on the
// device from a data set that lies there; the layers are narrower.

#include <gtest/gtest.h>

#include <cstdio>

#include <weft/tensor/tensor_impl.h>
#include <weft/weft.h>

#include "cuda_on_cpu/plugin_control.h"

namespace weft_harness::test {
namespace {

using namespace weft;

TEST(Step, AsksForLittle) {
  const Counters* counts = WEFT_HARNESS_CONTROL(weft_harness_counters)();
  ASSERT_NE(counts, nullptr);
  manual_seed(1);
  constexpr std::int64_t batch = 8, features = 20, classes = 10;
  const Tensor data = zeros({64, features}, {cuda(), DType::uint8}), labels = zeros({64}, {cuda(), DType::int64});
  const Tensor index = arange(0, batch, 1, {cuda(), DType::int64});
  const Tensor x = zeros({batch, features}, cuda()), y = zeros({batch}, {cuda(), DType::int64});
  nn::Sequential model{nn::Linear(features, 16), nn::ReLU(), nn::Linear(16, 16), nn::ReLU(), nn::Linear(16, classes)};
  model.to(cuda());
  nn::SGD sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  Tensor loss;
  backends::Backend& backend = backends::backend_for(cuda());
  CapturedStep step = capture([&] {
    backend.gather_batch({}, view_of(data), view_of(labels), view_of(index), view_of(x), view_of(y));
    sgd.zero_grad();
    loss = cross_entropy(model(x), y);
    loss.backward();
    sgd.step();
  });
  step.replay(2);
  backend.synchronise();

  const Counters before = *counts;
  constexpr int steps = 10;
  step.replay(steps);
  const Counters queued = *counts;
  backend.synchronise();
  const Counters after = *counts;
  const auto per_step = [](std::uint64_t a, std::uint64_t b) { return static_cast<double>(b - a) / steps; };
  const double launches = per_step(before.kernels + before.vendor_calls, after.kernels + after.vendor_calls);
  std::printf("a captured step: %.1f kernels, %.1f vendor calls, %.1f copies and fills, %.1f allocations, %.1f waits\n",
              per_step(before.kernels, after.kernels), per_step(before.vendor_calls, after.vendor_calls),
              per_step(before.copies, after.copies), per_step(before.allocations, after.allocations),
              per_step(before.host_waits, queued.host_waits));
  EXPECT_GT(launches, 5) << "it has run";
  EXPECT_LE(launches, 12);
  EXPECT_EQ(after.allocations, before.allocations);
  EXPECT_EQ(queued.host_waits, before.host_waits);
}

}  // namespace
}  // namespace weft_harness::test
