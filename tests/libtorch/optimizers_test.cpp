// A thousand steps of every optimiser beside LibTorch's, in float64 from the same weights with the same gradients:
// ||a - b|| / ||b|| at most 1e-10.

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compare.h"

namespace weft::test {
namespace {

using Ours = std::function<std::unique_ptr<nn::Optimizer>(std::vector<Tensor>)>;
using Theirs = std::function<std::unique_ptr<torch::optim::Optimizer>(std::vector<torch::Tensor>)>;

struct Pair {
  std::string name;
  Ours ours;
  Theirs theirs;
};

Pair sgd(nn::SGDOptions o) {
  return {"SGD", [o](std::vector<Tensor> p) { return std::make_unique<nn::SGD>(std::move(p), o); },
          [o](std::vector<torch::Tensor> p) {
            return std::make_unique<torch::optim::SGD>(std::move(p), torch::optim::SGDOptions(o.lr)
                                                                         .momentum(o.momentum)
                                                                         .dampening(o.dampening)
                                                                         .weight_decay(o.weight_decay)
                                                                         .nesterov(o.nesterov));
          }};
}

Pair adam(nn::AdamOptions o) {
  return {"Adam", [o](std::vector<Tensor> p) { return std::make_unique<nn::Adam>(std::move(p), o); },
          [o](std::vector<torch::Tensor> p) {
            return std::make_unique<torch::optim::Adam>(
                std::move(p),
                torch::optim::AdamOptions(o.lr).betas({o.beta1, o.beta2}).eps(o.eps).weight_decay(o.weight_decay));
          }};
}

Pair adamw(nn::AdamWOptions o) {
  return {"AdamW", [o](std::vector<Tensor> p) { return std::make_unique<nn::AdamW>(std::move(p), o); },
          [o](std::vector<torch::Tensor> p) {
            return std::make_unique<torch::optim::AdamW>(
                std::move(p),
                torch::optim::AdamWOptions(o.lr).betas({o.beta1, o.beta2}).eps(o.eps).weight_decay(o.weight_decay));
          }};
}

Pair rmsprop(nn::RMSpropOptions o) {
  return {"RMSprop", [o](std::vector<Tensor> p) { return std::make_unique<nn::RMSprop>(std::move(p), o); },
          [o](std::vector<torch::Tensor> p) {
            return std::make_unique<torch::optim::RMSprop>(std::move(p), torch::optim::RMSpropOptions(o.lr)
                                                                             .alpha(o.alpha)
                                                                             .eps(o.eps)
                                                                             .weight_decay(o.weight_decay)
                                                                             .momentum(o.momentum));
          }};
}

std::vector<Pair> pairs() {
  std::vector<Pair> all;
  for (const double decay : {0.0, 0.01}) {
    all.push_back(sgd({.lr = 0.01, .weight_decay = decay}));
    all.push_back(sgd({.lr = 0.01, .momentum = 0.9, .weight_decay = decay}));
    all.push_back(sgd({.lr = 0.01, .momentum = 0.9, .dampening = 0.3, .weight_decay = decay}));
    all.push_back(sgd({.lr = 0.01, .momentum = 0.9, .weight_decay = decay, .nesterov = true}));
    all.push_back(adam({.weight_decay = decay}));
    all.push_back(adam({.lr = 0.01, .beta1 = 0.5, .beta2 = 0.95, .eps = 1e-4, .weight_decay = decay}));
    all.push_back(adamw({.weight_decay = decay}));
    all.push_back(adamw({.lr = 0.01, .beta1 = 0.5, .beta2 = 0.95, .eps = 1e-4, .weight_decay = decay}));
    all.push_back(rmsprop({.weight_decay = decay}));
    all.push_back(rmsprop({.lr = 0.001, .alpha = 0.9, .eps = 1e-5, .weight_decay = decay, .momentum = 0.9}));
  }
  return all;
}

TEST(LibTorchOptimizers, AgreeOverAThousandSteps) {
  constexpr int steps = 1000;
  const std::vector<Shape> shapes = {{4, 5}, {17}, {}};
  int runs = 0;
  double worst = 0;
  for (const Device device : {cpu(), serial()}) {
    for (const Pair& pair : pairs()) {
      Generator generator(21);
      std::vector<Tensor> p;
      std::vector<torch::Tensor> q;
      for (const Shape& shape : shapes) {
        p.push_back(randn(shape, {device, DType::float64}, generator).requires_grad_());
        q.push_back(to_torch<double>(p.back()).requires_grad_());
      }
      const auto ours = pair.ours(p);
      const auto theirs = pair.theirs(q);
      for (int step = 0; step < steps; ++step) {
        for (std::size_t i = 0; i < p.size(); ++i) {
          if (i == 1 && step % 7 == 3) {  // a parameter that misses a step now and then
            p[i].zero_grad();
            q[i].mutable_grad() = torch::Tensor();
            continue;
          }
          p[i].set_grad(randn(shapes[i], {device, DType::float64}, generator));
          q[i].mutable_grad() = to_torch<double>(p[i].grad());
        }
        ours->step();
        theirs->step();
      }
      for (std::size_t i = 0; i < p.size(); ++i) {
        const double apart = distance<double>(p[i], q[i]);
        EXPECT_LE(apart, 1e-10) << pair.name << " run " << runs << " tensor " << i;
        worst = std::max(worst, apart);
      }
      ++runs;
    }
  }
  std::printf("%d runs of %d steps: worst ||a-b||/||b|| %.2e\n", runs, steps, worst);
}

}  // namespace
}  // namespace weft::test
