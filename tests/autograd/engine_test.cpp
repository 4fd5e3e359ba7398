// The walk back: what arrives where, in which order, what is freed, what is refused.

#include <cmath>

#include <weft/tensor/tensor_impl.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

TEST(Engine, GradientOfAScalar) {
  Tensor x = leaf_of({1, 2, 3});
  (x * x).sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{2, 4, 6}));
}

TEST(Engine, GradientGivenForSeveralElements) {
  Tensor x = leaf_of({1, 2, 3});
  (x * x).backward(tensor({1, 10, 100}, f64()));
  EXPECT_EQ(values(x.grad()), (Values{2, 40, 600}));
}

TEST(Engine, BackwardOfALeafItself) {
  Tensor x = number(3).requires_grad_();
  x.backward();
  EXPECT_EQ(values(x.grad()), Values{1});
}

TEST(Engine, BackwardsAddUp) {
  Tensor x = leaf_of({1, 2});
  for (int i = 0; i < 3; ++i) (x * 2.0).sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{6, 6}));
  x.zero_grad();
  EXPECT_FALSE(x.grad().defined());
  x.sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{1, 1}));
}

TEST(Engine, DiamondRunsEachNodeOnceWithTheWholeGradient) {
  Tensor x = leaf_of({3});
  Tensor h = x * 2.0;
  int calls = 0;
  h.register_hook([&](const Tensor& g) {
    ++calls;
    EXPECT_EQ(values(g), Values{5 + 12});  // from the sum and from the square
    return Tensor();
  });
  (h * 5.0 + h * h).sum().backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(values(x.grad()), Values{34});
}

TEST(Engine, LaterCallsRunFirst) {
  Tensor x = leaf_of({1});
  std::string order;
  const auto mark = [&](Tensor t, char c) {
    t.register_hook([&order, c](const Tensor&) {
      order += c;
      return Tensor();
    });
    return t;
  };
  const Tensor a = mark(x * 2.0, 'a');
  const Tensor b = mark(x * 3.0, 'b');
  const Tensor c = mark(a + 1, 'c');
  const Tensor d = mark(b * c, 'd');
  d.backward();
  EXPECT_EQ(order, "dcba");
}

TEST(Engine, OneTensorTwiceInOneCall) {
  Tensor x = leaf_of({3});
  (x * x).backward();
  EXPECT_EQ(values(x.grad()), Values{6});
  x.zero_grad();
  cat({x, x, x}).sum().backward();
  EXPECT_EQ(values(x.grad()), Values{3});
}

TEST(Engine, NothingIsRecordedWithoutNeed) {
  const Tensor x = leaf_of({1, 2});
  const Tensor plain = normal({2});
  EXPECT_TRUE((x + plain).requires_grad());
  EXPECT_FALSE((plain + plain).requires_grad());
  EXPECT_FALSE(gt(x, 0).requires_grad());
  EXPECT_FALSE(argmax(x).requires_grad());
  EXPECT_FALSE(x.to(DType::int64).requires_grad());
  EXPECT_FALSE(x.detach().requires_grad());
  EXPECT_TRUE(x.detach().is_leaf());
  {
    const NoGrad off;
    EXPECT_FALSE((x + plain).requires_grad());
    {
      const EnableGrad on;
      EXPECT_TRUE((x + plain).requires_grad());
    }
    EXPECT_FALSE(grad_enabled());
  }
  EXPECT_TRUE(grad_enabled());
}

TEST(Engine, ArgumentsWithoutGradientAreLeftAlone) {
  Tensor x = leaf({2, 3}), w = normal({3, 2}, 2);
  matmul(x, w).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(w.grad().defined());
  // The weight alone is saved for x's gradient; x is not saved for a gradient w does not want.
  const Tensor y = matmul(x, w);
  EXPECT_EQ(x.impl()->refs.load(), 1u);
  EXPECT_EQ(w.impl()->refs.load(), 2u);
  {
    const NoGrad off;
    x.add_(1);
  }
  EXPECT_NO_THROW(y.sum().backward());
}

TEST(Engine, AFrozenWeightDoesNotKeepItsInput) {
  Tensor x = leaf({4, 3}), w = normal({2, 3}, 2), bias = leaf({2}, 3);
  const Tensor y = linear(x, w, bias);
  EXPECT_EQ(x.impl()->refs.load(), 1u);
  const Tensor dy = normal({4, 2}, 4);
  const std::vector<Tensor> frozen = grad({y}, {x, bias}, {dy});
  w.requires_grad_();
  const std::vector<Tensor> trained = grad({linear(x, w, bias)}, {x, bias}, {dy});
  EXPECT_EQ(values(frozen[0]), values(trained[0]));
  EXPECT_EQ(values(frozen[1]), values(trained[1]));
}

TEST(Engine, LeafFacts) {
  Tensor x = normal({2});
  EXPECT_TRUE(x.is_leaf());
  EXPECT_FALSE(x.requires_grad());
  EXPECT_FALSE(x.grad().defined());
  x.requires_grad_();
  EXPECT_TRUE(x.is_leaf());
  EXPECT_TRUE(x.requires_grad());
  const Tensor y = x * 2.0;
  EXPECT_FALSE(y.is_leaf());
  EXPECT_TRUE(y.requires_grad());
  x.requires_grad_(false);
  EXPECT_FALSE(x.requires_grad());
  EXPECT_FALSE((x * 2.0).requires_grad());
  y.sum().backward();  // recorded before; the leaf no longer wants it
  EXPECT_FALSE(x.grad().defined());
}

TEST(Engine, SetGrad) {
  Tensor x = leaf_of({1, 2});
  x.set_grad(tensor({5, 6}, f64()));
  x.sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{6, 7}));
  x.set_grad({});
  EXPECT_FALSE(x.grad().defined());
  expect_error<AutogradError>([&] { x.set_grad(normal({3})); }, ErrorCode::gradient_mismatch,
                              {"set_grad", "(2,)", "(3,)"});
  expect_error<AutogradError>([&] { (x * 2.0).set_grad(normal({2})); }, ErrorCode::no_gradient, {"leaf"});
}

// ---- gradients do not alias what the user holds

TEST(Engine, GivenGradientIsNotTheLeafsGradient) {
  Tensor x = leaf_of({1, 2});
  Tensor g = tensor({1, 1}, f64());
  x.backward(g);
  EXPECT_FALSE(x.grad().shares_storage(g));
  g.fill_(9);
  EXPECT_EQ(values(x.grad()), (Values{1, 1}));
}

TEST(Engine, TwoLeavesNeverShareAGradient) {
  Tensor a = leaf_of({1, 2}), b = leaf_of({3, 4});
  (a + b).sum().backward();
  EXPECT_FALSE(a.grad().shares_storage(b.grad()));
  Tensor g = a.grad();
  g.mul_(5);
  EXPECT_EQ(values(b.grad()), (Values{1, 1}));
}

TEST(Engine, AGradientTheUserHoldsIsNotChangedByTheNextBackward) {
  Tensor x = leaf_of({1, 2});
  x.sum().backward();
  const Tensor held = x.grad();
  x.sum().backward();
  EXPECT_EQ(values(held), (Values{1, 1}));
  EXPECT_EQ(values(x.grad()), (Values{2, 2}));
}

TEST(Engine, AGradientNobodyHoldsIsAddedToInPlace) {
  Tensor x = leaf_of({1, 2});
  x.sum().backward();
  const void* before = x.grad().data<double>();
  x.sum().backward();
  EXPECT_EQ(x.grad().data<double>(), before);
}

TEST(Engine, GradientsAreRowMajorAndDense) {
  Tensor x = leaf({3, 4});
  x.transpose(0, 1).sum().backward();
  EXPECT_TRUE(x.grad().is_contiguous());
  Tensor y = leaf({3});
  y.expand({5, 3}).sum().backward();
  EXPECT_TRUE(y.grad().is_contiguous());
  EXPECT_EQ(values(y.grad()), (Values{5, 5, 5}));
}

TEST(Engine, ResultsOfGradDoNotAliasItsArguments) {
  Tensor x = leaf_of({1, 2});
  Tensor y = leaf_of({1, 2});
  const Tensor g = tensor({1, 2}, f64());
  const std::vector<Tensor> r = grad({x + y}, {x, y}, {g});
  EXPECT_FALSE(r[0].shares_storage(g));
  EXPECT_FALSE(r[0].shares_storage(r[1]));
}

// ---- grad()

TEST(Grad, LeavesTheLeavesAlone) {
  Tensor x = leaf_of({1, 2}), w = leaf_of({3, 4});
  const std::vector<Tensor> r = grad({(x * w).sum()}, {x});
  EXPECT_EQ(values(r[0]), (Values{3, 4}));
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(w.grad().defined());
}

TEST(Grad, OfATensorOnTheWay) {
  Tensor x = leaf_of({2});
  const Tensor h = x * 3.0;
  const Tensor y = h * h;
  const std::vector<Tensor> r = grad({y}, {h, x, y, h}, {}, true);
  EXPECT_EQ(values(r[0]), Values{12});
  EXPECT_EQ(values(r[1]), Values{36});
  EXPECT_EQ(values(r[2]), Values{1});
  EXPECT_EQ(values(r[3]), Values{12});
}

TEST(Grad, OfSeveralOutputs) {
  Tensor x = leaf_of({2});
  const std::vector<Tensor> r = grad({x * 3.0, x * x}, {x}, {tensor({10}, f64()), {}});
  EXPECT_EQ(values(r[0]), Values{34});
}

TEST(Grad, GoesOnlyWhereItMust) {
  Tensor x = leaf_of({2}), w = leaf_of({5});
  const Tensor side = w * 2.0;
  const Tensor y = (x * side).sum();
  int calls = 0;
  w.register_hook([&](const Tensor&) { return ++calls, Tensor(); });
  grad({y}, {x});
  EXPECT_EQ(calls, 0);
  EXPECT_NO_THROW(side.sum().backward());  // the side branch was not walked, so it was not freed
}

TEST(Grad, DoesNotLookBehindItsInputs) {
  Tensor x = leaf_of({2});
  const Tensor a = x * 3.0;
  const Tensor h = a * a;
  const Tensor y = h * 5.0;
  (a * 1.0).sum().backward();  // frees what lies behind h
  EXPECT_EQ(values(grad({y}, {h}, {}, true)[0]), Values{5});
  expect_error<AutogradError>([&] { grad({y}, {x}); }, ErrorCode::graph_freed);
  EXPECT_EQ(values(grad({y}, {a})[0]), Values{60});  // a is an input itself: nothing behind it is needed
}

TEST(Grad, StopsAtItsInputs) {
  Tensor x = leaf_of({2});
  const Tensor h = x * x;
  EXPECT_EQ(values(grad({h * 5.0}, {h})[0]), Values{5});
  h.backward();  // what lies behind h was neither run nor freed
  EXPECT_EQ(values(x.grad()), Values{4});
}

TEST(Grad, UnusedInput) {
  Tensor x = leaf_of({2}), other = leaf_of({3});
  const Tensor y = x * x;
  expect_error<AutogradError>([&] { grad({y}, {x, other}); }, ErrorCode::no_gradient, {"input 1", "allow_unused"});
  const std::vector<Tensor> r = grad({y}, {x, other}, {}, false, false, true);  // the refusal had freed nothing
  EXPECT_EQ(values(r[0]), Values{4});
  EXPECT_FALSE(r[1].defined());
}

TEST(Grad, RefusesWhatMakesNoSense) {
  Tensor x = leaf_of({2, 3});
  const Tensor y = x * 2.0;
  expect_error<ValueError>([&] { grad({}, {x}); }, ErrorCode::value_invalid, {"outputs"});
  expect_error<ValueError>([&] { grad({y}, {}); }, ErrorCode::value_invalid, {"inputs"});
  expect_error<ValueError>([&] { grad({y}, {x}, {y, y}); }, ErrorCode::value_invalid, {"2 grad_outputs"});
  expect_error<AutogradError>([&] { grad({y.sum()}, {normal({2})}); }, ErrorCode::no_gradient, {"input 0"});
  expect_error<StateError>([&] { grad({y.sum()}, {Tensor()}); }, ErrorCode::tensor_undefined);
}

// ---- second derivatives

TEST(CreateGraph, ThirdDerivative) {
  Tensor x = leaf_of({2});
  const Tensor y = x * x * x * x;
  const Tensor first = grad({y}, {x}, {}, false, true)[0];
  const Tensor second = grad({first}, {x}, {}, false, true)[0];
  const Tensor third = grad({second}, {x})[0];
  EXPECT_EQ(values(first), Values{32});
  EXPECT_EQ(values(second), Values{48});
  EXPECT_EQ(values(third), Values{48});
}

TEST(CreateGraph, ThroughASavedResult) {
  Tensor x = number(0.5).requires_grad_();
  const Tensor y = exp(x * 2.0);
  const Tensor first = grad({y}, {x}, {}, false, true)[0];
  first.backward();
  EXPECT_DOUBLE_EQ(x.grad().item<double>(), 4 * std::exp(1.0));
}

TEST(CreateGraph, GradientPenalty) {
  Tensor x = leaf_of({1, 2}), w = leaf_of({3, 4});
  const Tensor g = grad({(w * x * x).sum()}, {x}, {}, false, true)[0];  // 2 w x
  (g * g).sum().backward();                                             // d/dw 4 w^2 x^2 = 8 w x^2
  EXPECT_EQ(values(w.grad()), (Values{24, 128}));
}

TEST(CreateGraph, WithoutItNothingIsRecorded) {
  Tensor x = leaf_of({1, 2});
  EXPECT_FALSE(grad({(x * x).sum()}, {x})[0].requires_grad());
  (x * x).sum().backward();
  EXPECT_FALSE(x.grad().requires_grad());
  Tensor g = leaf_of({1, 1});  // also where the given gradient has a history of its own
  x.zero_grad();
  (x + 0.0).backward(g * 2.0);
  EXPECT_FALSE(x.grad().requires_grad());
}

TEST(CreateGraph, BackwardKeepsAGraphInGrad) {
  Tensor x = leaf_of({2});
  (x * x * x).backward({}, false, true);
  EXPECT_TRUE(x.grad().requires_grad());
  const Tensor first = x.grad();
  x.zero_grad();  // also breaks the cycle leaf - gradient - leaf
  first.sum().backward();
  EXPECT_EQ(values(x.grad()), Values{12});
  x.zero_grad();
}

// ---- freeing

TEST(Freeing, SecondBackwardIsRefused) {
  Tensor x = leaf_of({1, 2});
  const Tensor y = (x * x).sum();
  y.backward();
  expect_error<AutogradError>([&] { y.backward(); }, ErrorCode::graph_freed,
                              {"retain_graph", "[sum]", "engine_test.cpp"});
  EXPECT_EQ(values(x.grad()), (Values{2, 4}));
}

TEST(Freeing, RetainGraphAllowsIt) {
  Tensor x = leaf_of({1, 2});
  const Tensor y = (x * x).sum();
  y.backward({}, true);
  y.backward({}, true);
  y.backward();
  EXPECT_EQ(values(x.grad()), (Values{6, 12}));
}

TEST(Freeing, AFreedPartIsFoundBeforeAnythingIsChanged) {
  Tensor x = leaf_of({2}), w = leaf_of({3});
  const Tensor trunk = x * x;
  (trunk * 1.0).sum().backward();
  x.zero_grad();
  const Tensor other = trunk * w;
  int calls = 0;
  w.register_hook([&](const Tensor&) { return ++calls, Tensor(); });
  expect_error<AutogradError>([&] { other.backward(); }, ErrorCode::graph_freed, {"[mul]"});
  EXPECT_EQ(calls, 0);
  EXPECT_FALSE(w.grad().defined());
}

TEST(Freeing, SavedValuesGoWithTheWalk) {
  Tensor x = leaf({8});
  Tensor saved = normal({8}, 3);
  const Tensor y = (x * saved).sum();
  EXPECT_GT(saved.impl()->refs.load(), 1u);
  y.backward();
  EXPECT_EQ(saved.impl()->refs.load(), 1u);  // y itself is still held
}

TEST(Freeing, AGraphNobodyHoldsGivesItsValuesBack) {
  Tensor saved = normal({8}, 3);
  {
    Tensor x = leaf({8});
    const Tensor y = tanh(exp(x * saved)) * saved;
    EXPECT_GT(saved.impl()->refs.load(), 1u);
  }
  EXPECT_EQ(saved.impl()->refs.load(), 1u);
}

TEST(Freeing, ASavedResultIsNoCycle) {
  Tensor x = leaf({8});
  Tensor y = exp(x);
  Storage* storage = y.impl()->storage;
  storage->refs.fetch_add(1);  // watch it
  y = Tensor();
  EXPECT_EQ(storage->refs.load(), 1u);
  release_storage(storage);
}

TEST(Freeing, ALeafMayDieBeforeItsGraph) {
  Tensor y;
  {
    Tensor x = leaf_of({1, 2});
    y = (x * x).sum();
  }
  EXPECT_NO_THROW(y.backward());
}

// ---- what backward refuses

TEST(Refusals, NoGraph) {
  expect_error<AutogradError>([] { normal({}).backward(); }, ErrorCode::no_gradient, {"backward", "requires_grad_"});
  Tensor x = leaf_of({1});
  Tensor y;
  {
    const NoGrad off;
    y = x * 2.0;
  }
  expect_error<AutogradError>([&] { y.backward(); }, ErrorCode::no_gradient, {"NoGrad"});
  expect_error<StateError>([] { Tensor().backward(); }, ErrorCode::tensor_undefined);
}

TEST(Refusals, NotOneElement) {
  Tensor x = leaf_of({1, 2});
  expect_error<AutogradError>([&] { (x * 2.0).backward(); }, ErrorCode::no_gradient, {"(2,)", "sum()"});
  Tensor none = leaf({0});
  expect_error<AutogradError>([&] { (none * 2.0).backward(); }, ErrorCode::no_gradient, {"(0,)"});
}

TEST(Refusals, GradientThatDoesNotFit) {
  Tensor x = leaf_of({1, 2});
  const Tensor y = x * 2.0;
  expect_error<AutogradError>([&] { y.backward(normal({3})); }, ErrorCode::gradient_mismatch,
                              {"shape", "(2,)", "(3,)"});
  expect_error<AutogradError>([&] { y.backward(normal({1, 2})); }, ErrorCode::gradient_mismatch, {"shape"});
  expect_error<AutogradError>([&] { y.backward(ones({2}, serial())); }, ErrorCode::gradient_mismatch,
                              {"dtype", "float64", "float32"});
  EXPECT_FALSE(x.grad().defined());
  EXPECT_NO_THROW(y.backward(normal({2})));  // nothing was used up
}

TEST(Refusals, IntegersHaveNoGradient) {
  for (const DType dtype : {DType::int64, DType::int32, DType::uint8, DType::boolean}) {
    Tensor x = zeros({2}, {serial(), dtype});
    expect_error<DTypeError>([&] { x.requires_grad_(); }, ErrorCode::dtype_unsupported, {name(dtype), ".to("});
    EXPECT_NO_THROW(x.requires_grad_(false));
    EXPECT_FALSE(x.requires_grad());
  }
}

TEST(Refusals, AResultCannotStopRecording) {
  Tensor x = leaf_of({1, 2});
  Tensor y = x * 2.0;
  expect_error<AutogradError>([&] { y.requires_grad_(false); }, ErrorCode::no_gradient, {"[mul]", "detach()"});
  EXPECT_NO_THROW(y.requires_grad_());
  EXPECT_FALSE(y.is_leaf());
}

// ---- dtypes and devices

TEST(Casts, GradientComesBackInTheLeafsDType) {
  Tensor x = leaf_of({1, 2});
  (x.to(DType::float32) * 3).sum().backward();
  EXPECT_EQ(x.grad().dtype(), DType::float64);
  EXPECT_EQ(values(x.grad()), (Values{3, 3}));
  Tensor h = ones({2}, {serial(), DType::float16}).requires_grad_();
  h.to(DType::float32).sum().backward();
  EXPECT_EQ(h.grad().dtype(), DType::float16);
}

TEST(Casts, GradientComesBackToTheLeafsDevice) {
  Tensor x = leaf_of({1, 2});
  const Tensor there = x.to(cpu());
  EXPECT_EQ(there.device(), cpu());
  (there * there).sum().backward();
  EXPECT_EQ(x.grad().device(), serial());
  EXPECT_EQ(values(x.grad()), (Values{2, 4}));
  expect_error<AutogradError>(
      [&] {
        (x * 2.0).backward(ones({2}, {cpu(), DType::float64}));
      },
      ErrorCode::gradient_mismatch, {"device", "serial", "cpu"});
}

TEST(Casts, ToItsOwnDTypeIsTheTensorItself) {
  const Tensor x = leaf_of({1, 2});
  EXPECT_TRUE(x.to(DType::float64).is_same(x));
  EXPECT_TRUE(x.to(serial()).is_same(x));
  EXPECT_TRUE(x.contiguous().is_same(x));
}

}  // namespace
