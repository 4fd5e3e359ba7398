// linear() with an activation, and derivatives that the layer above multiplies in: the values and gradients of single
// calls, to the bit, and only where nobody can tell.

#include <algorithm>

#include <weft/autograd/anomaly.h>
#include <weft/autograd/checkpoint.h>
#include <weft/autograd/gradcheck.h>
#include <weft/autograd/saved_tensor_hooks.h>
#include <weft/tensor/capture.h>
#include <weft/tensor/profiler.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

constexpr Activation activations[] = {Activation::relu, Activation::tanh, Activation::sigmoid, Activation::gelu_tanh};

Tensor apply(Activation activation, const Tensor& x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return relu(x);
    case Activation::tanh:
      return tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::gelu_tanh:
      return gelu(x, Approximate::tanh);
  }
  return x;
}

/// Three layers; `fused` has the activations in linear().
struct Mlp {
  Mlp(Activation act, TensorOptions options) : activation(act) {
    Generator generator(5);
    for (const auto& [out, in] : {std::pair{7, 5}, {6, 7}, {3, 6}}) {
      weights.push_back(randn({out, in}, options, generator).requires_grad_());
      biases.push_back(randn({out}, options, generator).requires_grad_());
    }
    x = randn({9, 5}, options, generator);
    labels = zeros({9}, {options.device, DType::int64});
  }
  Tensor layer(std::size_t i, const Tensor& in, bool fused) const {
    if (fused) return linear(in, weights[i], biases[i], activation);
    return apply(activation, linear(in, weights[i], biases[i]));
  }
  Tensor loss_of(const Tensor& hidden) const { return cross_entropy(linear(hidden, weights[2], biases[2]), labels); }
  Tensor loss(bool fused) const { return loss_of(layer(1, layer(0, x, fused), fused)); }

  std::vector<Tensor> parameters() const {
    std::vector<Tensor> all = weights;
    all.insert(all.end(), biases.begin(), biases.end());
    return all;
  }
  /// The gradients a backward leaves, in float64.
  template <class F>
  std::vector<Values> gradients(F make_loss) const {
    for (Tensor p : parameters()) p.zero_grad();
    make_loss().backward();
    std::vector<Values> found;
    for (const Tensor& p : parameters()) found.push_back(values(p.grad().to(DType::float64)));
    return found;
  }

  Activation activation;
  std::vector<Tensor> weights, biases;
  Tensor x, labels;
};

struct Case {
  Activation activation;
  TensorOptions options;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << name(c.activation); }

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Activation a : activations) {
    for (const Device d : {serial(), cpu()}) {
      for (const DType t : {DType::float32, DType::float64}) all.push_back({a, {d, t}});
    }
  }
  return all;
}

class LinearActivation : public ::testing::TestWithParam<Case> {
 protected:
  const Mlp mlp{GetParam().activation, GetParam().options};
};

INSTANTIATE_TEST_SUITE_P(All, LinearActivation, ::testing::ValuesIn(cases()),
                         [](const ::testing::TestParamInfo<Case>& row) {
                           return std::string(name(row.param.activation)) + "_" + to_string(row.param.options.device) +
                                  "_" + name(row.param.options.dtype);
                         });

TEST_P(LinearActivation, HasTheBitsOfSingleCalls) {
  EXPECT_EQ(mlp.loss(true).item(), mlp.loss(false).item());
  // As functions of their own: the derivative below is multiplied in by the layer above, or not at all.
  const auto fused = mlp.gradients([&] { return mlp.loss(true); });
  EXPECT_EQ(fused, mlp.gradients([&] { return mlp.loss(false); }));
  const auto watched = mlp.gradients([&] {
    Tensor h = mlp.layer(0, mlp.x, false);
    h.register_hook([](const Tensor&) { return Tensor(); });
    h = mlp.layer(1, h, false);
    h.register_hook([](const Tensor&) { return Tensor(); });
    return mlp.loss_of(h);
  });
  EXPECT_EQ(fused, watched);
}

TEST_P(LinearActivation, AgreesWithAWayBackThatIsRecorded) {
  const Tensor loss = mlp.loss(true);
  const std::vector<Tensor> parameters = mlp.parameters();
  const std::vector<Tensor> plain = grad(std::span(&loss, 1), parameters, {}, true);
  const std::vector<Tensor> recorded = grad(std::span(&loss, 1), parameters, {}, true, true);
  const double allowed = GetParam().options.dtype == DType::float64 ? 1e-14 : 2e-6;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_FALSE(plain[i].requires_grad());
    const Values a = values(plain[i].to(DType::float64)), b = values(recorded[i].detach().to(DType::float64));
    for (std::size_t k = 0; k < a.size(); ++k) EXPECT_NEAR(a[k], b[k], allowed) << i;
  }
}

TEST_P(LinearActivation, HooksSeeTheGradientOfTheResult) {
  const auto seen_with = [&](bool fused) {
    std::vector<Values> seen;
    const auto gradients = mlp.gradients([&] {
      Tensor h = mlp.layer(0, mlp.x, fused);
      h.register_hook([&](const Tensor& g) {
        seen.push_back(values(g.to(DType::float64)));
        return Tensor();
      });
      return mlp.loss_of(mlp.layer(1, h, fused));
    });
    seen.insert(seen.end(), gradients.begin(), gradients.end());
    return seen;
  };
  EXPECT_EQ(seen_with(true), seen_with(false));
}

TEST_P(LinearActivation, GradOfAHiddenResultIsItsOwn) {
  const auto asked = [&](bool fused) {
    const Tensor h = mlp.layer(0, mlp.x, fused), loss = mlp.loss_of(mlp.layer(1, h, fused));
    const std::vector<Tensor> found = grad({loss}, {h, mlp.weights[0]});
    return std::pair(values(found[0].to(DType::float64)), values(found[1].to(DType::float64)));
  };
  EXPECT_EQ(asked(true), asked(false));
}

TEST_P(LinearActivation, TwoReadersOfAResult) {
  const auto twice = [&](bool fused) {
    return mlp.gradients([&] {
      const Tensor h = mlp.layer(0, mlp.x, fused);
      return mlp.loss_of(mlp.layer(1, h, fused)) + h.square().sum() * 0.25;
    });
  };
  EXPECT_EQ(twice(true), twice(false));
}

TEST_P(LinearActivation, AResultThatIsALossToo) {
  const auto both = [&](bool fused) {
    const Tensor h = mlp.layer(0, mlp.x, fused), loss = mlp.loss_of(mlp.layer(1, h, fused));
    const std::vector<Tensor> found =
        grad({loss, h}, {mlp.weights[0]}, {scalar(0.5, GetParam().options), ones_like(h)});
    return values(found[0].to(DType::float64));
  };
  EXPECT_EQ(both(true), both(false));
}

TEST_P(LinearActivation, KeptGraphsGiveTheSameAgain) {
  const Tensor loss = mlp.loss(true);
  const std::vector<Tensor> parameters = mlp.parameters();
  const std::vector<Tensor> first = grad(std::span(&loss, 1), parameters, {}, true);
  const std::vector<Tensor> again = grad(std::span(&loss, 1), parameters);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_EQ(values(first[i].to(DType::float64)), values(again[i].to(DType::float64)));
  }
}

TEST_P(LinearActivation, SavedTensorHooksAndCheckpoints) {
  const auto plain = mlp.gradients([&] { return mlp.loss(true); });
  int saved = 0;
  const auto packed = mlp.gradients([&] {
    const SavedTensorHooks hooks([&](const Tensor& x) -> SavedTensorHooks::Unpack {
      ++saved;
      return [copy = x.clone()] { return copy; };
    });
    return mlp.loss(true);
  });
  EXPECT_GT(saved, 6);
  EXPECT_EQ(packed, plain);
  const auto recomputed = mlp.gradients([&] {
    Tensor x = mlp.x.detach().requires_grad_();
    return mlp.loss_of(checkpoint([&](const Tensor& in) { return mlp.layer(1, mlp.layer(0, in, true), true); }, x));
  });
  EXPECT_EQ(recomputed, plain);
}

TEST_P(LinearActivation, FewerGradientsWanted) {
  const auto with_frozen = [&](bool fused) {
    Mlp other(GetParam().activation, GetParam().options);
    other.weights[1].requires_grad_(false);
    other.biases[0].requires_grad_(false);
    other.loss(fused).backward();
    return std::pair(values(other.weights[0].grad().to(DType::float64)),
                     values(other.biases[1].grad().to(DType::float64)));
  };
  EXPECT_EQ(with_frozen(true), with_frozen(false));
}

TEST_P(LinearActivation, ShapesOtherThanMatrices) {
  const TensorOptions options = GetParam().options;
  for (const Shape& shape : {Shape{5}, Shape{2, 3, 5}, Shape{0, 5}}) {
    Generator generator(7);
    const Tensor x = randn(shape, options, generator).requires_grad_();
    const auto run = [&](bool fused) {
      const Tensor y = mlp.layer(1, mlp.layer(0, x, fused), fused);
      const Tensor dy = ones_like(y);
      const Tensor dx = grad({y}, {x}, {dy})[0];
      return std::pair(values(y.detach().to(DType::float64)), values(dx.to(DType::float64)));
    };
    EXPECT_EQ(run(true), run(false)) << to_string(shape);
  }
  // a product over nothing is the bias alone
  const Tensor b = full({3}, -0.5, options).requires_grad_(), w = zeros({3, 0}, options).requires_grad_();
  const auto run = [&](bool fused) {
    const Tensor x = zeros({2, 0}, options);
    const Tensor y = fused ? linear(x, w, b, mlp.activation) : apply(mlp.activation, linear(x, w, b));
    return std::pair(values(y.detach().to(DType::float64)),
                     values(grad({y}, {b}, {ones_like(y)})[0].to(DType::float64)));
  };
  EXPECT_EQ(run(true), run(false));
}

TEST_P(LinearActivation, ACapturedStepHasTheBitsOfEagerOnes) {
  const auto run = [&](bool captured) {
    const Mlp other(GetParam().activation, GetParam().options);
    const auto step = [&] {
      for (Tensor p : other.parameters()) p.zero_grad();
      other.loss(true).backward();
      const NoGrad off;
      for (Tensor p : other.parameters()) p.sub_(p.grad() * 0.1);
    };
    if (captured) {
      capture(step).replay(3);
    } else {
      for (int i = 0; i < 4; ++i) step();
    }
    return values(other.weights[0].detach().to(DType::float64));
  };
  EXPECT_EQ(run(true), run(false));
}

TEST(LinearActivationCalls, SecondDerivatives) {
  for (const Activation activation : activations) {
    const auto fn = [&](const std::vector<Tensor>& in) {
      return linear(linear(in[0], in[1], in[2], activation), in[3], {}, activation);
    };
    const std::vector<Tensor> in = {leaf({3, 4}, 1), leaf({5, 4}, 2), leaf({5}, 3), leaf({2, 5}, 4)};
    const auto first = gradcheck(fn, in), second = gradgradcheck(fn, in);
    EXPECT_TRUE(first) << name(activation) << ": " << first.message;
    EXPECT_TRUE(second) << name(activation) << ": " << second.message;
  }
}

TEST_P(LinearActivation, AnOverwrittenResultIsRefused) {
  Tensor h = mlp.layer(0, mlp.x, true);
  const Tensor loss = mlp.loss_of(mlp.layer(1, h, true));
  {
    const NoGrad off;
    h.mul_(2);
  }
  expect_error<AutogradError>([&] { loss.backward(); }, ErrorCode::version_conflict);
  if (mlp.activation == Activation::gelu_tanh) return;  // its derivative is one of what stood there before
  // Between the two calls: the layer above saved what it read, the derivative was of what it was.
  h = mlp.layer(0, mlp.x, true);
  {
    const NoGrad off;
    h.mul_(2);
  }
  const Tensor other = mlp.loss_of(mlp.layer(1, h, true));
  expect_error<AutogradError>([&] { other.backward(); }, ErrorCode::version_conflict);
}

TEST(LinearActivationCalls, TheDerivativeBelowIsMultipliedInByTheLayerAbove) {
  const Mlp mlp(Activation::relu, {cpu(), DType::float32});
  const auto calls = [&](bool fused, bool watched) {
    const CapturedStep step = capture([&] {
      for (Tensor p : mlp.parameters()) p.zero_grad();
      Tensor h = mlp.layer(0, mlp.x, fused);
      if (watched) h.register_hook([](const Tensor&) { return Tensor(); });
      mlp.loss_of(mlp.layer(1, h, fused)).backward();
    });
    return step.recorded_calls();
  };
  EXPECT_EQ(calls(true, false), 3u + 1 + 3);       // linear, the mean of the loss, the ways back
  EXPECT_EQ(calls(false, false), 3u + 2 + 1 + 3);  // two relu; their derivatives are multiplied in all the same
  EXPECT_EQ(calls(false, true), 3u + 2 + 1 + 3 + 1);
}

TEST(LinearActivationCalls, AProfileNamesBoth) {
  const Mlp mlp(Activation::tanh, {cpu(), DType::float32});
  Profiler profiler({1e9, 1e9});
  mlp.loss(true).backward();
  profiler.stop();
  std::vector<std::string> names;
  for (const ProfileRow& row : profiler.rows()) names.push_back(row.operation);
  for (const char* expected : {"linear_tanh", "linear_tanh, backward", "linear"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), expected), names.end()) << expected;
  }
}

TEST(LinearActivationCalls, AnomalyModeSeesTheGradientsOfTheSingleCalls) {
  const Mlp mlp(Activation::relu, {cpu(), DType::float32});
  const auto plain = mlp.gradients([&] { return mlp.loss(true); });
  const DetectAnomaly on({.forward = true});
  EXPECT_EQ(mlp.gradients([&] { return mlp.loss(true); }), plain);
}

TEST(LinearActivationCalls, ErrorsNameLinear) {
  expect_error<ShapeError>(
      [] {
        (void)linear(zeros({2, 3}), zeros({4, 5}), {}, Activation::relu);
      },
      ErrorCode::shape_mismatch, {"[linear]", "(2, 3)", "(4, 5)"});
}

TEST(CrossEntropyOfOne, TheMeansGradientIsNotMultipliedByOne) {
  const Mlp mlp(Activation::relu, {cpu(), DType::float64});
  const auto plain = mlp.gradients([&] { return mlp.loss(true); });
  const auto by_hand = mlp.gradients([&] { return mlp.loss(true) * 1.0; });  // somebody else hands the 1 on
  EXPECT_EQ(plain, by_hand);
  Values seen;
  const auto hooked = mlp.gradients([&] {
    Tensor loss = mlp.loss(true);
    loss.register_hook([&](const Tensor& g) {
      seen = values(g);
      return Tensor();
    });
    return loss;
  });
  EXPECT_EQ(seen, Values{1});
  EXPECT_EQ(hooked, plain);
  const Tensor loss = mlp.loss(true);
  EXPECT_EQ(values(grad({loss}, {loss})[0]), Values{1});
  const Tensor twice = grad({loss, loss}, {mlp.biases[2]}, {}, true)[0], once = grad({loss}, {mlp.biases[2]})[0];
  const Values a = values(twice), b = values(once);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_DOUBLE_EQ(a[i], 2 * b[i]);
}

}  // namespace
