// Adam, AdamW, RMSprop and parameter groups. SGD has a file of its own; the thousand steps beside LibTorch are in
// tests/libtorch.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/nn/linear.h>
#include <weft/nn/optim.h>
#include <weft/nn/schedule.h>

#include "nn/nn_test.h"

namespace weft::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// One number under one optimiser, from the formulas as PyTorch documents them.
struct Reference {
  double p = 0, m = 0, v = 0;
  std::int64_t t = 0;

  void adam(const nn::AdamOptions& o, double g, bool decoupled) {
    ++t;
    if (decoupled) {
      p -= o.lr * o.weight_decay * p;
    } else {
      g += o.weight_decay * p;
    }
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(o.beta1, static_cast<double>(t)));
    const double v_hat = v / (1 - std::pow(o.beta2, static_cast<double>(t)));
    p -= o.lr * m_hat / (std::sqrt(v_hat) + o.eps);
  }
  void rmsprop(const nn::RMSpropOptions& o, double g) {
    g += o.weight_decay * p;
    v = o.alpha * v + (1 - o.alpha) * g * g;
    m = o.momentum * m + g / (std::sqrt(v) + o.eps);
    p -= o.lr * m;
  }
};

using MakeOptimizer = std::function<std::unique_ptr<nn::Optimizer>(std::vector<Tensor>)>;
using ReferenceStep = std::function<void(Reference&, double)>;

/// Thirty steps on two tensors, the second without a gradient at first and once later: its count of steps is its own.
void expect_formula(const MakeOptimizer& make, const ReferenceStep& step) {
  for (const DType dtype : {DType::float64, DType::float32}) {
    for (const Device device : {serial(), cpu()}) {
      std::mt19937 random(3);
      std::normal_distribution<double> normal;
      const auto draw = [&] { return static_cast<double>(static_cast<float>(normal(random))); };
      std::vector<Reference> a(35), b(20);
      std::vector<double> start_a, start_b;
      for (Reference& r : a) start_a.push_back(r.p = draw());
      for (Reference& r : b) start_b.push_back(r.p = draw());
      Tensor pa = from_vector(start_a, {5, 7}, device).to(dtype).requires_grad_();
      Tensor pb = from_vector(start_b, {20}, device).to(dtype).requires_grad_();
      const std::unique_ptr<nn::Optimizer> optimizer = make({pa, pb});
      for (int i = 0; i < 30; ++i) {
        optimizer->zero_grad();
        std::vector<double> ga, gb;
        for (Reference& r : a) step(r, ga.emplace_back(draw()));
        pa.set_grad(from_vector(ga, {5, 7}, device).to(dtype));
        if (i > 2 && i != 5) {
          for (Reference& r : b) step(r, gb.emplace_back(draw()));
          pb.set_grad(from_vector(gb, {20}, device).to(dtype));
        }
        optimizer->step();
        const double tolerance = dtype == DType::float64 ? 1e-12 : 2e-5;
        const std::vector<double> now_a = pa.to(DType::float64).to_vector<double>();
        const std::vector<double> now_b = pb.to(DType::float64).to_vector<double>();
        for (std::size_t k = 0; k < a.size(); ++k) ASSERT_NEAR(now_a[k], a[k].p, tolerance) << i;
        for (std::size_t k = 0; k < b.size(); ++k) ASSERT_NEAR(now_b[k], b[k].p, tolerance) << i;
      }
    }
  }
}

TEST(Adam, IsPyTorchs) {
  for (const nn::AdamOptions& o : std::vector<nn::AdamOptions>{{},
                                                               {.lr = 0.05, .weight_decay = 0.1},
                                                               {.lr = 0.01, .beta1 = 0.5, .beta2 = 0.9, .eps = 1e-3},
                                                               {.beta1 = 0}}) {
    expect_formula([&](std::vector<Tensor> p) { return std::make_unique<nn::Adam>(std::move(p), o); },
                   [&](Reference& r, double g) { r.adam(o, g, false); });
  }
}

TEST(AdamW, IsPyTorchs) {
  for (const nn::AdamWOptions& o : std::vector<nn::AdamWOptions>{
           {}, {.lr = 0.05, .weight_decay = 0.5}, {.lr = 0.01, .beta1 = 0.5, .beta2 = 0.9, .weight_decay = 0}}) {
    const nn::AdamOptions same{o.lr, o.beta1, o.beta2, o.eps, o.weight_decay};
    expect_formula([&](std::vector<Tensor> p) { return std::make_unique<nn::AdamW>(std::move(p), o); },
                   [&](Reference& r, double g) { r.adam(same, g, true); });
  }
}

TEST(RMSprop, IsPyTorchs) {
  for (const nn::RMSpropOptions& o :
       std::vector<nn::RMSpropOptions>{{}, {.lr = 0.05, .alpha = 0.9, .weight_decay = 0.1}, {.momentum = 0.9}}) {
    expect_formula([&](std::vector<Tensor> p) { return std::make_unique<nn::RMSprop>(std::move(p), o); },
                   [&](Reference& r, double g) { r.rmsprop(o, g); });
  }
}

// ---- groups

TEST(ParameterGroups, EachHasItsOwnOptions) {
  const auto leaf = [] { return ones({2}, {serial(), DType::float64}).requires_grad_(); };
  Tensor a = leaf(), b = leaf(), c = leaf();
  nn::SGD optimizer({{{a}, {.lr = 0.5}}, {{b, c}, {.lr = 0.25, .momentum = 0.5}}});
  EXPECT_EQ(optimizer.num_groups(), 2u);
  EXPECT_EQ(optimizer.parameters().size(), 3u);
  ASSERT_EQ(optimizer.parameters(1).size(), 2u);
  EXPECT_TRUE(optimizer.parameters(1)[1].is_same(c));
  for (int i = 0; i < 2; ++i) {
    for (Tensor* p : {&a, &b, &c}) p->set_grad(ones_like(*p));
    optimizer.step();
  }
  EXPECT_EQ(a.to_vector<double>(), (std::vector<double>{0, 0}));
  EXPECT_EQ(b.to_vector<double>(), std::vector<double>(2, 1 - 0.25 - 0.25 * 1.5));
  const nn::OptimizerState state = optimizer.state_dict();
  ASSERT_EQ(state.tensors.size(), 2u);  // the first group has no momentum
  EXPECT_EQ(state.tensors[0].name, "1.momentum_buffer");
  EXPECT_EQ(state.tensors[1].name, "2.momentum_buffer");

  optimizer.set_lr(1, 1.0);
  EXPECT_EQ(optimizer.lr(0), 0.5);
  EXPECT_EQ(optimizer.lr(1), 1.0);
  optimizer.set_lr(0.125);
  EXPECT_EQ(optimizer.lr(0), 0.125);
  EXPECT_EQ(optimizer.lr(1), 0.125);
}

TEST(ParameterGroups, AGroupMayComeLater) {
  nn::Linear body(3, 3), head(3, 2);
  nn::AdamW optimizer(head.parameters(), {.lr = 1e-2});
  const auto train = [&] {
    optimizer.zero_grad();
    sum(head(body(ones({4, 3})).tanh())).backward();
    optimizer.step();
  };
  const Tensor before = body.weight.clone().detach();
  train();
  EXPECT_TRUE(same_bytes(body.weight.detach(), before));
  optimizer.add_param_group({body.parameters(), {.lr = 1e-4}});
  train();
  EXPECT_FALSE(same_bytes(body.weight.detach(), before));
  EXPECT_EQ(optimizer.state_dict().steps, (std::vector<std::int64_t>{2, 2, 1, 1}));
}

TEST(ParameterGroups, AreRefusedWithTheirNumberAndNothingIsAdded) {
  Tensor a = ones({2}).requires_grad_(), b = ones({2}).requires_grad_();
  nn::Adam optimizer({a});
  const auto refused = [&](nn::Adam::Group group, ErrorCode code, std::initializer_list<const char*> parts) {
    const std::string what = error_of<Error>([&] { optimizer.add_param_group(group); }, code);
    for (const char* part : parts) EXPECT_NE(what.find(part), std::string::npos) << part << "\n" << what;
    EXPECT_EQ(optimizer.num_groups(), 1u);
    EXPECT_EQ(optimizer.parameters().size(), 1u);
  };
  refused({{}}, ErrorCode::value_invalid, {"[Adam]", "parameters of group 1 is empty"});
  refused({{b, a}}, ErrorCode::value_invalid, {"parameter 1 of group 1 is listed twice"});
  refused({{b, b * 2}}, ErrorCode::value_invalid, {"parameter 1 of group 1", "leaf"});
  refused({{b}, {.lr = nan}}, ErrorCode::value_out_of_range, {"lr = nan"});
  refused({{b}, {.beta1 = 1}}, ErrorCode::value_out_of_range, {"beta1 = 1"});
  error_of<ValueError>([&] { nn::Adam(std::vector<nn::Adam::Group>{}); }, ErrorCode::value_invalid);
  error_of<IndexError>([&] { optimizer.lr(1); }, ErrorCode::index_out_of_range);
  error_of<IndexError>([&] { optimizer.set_lr(3, 0.1); }, ErrorCode::index_out_of_range);
  error_of<IndexError>([&] { optimizer.parameters(1); }, ErrorCode::index_out_of_range);
  error_of<ValueError>([&] { optimizer.set_lr(0, -1.0); }, ErrorCode::value_out_of_range);
}

TEST(ParameterGroups, StateRoundTripAndMismatch) {
  const auto leaves = [](int n) {
    std::vector<Tensor> made;
    for (int i = 0; i < n; ++i) made.push_back(arange(0, 4, 1, serial()).requires_grad_());
    return made;
  };
  const auto train = [](nn::Optimizer& optimizer, int steps) {
    for (int i = 0; i < steps; ++i) {
      for (Tensor p : optimizer.parameters()) p.set_grad(p.detach() * 0.5 - 1);
      optimizer.step();
    }
  };
  nn::RMSprop one({{leaves(1), {.momentum = 0.9}}, {leaves(2), {.lr = 0.2}}});
  nn::RMSprop two({{leaves(1), {.momentum = 0.9}}, {leaves(2), {.lr = 0.2}}});
  train(one, 3);
  one.set_lr(1, 0.05);
  two.load_state_dict(one.state_dict());
  EXPECT_EQ(two.lr(1), 0.05);
  EXPECT_EQ(two.base_lr(1), 0.2);  // what the program chose
  const NoGrad off;
  for (std::size_t i = 0; i < 3; ++i) Tensor(two.parameters()[i]).copy_(one.parameters()[i]);
  train(one, 2);
  train(two, 2);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(same_bytes(one.parameters()[i], two.parameters()[i])) << i;

  const auto refused = [&](nn::Optimizer& optimizer, std::initializer_list<const char*> parts) {
    const std::string what =
        error_of<StateError>([&] { optimizer.load_state_dict(one.state_dict()); }, ErrorCode::state_mismatch);
    for (const char* part : parts) EXPECT_NE(what.find(part), std::string::npos) << part << "\n" << what;
  };
  nn::RMSprop other_split({{leaves(2), {.momentum = 0.9}}, {leaves(1), {.lr = 0.2}}});
  refused(other_split, {"group 0 parameters: 2 expected, 1 given", "group 1 parameters: 1 expected, 2 given"});
  nn::RMSprop single(leaves(3));
  refused(single, {"parameter groups: 1 expected, 2 given"});
  nn::RMSprop options({{leaves(1), {.momentum = 0.9}}, {leaves(2), {.lr = 0.2, .alpha = 0.5}}});
  refused(options, {"group 1 alpha: 0.5 expected, 0.99 given"});
}

TEST(Optimizers, NamesOfTheStateArePyTorchs) {
  const auto names = [](nn::Optimizer& optimizer) {
    Tensor p = optimizer.parameters()[0];
    p.set_grad(ones_like(p));
    optimizer.step();
    std::string all = optimizer.state_dict().type;
    for (const auto& [name, tensor] : optimizer.state_dict().tensors) all += ' ' + name;
    return all;
  };
  const auto leaf = [] { return std::vector<Tensor>{ones({2}, serial()).requires_grad_()}; };
  nn::Adam adam(leaf());
  nn::AdamW adamw(leaf());
  nn::RMSprop rmsprop(leaf()), with_momentum(leaf(), {.momentum = 0.5});
  EXPECT_EQ(names(adam), "Adam 0.exp_avg 0.exp_avg_sq");
  EXPECT_EQ(names(adamw), "AdamW 0.exp_avg 0.exp_avg_sq");
  EXPECT_EQ(names(rmsprop), "RMSprop 0.square_avg");
  EXPECT_EQ(names(with_momentum), "RMSprop 0.momentum_buffer 0.square_avg");
}

TEST(Optimizers, RefuseTheirOptions) {
  Tensor p = ones({2}, serial()).requires_grad_();
  const auto range = [&](auto&& act) { error_of<ValueError>(act, ErrorCode::value_out_of_range); };
  for (const double bad : {nan, infinity, -0.1}) {
    range([&] { nn::Adam({p}, {.lr = bad}); });
    range([&] { nn::Adam({p}, {.beta1 = bad}); });
    range([&] { nn::Adam({p}, {.beta2 = bad}); });
    range([&] { nn::Adam({p}, {.eps = bad}); });
    range([&] { nn::Adam({p}, {.weight_decay = bad}); });
    range([&] { nn::AdamW({p}, {.beta2 = bad}); });
    range([&] { nn::AdamW({p}, {.weight_decay = bad}); });
    range([&] { nn::RMSprop({p}, {.alpha = bad}); });
    range([&] { nn::RMSprop({p}, {.eps = bad}); });
    range([&] { nn::RMSprop({p}, {.weight_decay = bad}); });
    range([&] { nn::RMSprop({p}, {.momentum = bad}); });
  }
  range([&] { nn::Adam({p}, {.beta1 = 1}); });
  range([&] { nn::AdamW({p}, {.eps = 0}); });
  range([&] { nn::RMSprop({p}, {.alpha = 1}); });
}

// k small batches, each loss divided by k, are one large batch: gradients add up until zero_grad().
TEST(Optimizers, GradientsAccumulateOverSmallBatches) {
  const auto train = [](int pieces) {
    Generator generator(5);
    nn::Linear model(6, 3, true, {cpu(), DType::float64}, generator);
    nn::AdamW optimizer(model.parameters(), {.lr = 0.01});
    for (int step = 0; step < 5; ++step) {
      const Tensor x = randn({12, 6}, {cpu(), DType::float64}, generator);
      const Tensor labels = randint(0, 3, {12}, {cpu(), DType::int64}, generator);
      optimizer.zero_grad();
      for (int k = 0; k < pieces; ++k) {
        const std::int64_t n = 12 / pieces;
        const Tensor loss = cross_entropy(model(x.narrow(0, k * n, n)), labels.narrow(0, k * n, n));
        (loss / pieces).backward();
      }
      optimizer.step();
    }
    return model.weight.to_vector<double>();
  };
  const std::vector<double> whole = train(1), four = train(4);
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(four[i], whole[i], 1e-13);
}

}  // namespace
}  // namespace weft::test
