// A training step of weft (timing.h says how it is called): forward, cross-entropy, backward, SGD with momentum, on a
// batch that is new each time. Forward alone: infer-*.
//
//   mlp-B      784-512-512-10, ReLU            lenet-B    LeNet-5 on 28x28x1
//   resnet8-B  three residual blocks of 16, 32 and 64 channels with batch norm, on 32x32x3

#include <memory>
#include <string>

#include <weft/weft.h>

#include "timing.h"

namespace {

namespace nn = weft::nn;
using weft::Tensor;

constexpr std::int64_t samples = 8192;

struct Block : nn::Module {
  Block(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv1(
            register_module("conv1", nn::Conv2d(in, out, 3, weft::ConvOptions{.stride = stride, .padding = 1}, false))),
        norm1(register_module("norm1", nn::BatchNorm2d(out))),
        conv2(register_module("conv2", nn::Conv2d(out, out, 3, weft::ConvOptions{.padding = 1}, false))),
        norm2(register_module("norm2", nn::BatchNorm2d(out))) {
    if (in == out) return;
    shortcut = register_module("shortcut", nn::Conv2d(in, out, 1, weft::ConvOptions{.stride = stride}, false));
    norm3 = register_module("norm3", nn::BatchNorm2d(out));
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = norm2(conv2(relu(norm1(conv1(x)))));
    return relu(y + (shortcut.get() != nullptr ? norm3(shortcut(x)) : x));
  }
  nn::Ptr<nn::Conv2d> conv1;
  nn::Ptr<nn::BatchNorm2d> norm1;
  nn::Ptr<nn::Conv2d> conv2;
  nn::Ptr<nn::BatchNorm2d> norm2;
  nn::Ptr<nn::Conv2d> shortcut;
  nn::Ptr<nn::BatchNorm2d> norm3;
};

std::shared_ptr<nn::Sequential> make_model(const std::string& name) {
  auto m = std::make_shared<nn::Sequential>();
  if (name == "mlp") {
    m->push_back(nn::Linear(784, 512)).push_back(nn::ReLU());
    m->push_back(nn::Linear(512, 512)).push_back(nn::ReLU()).push_back(nn::Linear(512, 10));
  } else if (name == "lenet") {
    m->push_back(nn::Conv2d(1, 6, 5, {.padding = 2})).push_back(nn::ReLU()).push_back(nn::MaxPool2d(2));
    m->push_back(nn::Conv2d(6, 16, 5)).push_back(nn::ReLU()).push_back(nn::MaxPool2d(2));
    m->push_back(nn::Flatten()).push_back(nn::Linear(400, 120)).push_back(nn::ReLU());
    m->push_back(nn::Linear(120, 84)).push_back(nn::ReLU()).push_back(nn::Linear(84, 10));
  } else {
    m->push_back(nn::Conv2d(3, 16, 3, {.padding = 1}, false)).push_back(nn::BatchNorm2d(16)).push_back(nn::ReLU());
    m->push_back(std::make_shared<Block>(16, 16, 1)).push_back(std::make_shared<Block>(16, 32, 2));
    m->push_back(std::make_shared<Block>(32, 64, 2));
    m->push_back(nn::AdaptiveAvgPool2d(1)).push_back(nn::Flatten()).push_back(nn::Linear(64, 10));
  }
  return m;
}

weft::Shape shape_of(const std::string& model) {
  if (model == "mlp") return {samples, 784};
  if (model == "lenet") return {samples, 1, 28, 28};
  return {samples, 3, 32, 32};
}

std::function<void()> step_of(const std::string& name, std::int64_t batch, bool train) {
  struct State {
    std::shared_ptr<nn::Sequential> model;
    std::unique_ptr<nn::SGD> sgd;
    Tensor images, labels;
    std::int64_t next = 0;
  };
  auto s = std::make_shared<State>();
  weft::manual_seed(1);
  s->model = make_model(name);
  s->sgd = std::make_unique<nn::SGD>(s->model->parameters(), nn::SGDOptions{.lr = 0.01, .momentum = 0.9});
  s->images = weft::rand(shape_of(name), weft::cpu());
  s->labels = weft::randint(0, 10, {samples}, {weft::cpu(), weft::DType::int64});
  if (!train) s->model->eval();
  return [=] {
    s->next = s->next + 2 * batch > samples ? 0 : s->next + batch;
    const Tensor x = s->images.narrow(0, s->next, batch);
    if (!train) {
      const weft::NoGrad off;
      (void)(*s->model)(x);
      return;
    }
    s->sgd->zero_grad();
    cross_entropy((*s->model)(x), s->labels.narrow(0, s->next, batch)).backward();
    s->sgd->step();
  };
}

/// Where the time goes: the profiler's table over some steps.
int profile(const std::string& model, std::int64_t batch) {
  const std::function<void()> step = step_of(model, batch, true);
  for (int i = 0; i < 20; ++i) step();
  weft::Profiler profiler;
  for (int i = 0; i < 100; ++i) step();
  profiler.stop();
  std::printf("%s", profiler.report().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "profile") return profile(argv[2], std::atoi(argv[3]));
  std::vector<bench::Case> cases;
  const auto add = [&](const char* model, std::int64_t batch, bool train) {
    cases.push_back({std::string(train ? "" : "infer-") + model + "-" + std::to_string(batch),
                     [=] { return step_of(model, batch, train); }});
  };
  for (const std::int64_t batch : {32, 128, 1024}) add("mlp", batch, true);
  add("lenet", 128, true);
  add("resnet8", 128, true);
  add("mlp", 1, false);
  return bench::run(argc, argv, cases);
}
