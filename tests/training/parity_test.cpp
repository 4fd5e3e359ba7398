// serial against cpu over whole training steps. What can be promised is written in docs/numerics.md: in float64 the
// losses of 100 steps agree; in float32 every step agrees when it starts from equal weights (tanh in place of ReLU, so
// that no sign decides).

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include <weft/weft.h>

namespace weft::test {
namespace {

constexpr int steps = 100;
constexpr std::int64_t batch = 128;

template <class Activation>
std::shared_ptr<nn::Sequential> mlp(Device device, DType dtype) {
  manual_seed(5);
  auto model = std::make_shared<nn::Sequential>();
  model->push_back(nn::Linear(784, 512)).push_back(Activation());
  model->push_back(nn::Linear(512, 512)).push_back(Activation());
  model->push_back(nn::Linear(512, 10));
  model->to(dtype);
  model->to(device);
  return model;
}

struct Data {
  Tensor x, labels;
};

/// Digits in float32, batch by batch; the classes can be told apart, so the losses really fall.
std::vector<Data> batches(DType dtype) {
  const ImageDataset digits = synthetic_digits(Split::train, steps * batch, 3);
  DataLoader loader(digits, {.batch_size = batch, .shuffle = true, .workers = 0, .seed = 3, .dtype = dtype});
  std::vector<Data> all;
  for (const Batch& b : loader.epoch(0)) all.push_back({b.inputs.flatten(1), b.targets});
  return all;
}

double distance(const Tensor& a, const Tensor& b) {
  const Tensor x = a.detach().to(serial()).to(DType::float64), y = b.detach().to(serial()).to(DType::float64);
  return std::sqrt(((x - y) * (x - y)).sum().item() / (y * y).sum().item());
}

TEST(TrainingParity, Float64LossesOfAHundredStepsAgreeTo1e12) {
  const auto a = mlp<nn::ReLU>(serial(), DType::float64), b = mlp<nn::ReLU>(cpu(), DType::float64);
  const nn::WarmupCosineOptions schedule{.base_lr = 0.1, .warmup_steps = 234, .total_steps = 4690};
  nn::SGD sgd_a(a->parameters(), {.lr = 0.1, .momentum = 0.9}), sgd_b(b->parameters(), {.lr = 0.1, .momentum = 0.9});
  double worst = 0, first = 0, last = 0;
  int step = 0;
  for (const Data& d : batches(DType::float64)) {
    double losses[2];
    int i = 0;
    for (auto& [model, sgd, device] : {std::tuple<nn::Sequential&, nn::SGD&, Device>(*a, sgd_a, serial()),
                                       std::tuple<nn::Sequential&, nn::SGD&, Device>(*b, sgd_b, cpu())}) {
      sgd.set_lr(schedule.lr_at(step));
      sgd.zero_grad();
      const Tensor loss = cross_entropy(model(d.x.to(device)), d.labels.to(device));
      loss.backward();
      sgd.step();
      losses[i++] = loss.item();
    }
    worst = std::max(worst, std::abs(losses[0] - losses[1]) / losses[0]);
    if (step++ == 0) first = losses[0];
    last = losses[0];
  }
  std::printf("float64, %d steps: loss %.4f to %.4f, worst relative difference %.2e\n", steps, first, last, worst);
  EXPECT_EQ(step, steps);
  EXPECT_LE(worst, 1e-12);
  EXPECT_LT(last, 0.7 * first);  // it did train
}

TEST(TrainingParity, Float32StepsFromEqualWeightsAgreeTo1e5) {
  const auto a = mlp<nn::Tanh>(serial(), DType::float32), b = mlp<nn::Tanh>(cpu(), DType::float32);
  nn::SGD sgd(b->parameters(), {.lr = 0.05, .momentum = 0.9});
  double worst = 0;
  int step = 0;
  for (const Data& d : batches(DType::float32)) {
    a->load_state_dict(b->state_dict());
    a->zero_grad();
    b->zero_grad();
    const Tensor loss_a = cross_entropy((*a)(d.x.to(serial())), d.labels.to(serial()));
    const Tensor loss_b = cross_entropy((*b)(d.x), d.labels);
    loss_a.backward();
    loss_b.backward();
    worst = std::max(worst, distance(loss_b, loss_a));
    for (std::size_t i = 0; i < a->parameters().size(); ++i) {
      worst = std::max(worst, distance(b->parameters()[i].grad(), a->parameters()[i].grad()));
    }
    sgd.step();
    ++step;
  }
  std::printf("float32, %d steps from equal weights: worst ||a-b||/||b|| %.2e\n", step, worst);
  EXPECT_EQ(step, steps);
  EXPECT_LE(worst, 1e-5);
}

TEST(TrainingParity, CpuWeightsAreTheSameBytesForAnyThreadsAndWorkers) {
  const ImageDataset digits = synthetic_digits(Split::train, 2000, 4);
  const int before = num_threads();
  std::vector<std::vector<float>> reference;
  for (const auto& [threads, workers] : {std::pair{1, 0}, {2, 1}, {3, 2}, {8, 3}, {2, 8}}) {
    set_num_threads(threads);
    manual_seed(6);
    nn::Sequential model{nn::Dropout(0.2), nn::Linear(784, 300), nn::ReLU(), nn::Dropout(0.2), nn::Linear(300, 10)};
    nn::SGD sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9});
    DataLoader loader(digits, {.batch_size = 128, .shuffle = true, .workers = workers, .seed = 6});
    for (int epoch = 0; epoch < 2; ++epoch) {
      for (const Batch& b : loader.epoch(epoch)) {
        sgd.zero_grad();
        cross_entropy(model(b.inputs.flatten(1)), b.targets).backward();
        sgd.step();
      }
    }
    std::vector<std::vector<float>> weights;
    for (const Tensor& p : model.parameters()) weights.push_back(p.detach().to_vector<float>());
    if (reference.empty()) reference = weights;
    EXPECT_EQ(weights, reference) << threads << " threads, " << workers << " workers";
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace weft::test
