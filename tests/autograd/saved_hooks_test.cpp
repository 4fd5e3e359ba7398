// What hooks make of saved values.

#include <cmath>
#include <map>

#include <weft/autograd/function.h>
#include <weft/autograd/saved_tensor_hooks.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

Tensor same(const Tensor& x) { return x; }

TEST(SavedTensorHooks, SeeEveryValueThatIsSaved) {
  Tensor x = leaf_of({1, 2}), w = leaf_of({3, 4});
  std::vector<Values> seen;
  Tensor y;
  {
    const SavedTensorHooks hooks(
        [&](const Tensor& saved) {
          EXPECT_FALSE(saved.requires_grad());
          EXPECT_FALSE(grad_enabled());
          seen.push_back(values(saved));
          return saved;
        },
        same);
    y = exp(x * w);
  }
  ASSERT_EQ(seen.size(), 3u);  // both factors, and exp's result
  EXPECT_EQ(seen[0], (Values{1, 2}));
  EXPECT_EQ(seen[1], (Values{3, 4}));
  EXPECT_EQ(seen[2], values(y));
  (x * w).sum();  // the scope is over
  EXPECT_EQ(seen.size(), 3u);
}

TEST(SavedTensorHooks, UnpackIsAskedOncePerBackward) {
  Tensor x = leaf_of({6, 8}), w = leaf_of({2, 4});
  int packed = 0, unpacked = 0;
  Tensor y;
  {
    const SavedTensorHooks hooks([&](const Tensor& t) { return ++packed, t; },
                                 [&](const Tensor& t) { return ++unpacked, t; });
    y = (x / w).sum();  // div's formula looks at w twice
  }
  const int expected = packed;
  y.backward({}, true);
  EXPECT_EQ(unpacked, expected);
  y.backward();
  EXPECT_EQ(unpacked, 2 * expected);
  EXPECT_EQ(values(x.grad()), (Values{1, 0.5}));
  EXPECT_EQ(values(w.grad()), (Values{-3, -1}));
}

TEST(SavedTensorHooks, AnyTypeMayStandInBetween) {
  std::map<int, Values> disk;
  Tensor x = leaf({3}), w = leaf({3}, 2);
  Tensor y;
  {
    const SavedTensorHooks hooks(
        [&](const Tensor& t) {
          const int key = static_cast<int>(disk.size());
          disk[key] = values(t);
          return key;
        },
        [&](int key) { return from_vector(disk.at(key), {3}, serial()); });
    y = tanh(x * w).sum();
  }
  EXPECT_EQ(disk.size(), 3u);
  y.backward();
  const Tensor expected = grad({tanh(x * w).sum()}, {x})[0];
  EXPECT_EQ(values(x.grad()), values(expected));
}

TEST(SavedTensorHooks, MayLosePrecision) {
  Tensor x = randn({64}, serial()).requires_grad_();
  Tensor y;
  {
    const SavedTensorHooks half([](const Tensor& t) { return t.to(DType::bfloat16); },
                                [](const Tensor& t) { return t.to(DType::float32); });
    y = (x * x).sum();
  }
  y.backward();
  const auto exact = x.to_vector<float>(), got = x.grad().to_vector<float>();
  for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(got[i], 2 * exact[i], 0.01F * std::abs(exact[i]));
}

TEST(SavedTensorHooks, SecondDerivativesGoThroughUnpackedValues) {
  Tensor x = leaf_of({2});
  std::vector<Tensor> first;
  {
    const SavedTensorHooks hooks([](const Tensor& t) { return t.clone(); }, same);
    const Tensor y = exp(x * x);
    first = grad({y}, {x}, {}, false, true);  // 2 x e^(x^2)
  }
  EXPECT_NEAR(grad({first[0]}, {x})[0].item(), (2 + 4 * 4) * std::exp(4.0), 1e-9);
}

TEST(SavedTensorHooks, TheInnermostScopeIsAsked) {
  Tensor x = leaf_of({1});
  std::string order;
  const auto named = [&](char c) {
    return [&order, c](const Tensor& t) {
      order += c;
      return t;
    };
  };
  const SavedTensorHooks outer(named('a'), same);
  (void)exp(x);
  {
    const SavedTensorHooks inner(named('b'), same);
    (void)exp(x);
  }
  (void)exp(x);
  EXPECT_EQ(order, "aba");
}

TEST(SavedTensorHooks, ServeCustomFunctions) {
  struct Square : Function<Square> {
    static Tensor forward(FunctionContext& ctx, const Tensor& x) {
      ctx.save_for_backward({x, Tensor()});
      return x * x;
    }
    static std::vector<Tensor> backward(FunctionContext& ctx, const std::vector<Tensor>& dy) {
      EXPECT_FALSE(ctx.saved_tensors()[1].defined());
      return {2 * dy[0] * ctx.saved_tensors()[0]};
    }
  };
  Tensor x = leaf_of({3});
  int packed = 0, unpacked = 0;
  Tensor y;
  {
    const SavedTensorHooks hooks([&](const Tensor& t) { return ++packed, t; },
                                 [&](const Tensor& t) { return ++unpacked, t; });
    y = Square::apply(x);
  }
  y.backward();
  EXPECT_EQ(values(x.grad()), Values{6});
  EXPECT_EQ(packed, 1);
  EXPECT_EQ(unpacked, 1);
}

TEST(SavedTensorHooks, AnOverwrittenOriginalIsFoundUnlessItWasCopied) {
  Tensor x = leaf_of({1, 2}), w = tensor({3, 4}, f64());
  const auto loss_with = [&](auto pack) {
    const SavedTensorHooks hooks(pack, same);
    return (x * w).sum();
  };
  const Tensor kept = loss_with(same), copied = loss_with([](const Tensor&t) { return t.clone(); });
  w.add_(1);
  expect_error<AutogradError>([&] { kept.backward(); }, ErrorCode::version_conflict, {"[mul]", "saved_hooks_test"});
  copied.backward();
  EXPECT_EQ(values(x.grad()), (Values{3, 4}));
}

TEST(SavedTensorHooks, WhatDoesNotFitIsRefused) {
  Tensor x = leaf_of({1, 2});
  const auto with = [&](auto unpack) {
    const SavedTensorHooks hooks(same, unpack);
    return (x * x).sum();
  };
  const auto refused = [&](const Tensor& y, const char* word) {
    expect_error<AutogradError>([&] { y.backward(); }, ErrorCode::saved_mismatch,
                                {"[mul]", "saved_hooks_test", "(2,)", word});
  };
  refused(with([](const Tensor&) { return normal({3}); }), "(3,)");
  refused(with([](const Tensor& t) { return t.to(DType::float32); }), "float32");
  refused(with([](const Tensor& t) { return t.to(cpu()); }), "cpu");
  refused(with([](const Tensor&) { return Tensor(); }), "undefined");
  EXPECT_FALSE(x.grad().defined());
  expect_error<ValueError>([] { const SavedTensorHooks none{SavedTensorHooks::Pack()}; }, ErrorCode::value_invalid);
}

TEST(SavedTensorHooks, WhatHooksThrowPassesThrough) {
  Tensor x = leaf_of({1, 2});
  {
    const SavedTensorHooks hooks([](const Tensor&) -> int { throw std::runtime_error("no room"); },
                                 [](int) { return Tensor(); });
    EXPECT_THROW((void)exp(x), std::runtime_error);
    EXPECT_TRUE(grad_enabled());
  }
  bool armed = true;
  Tensor y;
  {
    const SavedTensorHooks hooks(same, [&armed](const Tensor& t) {
      if (armed) throw std::runtime_error("unreadable");
      return t;
    });
    y = exp(x).sum();
  }
  EXPECT_THROW(y.backward({}, true), std::runtime_error);
  EXPECT_FALSE(x.grad().defined());
  armed = false;
  y.backward();
  EXPECT_TRUE(x.grad().defined());
}

}  // namespace
