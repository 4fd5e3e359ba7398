// Functions of one's own: what forward and backward see, what is refused, second derivatives or the refusal of them.

#include <cmath>
#include <thread>

#include <weft/autograd/function.h>
#include <weft/autograd/gradcheck.h>
#include <weft/tensor/tensor_impl.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

struct Cube : Function<Cube> {
  static constexpr const char* name = "cube";
  static Tensor forward(FunctionContext& ctx, const Tensor& x) {
    EXPECT_FALSE(grad_enabled());
    ctx.save_for_backward({x});
    return x * x * x;
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const std::vector<Tensor>& dy) {
    const Tensor x = ctx.saved_tensors()[0];
    return {3 * dy[0] * x * x};
  }
};

// exp, written with its result.
struct Exponential : Function<Exponential> {
  static constexpr const char* name = "exponential";
  static Tensor forward(FunctionContext& ctx, const Tensor& x) {
    const Tensor y = exp(x);
    ctx.save_for_backward({y});
    return y;
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const std::vector<Tensor>& dy) {
    return {dy[0] * ctx.saved_tensors()[0]};
  }
};

// a b and a + b, scaled; arguments that are no tensor, and two results.
struct Both : Function<Both> {
  static constexpr const char* name = "both";
  static std::vector<Tensor> forward(FunctionContext& ctx, const Tensor& a, double scale, const Tensor& b) {
    ctx.save_for_backward({a, b});
    ctx.keep(scale);
    return {scale * a * b, a + b};
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const std::vector<Tensor>& dy) {
    const std::vector<Tensor> in = ctx.saved_tensors();
    const double scale = ctx.kept<double>();
    return {scale * dy[0] * in[1] + dy[1], {}, scale * dy[0] * in[0] + dy[1]};
  }
};

TEST(CustomFunction, ForwardAndBackward) {
  Tensor x = leaf_of({1, 2, 3});
  const Tensor y = Cube::apply(x);
  EXPECT_EQ(values(y), (Values{1, 8, 27}));
  EXPECT_TRUE(y.requires_grad());
  EXPECT_FALSE(y.is_leaf());
  (y * 2.0).sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{6, 24, 54}));
}

TEST(CustomFunction, RecordsNothingWithoutNeed) {
  const Tensor x = normal({2});
  EXPECT_FALSE(Cube::apply(x).requires_grad());
  const Tensor w = leaf_of({1, 2});
  const NoGrad off;
  EXPECT_FALSE(Cube::apply(w).requires_grad());
  EXPECT_EQ(w.impl()->refs.load(), 1u);
}

TEST(CustomFunction, PassesBothChecks) {
  const auto cube = [](const std::vector<Tensor>& in) { return Cube::apply(in[0]); };
  const auto exponential = [](const std::vector<Tensor>& in) { return Exponential::apply(in[0]); };
  const auto both = [](const std::vector<Tensor>& in) {
    const std::vector<Tensor> y = Both::apply(in[0], 1.5, in[1]);
    return y[0] * y[1];
  };
  const auto second_only = [](const std::vector<Tensor>& in) { return Both::apply(in[0], 1.5, in[1])[1].tanh(); };
  const std::vector<Tensor> inputs = {leaf({2, 3}, 1), leaf({2, 3}, 2)};
  for (const GradcheckFunction& f : {GradcheckFunction(cube), GradcheckFunction(exponential), GradcheckFunction(both),
                                     GradcheckFunction(second_only)}) {
    const GradcheckResult first = gradcheck(f, inputs), second = gradgradcheck(f, inputs);
    EXPECT_TRUE(first) << first.message;
    EXPECT_TRUE(second) << second.message;
  }
}

// Third derivatives of x^3 and e^x: the graph of the gradient leads through the call again.
TEST(CustomFunction, IsDifferentiatedAsOftenAsAsked) {
  Tensor x = leaf_of({2});
  Tensor y = Cube::apply(x);
  for (const double expected : {12.0, 12.0, 6.0}) {
    y = grad({y.sum()}, {x}, {}, false, true)[0];
    EXPECT_EQ(values(y), Values{expected});
  }
  y = Exponential::apply(x);
  for (int i = 0; i < 3; ++i) {
    y = grad({y.sum()}, {x}, {}, false, true)[0];
    EXPECT_DOUBLE_EQ(y.item(), std::exp(2.0));
  }
}

TEST(CustomFunction, TwoResultsAreGoneThroughOnce) {
  struct Counted : Function<Counted> {
    static std::vector<Tensor> forward(FunctionContext& ctx, const Tensor& x, int* calls) {
      ctx.keep(calls);
      return {x * 2.0, x * 3.0};
    }
    static std::vector<Tensor> backward(FunctionContext& ctx, const std::vector<Tensor>& dy) {
      ++*ctx.kept<int*>();
      EXPECT_FALSE(ctx.needs_input_grad(1));
      EXPECT_TRUE(ctx.needs_input_grad(0));
      EXPECT_FALSE(ctx.needs_input_grad(2));
      return {2 * dy[0] + 3 * dy[1], {}};
    }
  };
  Tensor x = leaf_of({1, 2});
  int calls = 0;
  const std::vector<Tensor> y = Counted::apply(x, &calls);
  (y[0] + y[1] * 10.0).sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{32, 32}));
  EXPECT_EQ(calls, 1);
  // The second alone: the first one's gradient is zeros.
  x.zero_grad();
  Counted::apply(x, &calls)[1].sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{3, 3}));
}

TEST(CustomFunction, GradientsThatDidNotArriveMayStayUndefined) {
  struct Picky : Function<Picky> {
    static std::vector<Tensor> forward(FunctionContext& ctx, const Tensor& x) {
      ctx.set_materialize_grads(false);
      return {x * 2.0, x * 3.0};
    }
    static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) {
      EXPECT_FALSE(dy[0].defined());
      return {3 * dy[1]};
    }
  };
  Tensor x = leaf_of({1});
  Picky::apply(x)[1].backward();
  EXPECT_EQ(values(x.grad()), Values{3});
}

TEST(CustomFunction, ListsOfTensorsCountWithTheirElements) {
  struct Total : Function<Total> {
    static Tensor forward(FunctionContext& ctx, const std::vector<Tensor>& terms, const Tensor& last) {
      EXPECT_TRUE(ctx.needs_input_grad(0));
      EXPECT_FALSE(ctx.needs_input_grad(1));
      EXPECT_TRUE(ctx.needs_input_grad(2));
      return terms[0] + terms[1] * 2.0 + last * 3.0;
    }
    static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) {
      return {dy[0], dy[0] * 2.0, dy[0] * 3.0};  // the second in vain
    }
  };
  Tensor a = leaf_of({1}), c = leaf_of({3});
  const Tensor y = Total::apply(std::vector<Tensor>{a, number(5).reshape({1})}, c);
  EXPECT_EQ(values(y), Values{20});
  y.backward();
  EXPECT_EQ(values(a.grad()), Values{1});
  EXPECT_EQ(values(c.grad()), Values{3});
}

TEST(CustomFunction, AGradientOfABroadcastShapeIsSummed) {
  struct Plus : Function<Plus> {
    static Tensor forward(FunctionContext&, const Tensor& a, const Tensor& b) { return a + b; }
    static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) { return {dy[0], dy[0]}; }
  };
  Tensor a = leaf({2, 3}), b = leaf({3}, 2);
  Plus::apply(a, b).sum().backward();
  EXPECT_EQ(a.grad().shape(), (Shape{2, 3}));
  EXPECT_EQ(values(b.grad()), (Values{2, 2, 2}));
}

TEST(CustomFunction, ReturningAnArgumentGivesANewTensor) {
  struct Same : Function<Same> {
    static Tensor forward(FunctionContext&, const Tensor& x) { return x; }
    static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) { return {-dy[0]}; }
  };
  Tensor x = leaf_of({1, 2});
  const Tensor y = Same::apply(x);
  EXPECT_FALSE(y.is_same(x));
  EXPECT_TRUE(y.shares_storage(x));
  EXPECT_TRUE(x.is_leaf());
  y.sum().backward();
  EXPECT_EQ(values(x.grad()), (Values{-1, -1}));  // a gradient reversed
}

TEST(CustomFunction, ResultsWithoutGradient) {
  struct Sorted : Function<Sorted> {
    static std::vector<Tensor> forward(FunctionContext& ctx, const Tensor& x) {
      const Tensor largest = x.max(), rounded = x * 1.0;
      ctx.mark_non_differentiable({rounded});
      return {largest, argmax(x), rounded};
    }
    static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) {
      EXPECT_EQ(dy.size(), 3u);
      return {dy[0].expand({3})};
    }
  };
  Tensor x = leaf_of({1, 3, 2});
  const std::vector<Tensor> y = Sorted::apply(x);
  EXPECT_TRUE(y[0].requires_grad());
  EXPECT_FALSE(y[1].requires_grad());
  EXPECT_FALSE(y[2].requires_grad());
  y[0].backward();
  EXPECT_EQ(values(x.grad()), (Values{1, 1, 1}));
}

struct Once : Function<Once> {
  static constexpr const char* name = "once";
  static constexpr bool once_differentiable = true;
  static Tensor forward(FunctionContext& ctx, const Tensor& x, const Tensor& w) {
    ctx.save_for_backward({x, w});
    return x * w;
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const std::vector<Tensor>& dy) {
    EXPECT_FALSE(grad_enabled());
    const std::vector<Tensor> in = ctx.saved_tensors();
    return {dy[0] * in[1], dy[0] * in[0]};
  }
};

TEST(CustomFunction, OnceDifferentiableRefusesTheSecond) {
  Tensor x = leaf_of({2}), w = leaf_of({5});
  Once::apply(x, w).backward();
  EXPECT_EQ(values(x.grad()), Values{5});
  EXPECT_EQ(values(w.grad()), Values{2});
  // A first derivative under create_graph is still right, and only going on is refused.
  const Tensor first = grad({Once::apply(x * x, w)}, {x}, {}, false, true)[0];
  EXPECT_EQ(values(first), Values{20});
  expect_error<AutogradError>([&] { grad({first}, {w}, {}, true); }, ErrorCode::differentiated_once,
                              {"[once]", "custom_function_test.cpp", "once_differentiable"});
  expect_error<AutogradError>([&] { first.backward(); }, ErrorCode::differentiated_once);
}

TEST(CustomFunction, AnOverwrittenSavedTensorIsFound) {
  Tensor x = leaf_of({1, 2});
  const Tensor y = Cube::apply(x).sum();
  {
    const NoGrad off;
    x.add_(1);
  }
  expect_error<AutogradError>([&] { y.backward(); }, ErrorCode::version_conflict,
                              {"[cube]", "custom_function_test.cpp"});
}

TEST(CustomFunction, SecondBackwardNeedsRetainGraph) {
  Tensor x = leaf_of({1, 2});
  const Tensor y = Cube::apply(x).sum();
  y.backward({}, true);
  y.backward();
  EXPECT_EQ(values(x.grad()), (Values{6, 24}));
  expect_error<AutogradError>([&] { y.backward(); }, ErrorCode::graph_freed);
}

TEST(CustomFunction, TheGraphKeepsAndFreesWhatWasSaved) {
  Tensor x = leaf_of({1, 2});
  {
    const Tensor kept = Cube::apply(x);
    EXPECT_EQ(x.impl()->refs.load(), 2u);
    kept.sum().backward();
    EXPECT_EQ(x.impl()->refs.load(), 1u);
  }
  // A saved result is no cycle: the call goes with its result.
  std::weak_ptr<int> alive;
  struct Holding : Function<Holding> {
    static Tensor forward(FunctionContext& ctx, const Tensor& v, std::shared_ptr<int> token) {
      const Tensor y = v * 2.0;
      ctx.save_for_backward({y});
      ctx.keep(std::move(token));
      return y;
    }
    static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) { return {dy[0] * 2.0, {}}; }
  };
  {
    auto token = std::make_shared<int>(1);
    alive = token;
    const Tensor y = Holding::apply(x, token);
    token.reset();
    EXPECT_FALSE(alive.expired());
  }
  EXPECT_TRUE(alive.expired());
}

TEST(CustomFunction, AThrowInBackwardChangesNothing) {
  struct Throws : Function<Throws> {
    static std::vector<Tensor> forward(FunctionContext& ctx, const Tensor& x, bool* fail) {
      ctx.keep(fail);
      return {x * 1.0, x * 2.0};
    }
    static std::vector<Tensor> backward(FunctionContext& ctx, const std::vector<Tensor>& dy) {
      if (*ctx.kept<bool*>()) throw std::runtime_error("from backward");
      return {dy[0] + 2 * dy[1], {}};
    }
  };
  Tensor x = leaf_of({1});
  bool fail = true;
  const std::vector<Tensor> y = Throws::apply(x, &fail);
  const Tensor loss = y[0] + y[1];
  EXPECT_THROW(loss.backward({}, true), std::runtime_error);
  EXPECT_FALSE(x.grad().defined());
  fail = false;
  y[1].backward({}, true);  // nothing of the first attempt is left over
  EXPECT_EQ(values(x.grad()), Values{2});
}

TEST(CustomFunction, HooksAndInputsAtResults) {
  Tensor x = leaf_of({1, 2});
  std::vector<Tensor> y = Both::apply(x, 1.0, x);
  y[0].register_hook([](const Tensor& g) { return g * 10.0; });
  const std::vector<Tensor> r = grad({(y[0] * 3.0 + y[1]).sum()}, {y[0], x});
  EXPECT_EQ(values(r[0]), (Values{30, 30}));
  EXPECT_EQ(values(r[1]), (Values{62, 122}));
}

// ---- refused

template <int N>
struct Wrong : Function<Wrong<N>> {
  static constexpr const char* name = "wrong";
  static Tensor forward(FunctionContext& ctx, const Tensor& x, double factor) {
    ctx.keep(factor);
    if constexpr (N == 4) {
      Tensor target = x;
      target.add_(1);
    }
    if constexpr (N == 5) return Tensor();
    if constexpr (N == 6) ctx.saved_tensors();
    return x * factor;
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const std::vector<Tensor>& dy) {
    if constexpr (N == 0) return {dy[0]};
    if constexpr (N == 1) return {dy[0].sum(0), {}};
    if constexpr (N == 2) return {dy[0].to(DType::float32), {}};
    if constexpr (N == 3) return {dy[0], dy[0]};
    if constexpr (N == 7) ctx.kept<int>();
    return {dy[0], {}};
  }
};

TEST(CustomFunction, WrongGradientsAreRefused) {
  const auto backward_of = [](auto function) {
    const Tensor x = leaf({2, 3});
    decltype(function)::apply(x, 2.0).sum().backward();
  };
  const auto is_refused = [&](auto function, ErrorCode code, std::initializer_list<const char*> words) {
    expect_error<Error>([&] { backward_of(function); }, code, words);
  };
  is_refused(Wrong<0>(), ErrorCode::gradient_mismatch, {"[wrong]", "1 gradients", "2 arguments", "custom_function"});
  is_refused(Wrong<1>(), ErrorCode::gradient_mismatch, {"[wrong]", "argument 0", "(3,)", "(2, 3)"});
  is_refused(Wrong<2>(), ErrorCode::gradient_mismatch, {"[wrong]", "float32", "float64"});
  is_refused(Wrong<3>(), ErrorCode::gradient_mismatch, {"[wrong]", "argument 1", "no tensor"});
  is_refused(Wrong<4>(), ErrorCode::in_place_recorded, {"[wrong]", "argument 0", "clone"});
  is_refused(Wrong<5>(), ErrorCode::tensor_undefined, {"[wrong]", "result 0"});
  is_refused(Wrong<6>(), ErrorCode::state_mismatch, {"saved_tensors"});
  is_refused(Wrong<7>(), ErrorCode::state_mismatch, {"another type"});
}

TEST(CustomFunction, OnSeveralThreads) {
  std::vector<std::thread> threads;
  std::vector<Tensor> leaves;
  for (int i = 0; i < 4; ++i) leaves.push_back(leaf_of({1, 2, 3}));
  for (Tensor& x : leaves) {
    threads.emplace_back([&x] {
      for (int i = 0; i < 100; ++i) Cube::apply(x).sum().backward();
    });
  }
  for (std::thread& t : threads) t.join();
  for (const Tensor& x : leaves) EXPECT_EQ(values(x.grad()), (Values{300, 1200, 2700}));
}

TEST(CustomFunction, ManyCallsDeep) {
  struct Next : Function<Next> {
    static Tensor forward(FunctionContext&, const Tensor& x) { return x; }
    static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) { return {dy[0]}; }
  };
  Tensor x = leaf_of({1});
  Tensor y = x;
  for (int i = 0; i < 200000; ++i) y = Next::apply(y);
  y.backward();
  EXPECT_EQ(values(x.grad()), Values{1});
  y = x;
  for (int i = 0; i < 200000; ++i) y = Next::apply(y);
}

}  // namespace
