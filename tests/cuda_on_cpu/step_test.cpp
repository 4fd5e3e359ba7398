// What a steady training step asks of the device: launches, allocations, waits, counted by the harness. The step is the
// one the speed is quoted for (three linear layers, cross-entropy, SGD with momentum), captured, its batch gathered on
// the device from a data set that lies there; the layers are narrower.

#include <gtest/gtest.h>

#include <cstdio>
#include <vector>

#include <weft/backends/registry.h>
#include <weft/backends/router.h>
#include <weft/tensor/tensor_impl.h>
#include <weft/weft.h>

#include "cuda_on_cpu/plugin_control.h"

namespace weft_harness::test {
namespace {

using namespace weft;

struct Cost {
  double kernels, vendor_calls, copies, allocations, waits;
  double launches() const { return kernels + vendor_calls; }
};

/// What one replay costs, from sixteen of them after eight that settle things.
Cost cost_of(CapturedStep& step, const char* what) {
  const Counters* counts = WEFT_HARNESS_CONTROL(weft_harness_counters)();
  backends::Backend& backend = backends::backend_for(cuda());
  step.replay(8);  // steps go to the device eight at a time
  backend.synchronise();
  const Counters before = *counts;
  constexpr int steps = 16;
  step.replay(steps);
  const Counters queued = *counts;
  backend.synchronise();
  const Counters after = *counts;
  const auto per_step = [](std::uint64_t a, std::uint64_t b) { return static_cast<double>(b - a) / steps; };
  const Cost cost = {per_step(before.kernels, after.kernels), per_step(before.vendor_calls, after.vendor_calls),
                     per_step(before.copies, after.copies), per_step(before.allocations, after.allocations),
                     per_step(before.host_waits, queued.host_waits)};
  std::printf("%s: %.1f kernels, %.1f vendor calls, %.1f copies and fills, %.1f allocations, %.1f waits\n", what,
              cost.kernels, cost.vendor_calls, cost.copies, cost.allocations, cost.waits);
  return cost;
}

constexpr std::int64_t batch = 8, features = 20, hidden = 16, classes = 10;

/// A data set on the device and the batch of it that a step looks at.
struct Data {
  const Tensor images = zeros({64, features}, {cuda(), DType::uint8}), labels = zeros({64}, {cuda(), DType::int64});
  const Tensor index = arange(0, batch, 1, {cuda(), DType::int64});
  const Tensor x = zeros({batch, features}, cuda()), y = zeros({batch}, {cuda(), DType::int64});
  void gather() const {
    backends::active(backends::backend_for(cuda()))
        .gather_batch({}, view_of(images), view_of(labels), view_of(index), view_of(x), view_of(y));
  }
  GatheredBatch batch_of_the_public_function() const { return gather_batch(images, labels, index); }
};

TEST(Step, OfThePublicFunctions) {
  manual_seed(1);
  const Data data;
  nn::Sequential model{nn::Linear(features, hidden), nn::ReLU(), nn::Linear(hidden, hidden), nn::ReLU(),
                       nn::Linear(hidden, classes)};
  model.to(cuda());
  nn::SGD sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  CapturedStep step = capture([&] {
    const auto [x, y] = data.batch_of_the_public_function();
    sgd.zero_grad();
    cross_entropy(model(x), y).backward();
    sgd.step();
  });
  const Cost cost = cost_of(step, "a captured step of the public functions");
  EXPECT_GT(cost.launches(), 5) << "it has run";
  // gather 1, linear with its activation 3, loss and gradient 1, its mean 1, the ways back 2 + 2 + 1, optimiser 1
  EXPECT_LE(cost.launches(), 12);
  EXPECT_LE(cost.copies, 1.0 / 8) << "the table of step numbers, once in eight steps";
  EXPECT_EQ(cost.allocations, 0);
  EXPECT_EQ(cost.waits, 0);
}

/// The same step in the contract's fused forms.
TEST(Step, OfTheFusedForms) {
  manual_seed(1);
  using backends::Activation;
  const Data data;
  backends::Backend& backend = backends::backend_for(cuda());
  const std::int64_t widths[] = {features, hidden, hidden, classes};
  struct Layer {
    Tensor w, b, dw, db, y, dy, momentum_w, momentum_b;
    void* aux = nullptr;
    Activation act = Activation::relu;
  };
  std::vector<Layer> layers(3);
  for (std::size_t i = 0; i < 3; ++i) {
    Layer& l = layers[i];
    const Shape w = {widths[i + 1], widths[i]}, b = {widths[i + 1]}, y = {batch, widths[i + 1]};
    l.w = randn(w, cuda());
    l.b = l.db = zeros(b, cuda());
    l.db = zeros(b, cuda());
    l.dw = zeros(w, cuda());
    l.y = zeros(y, cuda());
    l.dy = zeros(y, cuda());
    l.momentum_w = zeros(w, cuda());
    l.momentum_b = zeros(b, cuda());
    if (i == 2) l.act = Activation::none;
    const std::size_t bytes = backend.linear_aux_bytes(l.act, view_of(l.y));
    if (bytes > 0) l.aux = backend.allocate(bytes);  // as long as the program
  }
  const Tensor losses = zeros({batch}, cuda()), lr = full({}, 0.1, {cuda(), DType::float64});
  const Tensor count = full({}, 2, {cuda(), DType::float64});
  CapturedStep step = capture([&] {
    backends::Backend& recorder = backends::active(backend);  // what is recorded
    data.gather();
    Tensor in = data.x;
    for (Layer& l : layers) {
      recorder.linear(l.act, view_of(in), view_of(l.w), view_of(l.b), view_of(l.y), l.aux);
      in = l.y;
    }
    recorder.cross_entropy({}, view_of(layers[2].y), view_of(data.y), {}, view_of(losses), view_of(layers[2].dy));
    for (std::size_t i = 3; i-- > 0;) {
      Layer& l = layers[i];
      const bool first = i == 0;
      // dy of a layer below comes with the derivative of its activation folded in
      recorder.linear_backward(
          Activation::none, view_of(l.dy), view_of(l.y), nullptr, first ? view_of(data.x) : view_of(layers[i - 1].y),
          view_of(l.w), first ? Activation::none : Activation::relu, first ? nullptr : layers[i - 1].aux,
          first ? backends::TensorView{} : view_of(layers[i - 1].dy), view_of(l.dw), view_of(l.db));
    }
    std::vector<backends::OptimSlot> slots;
    for (Layer& l : layers) {
      slots.push_back({view_of(l.w), view_of(l.dw), view_of(l.momentum_w), {}});
      slots.push_back({view_of(l.b), view_of(l.db), view_of(l.momentum_b), {}});
    }
    backends::OptimArgs args;
    args.lr = view_of(lr);
    args.step = view_of(count);
    args.momentum = 0.9;
    recorder.optimise(args, slots);
  });
  const Cost cost = cost_of(step, "a captured step of the fused forms");
  EXPECT_GE(cost.launches(), 10) << "it has run";
  EXPECT_LE(cost.launches(), 12);
  EXPECT_EQ(cost.allocations, 0);
  EXPECT_EQ(cost.waits, 0);
}

}  // namespace
}  // namespace weft_harness::test
