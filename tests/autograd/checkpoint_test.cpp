// Parts that are computed again: the same gradients, less memory, the same random numbers.

#include <weft/autograd/checkpoint.h>
#include <weft/autograd/gradcheck.h>
#include <weft/autograd/saved_tensor_hooks.h>
#include <weft/nn/activations.h>
#include <weft/nn/linear.h>
#include <weft/nn/sequential.h>
#include <weft/tensor/tensor_impl.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

TEST(Checkpoint, GivesTheSameBits) {
  Tensor x = leaf({4, 5}), w = leaf({5, 5}, 2);
  const auto block = [&](const Tensor& in) { return tanh(matmul(tanh(matmul(in, w)), w)); };
  const std::vector<Tensor> expected = grad({block(x).sum()}, {x, w});
  const Tensor y = checkpoint(block, x);
  EXPECT_EQ(values(y), values(block(x)));
  const std::vector<Tensor> got = grad({y.sum()}, {x, w});
  EXPECT_EQ(values(got[0]), values(expected[0]));
  EXPECT_EQ(values(got[1]), values(expected[1]));
}

TEST(Checkpoint, KeepsInputsOnlyAndDropsWhatItMadeAgain) {
  Tensor x = leaf({3, 3});
  std::vector<Tensor> inside;
  int calls = 0;
  const auto block = [&](const Tensor& in) {
    ++calls;
    const Tensor h = in * 2.0;
    inside.push_back(h.detach());  // its storage lives as long as anybody keeps h's values
    return exp(h * h);
  };
  const Tensor y = checkpoint(block, x);
  ASSERT_EQ(calls, 1);
  EXPECT_EQ(inside[0].impl()->storage->refs.load(), 1u);
  y.sum().backward();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(inside[1].impl()->storage->refs.load(), 1u);
  const Tensor plain = block(x);  // without: the values are kept
  EXPECT_GT(inside[2].impl()->storage->refs.load(), 1u);
}

TEST(Checkpoint, ReachesTheParametersOfModules) {
  nn::Sequential layers{nn::Linear(4, 8), nn::Tanh(), nn::Linear(8, 2)};
  Tensor x = randn({3, 4});  // an input that records nothing
  layers(x).sum().backward();
  std::vector<std::vector<float>> expected;
  for (const Tensor& p : layers.parameters()) expected.push_back(p.grad().to_vector<float>());
  layers.zero_grad();
  checkpoint([&](const Tensor& in) { return layers(in); }, x).sum().backward();
  const auto parameters = layers.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_EQ(parameters[i].grad().to_vector<float>(), expected[i]);
  }
}

TEST(Checkpoint, DrawsTheSameMask) {
  Generator own(7);
  Tensor x = ones({1000}, f64()).requires_grad_();
  const auto block = [&](const Tensor& in) {
    // The mask is in the value the square saves: another one the second time would give another gradient.
    const Tensor a = dropout(in * 3.0, 0.5), b = dropout(in, 0.5, true, own);
    return a * a + b * b;
  };
  manual_seed(5);
  const Tensor plain = block(x);
  const Tensor expected = grad({plain.sum()}, {x})[0];
  manual_seed(5);
  own.manual_seed(7);
  const Tensor y = checkpoint(block, x, {.generators = {&own}});
  EXPECT_EQ(values(y), values(plain));
  const std::uint64_t draw = default_generator().draw(), own_draw = own.draw();
  (void)rand({3});
  EXPECT_EQ(values(grad({y.sum()}, {x})[0]), values(expected));
  EXPECT_EQ(default_generator().draw(), draw + 1);  // what others draw is not disturbed
  EXPECT_EQ(own.draw(), own_draw);

  const Tensor otherwise = checkpoint(block, x, {.preserve_rng_state = false});
  EXPECT_NE(values(grad({otherwise.sum()}, {x})[0]), values(expected));
}

TEST(Checkpoint, Nests) {
  Tensor x = leaf({4}), w = leaf({4}, 2);
  int outer_calls = 0, inner_calls = 0;
  std::vector<Tensor> between;
  const auto inner = [&](const Tensor& in) {
    ++inner_calls;
    return tanh(exp(in * w) * in);
  };
  const auto outer = [&](const Tensor& in) {
    ++outer_calls;
    const Tensor h = sigmoid(in * w);
    between.push_back(h.detach());
    return sigmoid(checkpoint(inner, checkpoint(inner, h)));
  };
  const Tensor y = checkpoint(outer, x);
  EXPECT_EQ(outer_calls, 1);
  EXPECT_EQ(between[0].impl()->storage->refs.load(), 1u);  // the inner part's input is not kept either
  const std::vector<Tensor> got = grad({y.sum()}, {x, w});
  EXPECT_EQ(outer_calls, 2);
  EXPECT_EQ(inner_calls, 2 + 2 + 2);
  const auto plain = [&](const Tensor& in) { return sigmoid(inner(inner(sigmoid(in * w)))); };
  const std::vector<Tensor> expected = grad({plain(x).sum()}, {x, w});
  EXPECT_EQ(values(got[0]), values(expected[0]));
  EXPECT_EQ(values(got[1]), values(expected[1]));
}

TEST(Checkpoint, RetainGraphComputesAgainEachTime) {
  Tensor x = leaf_of({1, 2});
  int calls = 0;
  const Tensor y = checkpoint(
                       [&](const Tensor& in) {
                         ++calls;
                         return exp(in * in) / in;
                       },
                       x)
                       .sum();
  const Values expected = values(grad({(exp(x * x) / x).sum()}, {x})[0]);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(values(grad({y}, {x}, {}, true)[0]), expected);
    EXPECT_EQ(calls, 1 + i);
  }
}

TEST(Checkpoint, PassesBothChecks) {
  const Tensor w = normal({3, 3}, 9);
  const auto f = [&](const std::vector<Tensor>& in) {
    return checkpoint(
        [&](const std::vector<Tensor>& a) -> std::vector<Tensor> {
          const Tensor h = matmul(a[0], w).sigmoid() * a[1];
          return {h, exp(h) / a[1]};
        },
        in)[1];
  };
  const std::vector<Tensor> inputs = {leaf({2, 3}), (normal({2, 3}, 2) * 0.1 + 2.0).requires_grad_()};
  const GradcheckResult first = gradcheck(f, inputs), second = gradgradcheck(f, inputs);
  EXPECT_TRUE(first) << first.message;
  EXPECT_TRUE(second) << second.message;
}

TEST(Checkpoint, WorksInsideSavedTensorHooks) {
  Tensor x = leaf_of({1, 2});
  int packed = 0;
  Tensor y;
  {
    const SavedTensorHooks hooks([&](const Tensor& t) { return ++packed, t.clone(); },
                                 [](const Tensor& t) { return t; });
    y = checkpoint([](const Tensor& in) { return exp(in) * in; }, x).sum();
  }
  EXPECT_EQ(packed, 1);  // the input
  EXPECT_EQ(values(grad({y}, {x})[0]), values(grad({(exp(x) * x).sum()}, {x})[0]));
}

TEST(Checkpoint, CostsNothingWhereNothingIsRecorded) {
  int calls = 0;
  const auto f = [&](const Tensor& in) {
    ++calls;
    return in * 2.0;
  };
  EXPECT_FALSE(checkpoint(f, normal({2})).requires_grad());
  const NoGrad off;
  EXPECT_FALSE(checkpoint(f, leaf({2})).requires_grad());
  EXPECT_EQ(calls, 2);
}

TEST(Checkpoint, AnotherCourseTheSecondTimeIsFound) {
  Tensor x = leaf_of({1, 2});
  int calls = 0;
  const Tensor more = checkpoint([&](const Tensor& in) { return ++calls == 1 ? exp(in) : exp(in) * exp(in); }, x).sum();
  expect_error<AutogradError>([&] { more.backward(); }, ErrorCode::saved_mismatch,
                              {"[checkpoint]", "checkpoint_test.cpp", "1 values", "4 when"});
  calls = 0;
  const Tensor other =
      checkpoint([&](const Tensor& in) { return exp(++calls == 1 ? in : in.narrow(0, 0, 1)); }, x).sum();
  expect_error<AutogradError>([&] { other.backward(); }, ErrorCode::saved_mismatch, {"[exp]", "(2,)", "(1,)"});
  EXPECT_FALSE(x.grad().defined());
}

TEST(Checkpoint, AnOverwrittenInputOrParameterIsFound) {
  Tensor x = leaf_of({1, 2}), w = leaf_of({3, 4});
  const auto f = [&](const Tensor& in) { return in * w; };
  for (Tensor target : {x, w}) {
    const Tensor y = checkpoint(f, x).sum();
    {
      const NoGrad off;
      target.add_(1);
    }
    expect_error<AutogradError>([&] { y.backward(); }, ErrorCode::version_conflict, {"checkpoint_test.cpp"});
  }
}

TEST(Checkpoint, AThrowInTheSecondCallLeavesEverythingUsable) {
  Tensor x = leaf_of({1, 2});
  bool armed = false;
  const Tensor y = checkpoint(
                       [&](const Tensor& in) {
                         if (armed) throw std::runtime_error("second call");
                         return exp(dropout(in, 0.1));
                       },
                       x)
                       .sum();
  armed = true;
  const std::uint64_t draw = default_generator().draw();
  EXPECT_THROW(y.backward({}, true), std::runtime_error);
  EXPECT_TRUE(grad_enabled());
  EXPECT_EQ(default_generator().draw(), draw);
  EXPECT_FALSE(x.grad().defined());
  armed = false;
  y.backward();
  EXPECT_TRUE(x.grad().defined());
}

TEST(Checkpoint, AFunctionThatKeepsItsLastResult) {
  Tensor x = leaf_of({1, 2}), last;  // the second call drops what is left of the first one's graph
  const auto f = [&](const Tensor& in) {
    last = exp(in * 3.0);
    return exp(in) * in;
  };
  const Tensor y = checkpoint(f, x).sum();
  y.backward();
  EXPECT_EQ(values(x.grad()), values(grad({(exp(x) * x).sum()}, {x})[0]));
}

TEST(Checkpoint, EmptyFunctionsAndInputsAreRefused) {
  expect_error<ValueError>([] { checkpoint(std::function<Tensor(const Tensor&)>(), normal({1})); },
                           ErrorCode::value_invalid, {"[checkpoint]"});
  expect_error<StateError>([] { checkpoint([](const Tensor& t) { return t; }, Tensor()); }, ErrorCode::tensor_undefined,
                           {"[checkpoint]"});
  expect_error<ValueError>(
      [] { checkpoint([](const Tensor& t) { return t; }, normal({1}), {.generators = {nullptr}}); },
      ErrorCode::value_invalid, {"generator"});
}

}  // namespace
