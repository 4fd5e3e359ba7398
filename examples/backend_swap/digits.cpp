#include "digits.h"

#include <algorithm>
#include <optional>

#include "measure.h"

namespace lab {

namespace nn = weft::nn;
using weft::Tensor;

const weft::FoundMnist& digits(const Context& context, Section& section) {
  static std::optional<weft::FoundMnist> found;
  if (!found.has_value()) {
    weft::FindMnistOptions how;
    how.folder = context.data;
    how.download = false;  // an experiment does not reach out
    found = weft::find_mnist(how);
  }
  section.notes.push_back(found->notice.empty() ? "The digits are those of " + found->train.name() + "."
                                                : found->notice);
  return *found;
}

std::shared_ptr<nn::Sequential> make_mlp(std::int64_t width) {
  auto model = std::make_shared<nn::Sequential>();
  model->push_back(nn::Flatten());
  model->push_back(nn::Linear(784, width)).push_back(nn::ReLU());
  model->push_back(nn::Linear(width, width)).push_back(nn::ReLU()).push_back(nn::Linear(width, 10));
  return model;
}

std::shared_ptr<nn::Sequential> make_lenet() {
  auto model = std::make_shared<nn::Sequential>();
  model->push_back(nn::Conv2d(1, 6, 5, {.padding = 2})).push_back(nn::ReLU()).push_back(nn::MaxPool2d(2));
  model->push_back(nn::Conv2d(6, 16, 5)).push_back(nn::ReLU()).push_back(nn::MaxPool2d(2));
  model->push_back(nn::Flatten()).push_back(nn::Linear(400, 120)).push_back(nn::ReLU());
  model->push_back(nn::Linear(120, 84)).push_back(nn::ReLU()).push_back(nn::Linear(84, 10));
  return model;
}

Training train(const Place& place, const TrainingPlan& plan, const weft::FoundMnist& data) {
  const Threads threads(place.threads);
  weft::manual_seed(plan.seed);
  const auto model = plan.model(plan.width);
  model->to(place.device);
  nn::SGD sgd(model->parameters(), {.lr = plan.lr, .momentum = 0.9});
  const std::int64_t examples = std::min(plan.examples, data.train.size());
  weft::DataLoader loader(data.train.take(examples),
                          {.batch_size = plan.batch, .shuffle = true, .workers = 0, .seed = plan.seed});
  Training result;
  double at = 0;
  const auto phase = [&](int which) {
    finish(place.device);
    const double here = now();
    result.phase[which] += here - at;
    at = here;
  };
  for (int epoch = 0; epoch < plan.epochs; ++epoch) {
    const double begin = at = now();
    for (const weft::Batch& batch : loader.epoch(epoch)) {
      phase(0);
      const Tensor x = batch.inputs.to(place.device), labels = batch.targets.to(place.device);
      phase(1);
      const Tensor loss = weft::cross_entropy((*model)(x), labels);
      phase(2);
      sgd.zero_grad();
      loss.backward();
      phase(3);
      sgd.step();
      phase(4);
    }
    result.epochs.push_back(now() - begin);
  }
  if (plan.tests == 0) return result;
  const weft::NoGrad off;
  model->eval();
  weft::DataLoader test(data.test.take(std::min(plan.tests, data.test.size())), {.batch_size = 500, .workers = 0});
  double hits = 0, count = 0;
  for (const weft::Batch& batch : test.epoch(0)) {
    const Tensor predicted = (*model)(batch.inputs.to(place.device)).argmax(1).to(weft::cpu());
    hits += (predicted == batch.targets).to(weft::DType::int64).sum().item();
    count += static_cast<double>(batch.size());
  }
  result.accuracy = 100 * hits / count;
  return result;
}

std::function<void()> make_step(weft::Device device, std::int64_t width, std::int64_t batch) {
  struct State {
    std::shared_ptr<nn::Sequential> model;
    std::unique_ptr<nn::SGD> sgd;
    Tensor x, labels;
  };
  auto s = std::make_shared<State>();
  weft::manual_seed(1);
  s->model = make_mlp(width);
  s->model->to(device);
  s->sgd = std::make_unique<nn::SGD>(s->model->parameters(), nn::SGDOptions{.lr = 0.01, .momentum = 0.9});
  s->x = weft::rand({batch, 784}, weft::cpu()).to(device);
  s->labels = weft::randint(0, 10, {batch}).to(device);
  return [s, device] {
    s->sgd->zero_grad();
    weft::cross_entropy((*s->model)(s->x), s->labels).backward();
    s->sgd->step();
    finish(device);
  };
}

double step_seconds(const Place& place, const TrainingPlan& plan) {
  const Threads threads(place.threads);
  const std::function<void()> step = make_step(place.device, plan.width, plan.batch);
  step();
  double fastest = 1e30;
  for (int i = 0; i < 3; ++i) {  // the fastest: an estimate must not be spoilt by whatever else ran
    const double begin = now();
    step();
    fastest = std::min(fastest, now() - begin);
  }
  return fastest;
}

}  // namespace lab
