#include <cmath>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

using backends::OptimArgs;
using backends::OptimKind;
using backends::OptimSlot;

class ComposedOptimise : public OnEveryBackend {};

struct Parameter {
  std::vector<double> p, s1, s2;
};

/// One step of one parameter, as PyTorch documents SGD, Adam, AdamW and RMSprop.
void textbook(const OptimArgs& a, double lr, double step, double scale, const std::vector<double>& grad, Parameter& x) {
  for (std::size_t i = 0; i < x.p.size(); ++i) {
    double g = grad[i] * scale;
    double& p = x.p[i];
    if (a.weight_decay != 0) {
      if (a.kind == OptimKind::adamw) {
        p -= lr * a.weight_decay * p;
      } else {
        g += a.weight_decay * p;
      }
    }
    switch (a.kind) {
      case OptimKind::sgd:
        if (a.momentum != 0) {
          x.s1[i] = step == 1 ? g : a.momentum * x.s1[i] + (1 - a.dampening) * g;
          g = a.nesterov ? g + a.momentum * x.s1[i] : x.s1[i];
        }
        p -= lr * g;
        break;
      case OptimKind::adam:
      case OptimKind::adamw: {
        x.s1[i] = a.beta1 * x.s1[i] + (1 - a.beta1) * g;
        x.s2[i] = a.beta2 * x.s2[i] + (1 - a.beta2) * g * g;
        const double first = x.s1[i] / (1 - std::pow(a.beta1, step));
        const double second = x.s2[i] / (1 - std::pow(a.beta2, step));
        p -= lr * first / (std::sqrt(second) + a.epsilon);
        break;
      }
      case OptimKind::rmsprop: {
        x.s2[i] = a.alpha * x.s2[i] + (1 - a.alpha) * g * g;
        const double u = g / (std::sqrt(x.s2[i]) + a.epsilon);
        if (a.momentum != 0) {
          x.s1[i] = a.momentum * x.s1[i] + u;
          p -= lr * x.s1[i];
        } else {
          p -= lr * u;
        }
        break;
      }
    }
  }
}

struct Setting {
  const char* name;
  OptimArgs args;
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  const auto add = [&](const char* name, OptimKind kind, double momentum, double dampening, double decay,
                       bool nesterov) {
    OptimArgs args;
    args.kind = kind;
    args.momentum = momentum;
    args.dampening = dampening;
    args.weight_decay = decay;
    args.nesterov = nesterov;
    args.epsilon = 1e-6;
    all.push_back({name, args});
  };
  add("sgd", OptimKind::sgd, 0, 0, 0, false);
  add("sgd decay", OptimKind::sgd, 0, 0, 0.1, false);
  add("sgd momentum", OptimKind::sgd, 0.9, 0, 0, false);
  add("sgd momentum dampening decay", OptimKind::sgd, 0.9, 0.3, 0.01, false);
  add("sgd nesterov", OptimKind::sgd, 0.9, 0, 0.01, true);
  add("adam", OptimKind::adam, 0, 0, 0, false);
  add("adam decay", OptimKind::adam, 0, 0, 0.1, false);
  add("adamw", OptimKind::adamw, 0, 0, 0.1, false);
  add("rmsprop", OptimKind::rmsprop, 0, 0, 0, false);
  add("rmsprop momentum decay", OptimKind::rmsprop, 0.8, 0, 0.05, false);
  return all;
}

constexpr int steps = 5;
double rate(int step) { return 0.05 / step; }
double scale(int step) { return step % 2 == 0 ? 0.5 : 1.0; }

/// Runs the steps over several parameters at once. as_views: lr, step and grad_scale come as rank-0 float64 views.
std::vector<Array> train(Backend& backend, const OptimArgs& args, const std::vector<DType>& dtypes,
                         const std::vector<Shape>& shapes_of, bool fused, bool as_views) {
  std::vector<std::unique_ptr<Block>> p, s1, s2;
  for (std::size_t i = 0; i < dtypes.size(); ++i) {
    p.push_back(std::make_unique<Block>(backend, dtypes[i], random_array(dtypes[i], shapes_of[i], 181 + i)));
    s1.push_back(std::make_unique<Block>(backend, dtypes[i], Array(shapes_of[i])));
    s2.push_back(std::make_unique<Block>(backend, dtypes[i], Array(shapes_of[i])));
  }
  const bool first =
      args.kind != OptimKind::sgd ? args.kind != OptimKind::rmsprop || args.momentum != 0 : args.momentum != 0;
  const bool second = args.kind != OptimKind::sgd;
  for (int step = 1; step <= steps; ++step) {
    std::vector<std::unique_ptr<Block>> grads;
    std::vector<OptimSlot> slots;
    for (std::size_t i = 0; i < dtypes.size(); ++i) {
      const Array grad = random_array(dtypes[i], shapes_of[i], 1000 + 10 * static_cast<std::uint64_t>(step) + i);
      grads.push_back(std::make_unique<Block>(backend, dtypes[i], grad));
      slots.push_back({p[i]->view(), grads[i]->view(), first ? s1[i]->view() : TensorView(),
                       second ? s2[i]->view() : TensorView()});
    }
    OptimArgs now = args;
    const Block lr(backend, DType::float64, Array({}, rate(step)));
    const Block t(backend, DType::float64, Array({}, step));
    const Block by(backend, DType::float64, Array({}, scale(step)));
    if (as_views) {
      now.lr = lr;
      now.step = t;
      now.grad_scale = by;
    } else {
      now.lr = Number(rate(step));
      now.step = Number(step);
      now.grad_scale = Number(scale(step));
    }
    fused ? backend.optimise(now, slots) : backend.Backend::optimise(now, slots);
    for (const auto& grad : grads) EXPECT_TRUE(grad->untouched()) << "a gradient was written to";
  }
  std::vector<Array> result;
  for (std::size_t i = 0; i < dtypes.size(); ++i) {
    result.push_back(p[i]->read());
    result.push_back(s1[i]->read());
    result.push_back(s2[i]->read());
  }
  return result;
}

TEST_P(ComposedOptimise, EveryKindAgainstTheFormulas) {
  const std::vector<DType> dtypes = {DType::float64, DType::float32, DType::float32, DType::bfloat16, DType::float16};
  const std::vector<Shape> shapes_of = {{3, 5}, {4099}, {}, {6, 6}, {17}};
  for (const auto& [name, args] : settings()) {
    for (bool fused : {false, true}) {
      SCOPED_TRACE(std::string(name) + (fused ? " fused" : ""));
      const std::vector<Array> got = train(backend(), args, dtypes, shapes_of, fused, false);
      for (std::size_t i = 0; i < dtypes.size(); ++i) {
        Parameter want{random_array(dtypes[i], shapes_of[i], 181 + i).values, {}, {}};
        want.s1.resize(want.p.size());
        want.s2.resize(want.p.size());
        for (int step = 1; step <= steps; ++step) {
          const Array grad = random_array(dtypes[i], shapes_of[i], 1000 + 10 * static_cast<std::uint64_t>(step) + i);
          textbook(args, rate(step), step, scale(step), grad.values, want);
        }
        SCOPED_TRACE(weft::name(dtypes[i]));
        expect_close(dtypes[i], got[3 * i], Array(shapes_of[i], want.p), 5);
        expect_close(dtypes[i], got[3 * i + 1], Array(shapes_of[i], want.s1), 5);
        expect_close(dtypes[i], got[3 * i + 2], Array(shapes_of[i], want.s2), 5);
      }
    }
  }
}

TEST_P(ComposedOptimise, NumbersAndViewsGiveTheSameBits) {
  const std::vector<DType> dtypes = {DType::float32, DType::float64, DType::bfloat16};
  const std::vector<Shape> shapes_of = {{70, 30}, {5}, {40}};
  for (const auto& [name, args] : settings()) {
    for (bool fused : {false, true}) {
      SCOPED_TRACE(std::string(name) + (fused ? " fused" : ""));
      const std::vector<Array> numbers = train(backend(), args, dtypes, shapes_of, fused, false);
      const std::vector<Array> views = train(backend(), args, dtypes, shapes_of, fused, true);
      for (std::size_t i = 0; i < numbers.size(); ++i) expect_equal(views[i], numbers[i]);
    }
  }
}

TEST_P(ComposedOptimise, NoParametersIsNoWork) {
  for (bool fused : {false, true}) fused ? backend().optimise({}, {}) : backend().Backend::optimise({}, {});
}

WEFT_ON_EVERY_BACKEND(ComposedOptimise);

}  // namespace
}  // namespace weft::contract_test
