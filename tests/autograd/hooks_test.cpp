// Hooks, and backwards started inside them.

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

TEST(Hooks, SeeTheGradientOfATensorOnTheWay) {
  Tensor x = leaf_of({1, 2});
  Tensor h = x * 3.0;
  Tensor seen;
  h.register_hook([&](const Tensor& g) {
    seen = g.clone();
    EXPECT_FALSE(grad_enabled());
    return Tensor();
  });
  (h * h).sum().backward();
  EXPECT_EQ(values(seen), (Values{6, 12}));
  EXPECT_EQ(values(x.grad()), (Values{18, 36}));
}

TEST(Hooks, ReplaceTheGradient) {
  Tensor x = leaf_of({1, 2});
  Tensor h = x * 3.0;
  h.register_hook([](const Tensor& g) { return g * 10.0; });
  h.register_hook([](const Tensor& g) { return g + 1; });  // in the order they were registered
  h.sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{33, 33}));
}

TEST(Hooks, OfALeafSeeTheSumOverTheGraph) {
  Tensor x = leaf_of({1, 2});
  int calls = 0;
  x.register_hook([&](const Tensor& g) {
    ++calls;
    EXPECT_EQ(values(g), (Values{5, 5}));
    return g * 2.0;
  });
  (x * 2.0 + x * 3.0).sum().backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(values(x.grad()), (Values{10, 10}));
  (x * 2.0 + x * 3.0).sum().backward();  // sees the new gradient, not the total
  EXPECT_EQ(values(x.grad()), (Values{20, 20}));
}

TEST(Hooks, RunInGradToo) {
  Tensor x = leaf_of({2});
  Tensor h = x * 3.0;
  h.register_hook([](const Tensor& g) { return g * 2.0; });
  const std::vector<Tensor> r = grad({h * 5.0}, {x, h});
  EXPECT_EQ(values(r[0]), Values{30});
  EXPECT_EQ(values(r[1]), Values{10});
}

TEST(Hooks, AreRecordedUnderCreateGraph) {
  Tensor x = leaf_of({2});
  Tensor h = x * x;
  h.register_hook([](const Tensor& g) { return g * g; });
  const Tensor first = grad({h * h}, {x}, {}, false, true)[0];  // (2 h)^2 2 x
  EXPECT_EQ(values(first), Values{256});
  // d/dx: 2 (2 h)^2 = 128, and through h: 8 h 2 x = 128, which the hook squares on its way, times 2 x
  EXPECT_EQ(values(grad({first}, {x})[0]), Values{128 + 128 * 128 * 4});
}

TEST(Hooks, AReplacementThatDoesNotFitIsRefused) {
  Tensor x = leaf_of({1, 2});
  Tensor h = x * 3.0;
  h.register_hook([](const Tensor&) { return normal({3}); });
  expect_error<AutogradError>([&] { h.sum().backward(); }, ErrorCode::gradient_mismatch, {"hook", "(2,)", "(3,)"});
  EXPECT_FALSE(x.grad().defined());
}

TEST(Hooks, NeedSomethingToHangOn) {
  Tensor x = normal({2});
  expect_error<AutogradError>([&] { x.register_hook([](const Tensor& g) { return g; }); }, ErrorCode::no_gradient,
                              {"requires_grad_"});
  x.requires_grad_();
  expect_error<ValueError>([&] { x.register_hook({}); }, ErrorCode::value_invalid, {"empty"});
}

TEST(Hooks, AnExceptionLeavesGraphAndLeavesUsable) {
  Tensor x = leaf_of({1, 2}), w = leaf_of({3, 4});
  bool armed = true;
  Tensor h = x * x;
  h.register_hook([&](const Tensor&) -> Tensor {
    if (armed) throw std::runtime_error("from the hook");
    return {};
  });
  const Tensor y = (h * w).sum();
  EXPECT_THROW(y.backward({}, true), std::runtime_error);
  EXPECT_TRUE(grad_enabled());
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(w.grad().defined());  // its gradient was complete, and yet nothing was added
  armed = false;
  y.backward();
  EXPECT_EQ(values(x.grad()), (Values{6, 16}));
  EXPECT_EQ(values(w.grad()), (Values{1, 4}));
}

TEST(Hooks, AnExceptionInALeafsHookAddsToNoLeaf) {
  Tensor a = leaf_of({1}), b = leaf_of({2});
  a.register_hook([](const Tensor&) -> Tensor { throw std::runtime_error("no"); });
  EXPECT_THROW((a * b).backward(), std::runtime_error);
  EXPECT_FALSE(a.grad().defined());
  EXPECT_FALSE(b.grad().defined());
}

TEST(Hooks, MayGoThroughAnotherGraph) {
  Tensor x = leaf_of({1, 2}), other = leaf_of({3});
  Tensor h = x * 2.0;
  h.register_hook([&](const Tensor&) {
    const EnableGrad on;
    (other * other).sum().backward();
    EXPECT_TRUE(grad_enabled());
    return Tensor();
  });
  h.sum().backward();
  EXPECT_EQ(values(other.grad()), Values{6});
  EXPECT_EQ(values(x.grad()), (Values{2, 2}));
}

TEST(Hooks, MayAddToTheSameLeaves) {
  Tensor x = leaf_of({1, 2});
  Tensor h = x * 2.0;
  h.register_hook([&](const Tensor&) {
    const EnableGrad on;
    (x * 10.0).sum().backward();
    return Tensor();
  });
  h.sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{12, 12}));
}

TEST(Hooks, MayNotGoThroughTheSameGraph) {
  Tensor x = leaf_of({1, 2});
  Tensor h = x * 2.0;
  Tensor y = (h * h).sum();
  int refused = 0;
  h.register_hook([&](const Tensor&) {
    expect_error<AutogradError>([&] { y.backward(); }, ErrorCode::reentrant_backward, {"hook"});
    const EnableGrad on;
    expect_error<AutogradError>([&] { h.sum().backward(); }, ErrorCode::reentrant_backward);
    ++refused;
    return Tensor();
  });
  y.backward();  // and this one goes on undisturbed
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(values(x.grad()), (Values{8, 16}));
}

TEST(Hooks, MayRegisterFurtherHooks) {
  Tensor x = leaf_of({1});
  Tensor h = x * 2.0;
  int calls = 0;
  Tensor handle = h;
  h.register_hook([&](const Tensor&) {
    if (calls++ == 0) {
      for (int i = 0; i < 20; ++i) handle.register_hook([&](const Tensor&) { return ++calls, Tensor(); });
    }
    return Tensor();
  });
  h.sum().backward();
  EXPECT_EQ(calls, 21);
}

TEST(Hooks, AreTakenAwayByTheirHandle) {
  Tensor x = leaf_of({1});
  Tensor h = x * 2.0;
  std::string order;
  const auto mark = [&](char c) {
    return [&order, c](const Tensor&) {
      order += c;
      return Tensor();
    };
  };
  h.register_hook(mark('a'));
  HookHandle b = h.register_hook(mark('b'));
  h.register_hook(mark('c'));
  h.sum().backward({}, true);
  HookHandle copy = b;
  b.remove();
  b.remove();
  copy.remove();
  h.sum().backward({}, true);
  EXPECT_EQ(order, "abcac");
  HookHandle of_leaf = x.register_hook([](const Tensor& g) { return g * 100.0; });
  of_leaf.remove();
  h.sum().backward({}, true);
  EXPECT_EQ(values(x.grad()), Values{6});
  HookHandle outlives;
  {
    Tensor gone = x * 3.0;
    outlives = gone.register_hook(mark('d'));
  }
  outlives.remove();
  HookHandle().remove();
}

TEST(Hooks, MayRemoveThemselves) {
  Tensor x = leaf_of({1});
  Tensor h = x * 2.0;
  int calls = 0;
  HookHandle handle;
  const std::vector<int> captured(1000, 7);
  handle = h.register_hook([&handle, &calls, captured](const Tensor& g) {
    handle.remove();
    ++calls;
    return g * static_cast<double>(captured[999]);  // still there
  });
  h.sum().backward({}, true);
  h.sum().backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(values(x.grad()), Values{14 + 2});
}

}  // namespace
