// What runs in which dtype inside an Autocast scope, and that nothing else changes.

#include <functional>
#include <thread>

#include <weft/autograd/autocast.h>
#include <weft/autograd/checkpoint.h>
#include <weft/backends/observer.h>
#include <weft/backends/registry.h>
#include <weft/nn/optim.h>
#include <weft/tensor/capture.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

constexpr DType f32 = DType::float32, bf16 = DType::bfloat16, f16 = DType::float16;

Tensor wide(const Shape& shape, std::uint64_t seed = 1, Device device = cpu()) {
  Generator generator(seed);
  return randn(shape, {device, f32}, generator);
}

using Call = std::function<Tensor(const Tensor&)>;
struct Row {
  const char* name;
  Call call;
};

// The rows of docs/mixed_precision.md. x is (4, 4); a fourth axis is made where one is needed.
const Row in_16[] = {
    {"matmul", [](const Tensor& x) { return matmul(x, x); }},
    {"linear", [](const Tensor& x) { return linear(x, x, x.select(0, 0)); }},
    {"einsum",
     [](const Tensor& x) {
       return einsum("ij,jk->ik", {x, x});
     }},
    {"conv1d",
     [](const Tensor& x) {
       return conv1d(x.reshape({1, 4, 4}), x.reshape({4, 4, 1}));
     }},
    {"conv2d",
     [](const Tensor& x) {
       return conv2d(x.reshape({1, 1, 4, 4}), x.reshape({1, 1, 4, 4}));
     }},
    {"conv_transpose1d",
     [](const Tensor& x) {
       return conv_transpose1d(x.reshape({1, 4, 4}), x.reshape({4, 4, 1}));
     }},
    {"conv_transpose2d",
     [](const Tensor& x) {
       return conv_transpose2d(x.reshape({1, 1, 4, 4}), x.reshape({1, 1, 4, 4}));
     }},
    {"scaled_dot_product_attention", [](const Tensor& x) { return scaled_dot_product_attention(x, x, x, x); }},
};
const Row in_32[] = {
    {"softmax", [](const Tensor& x) { return softmax(x, 1); }},
    {"log_softmax", [](const Tensor& x) { return log_softmax(x, 1); }},
    {"cross_entropy",
     [](const Tensor& x) {
       return cross_entropy(x, zeros({4}, {cpu(), DType::int64}));
     }},
    {"nll_loss",
     [](const Tensor& x) {
       return nll_loss(x, zeros({4}, {cpu(), DType::int64}));
     }},
    {"mse_loss", [](const Tensor& x) { return mse_loss(x, x.to(f32)); }},
    {"l1_loss", [](const Tensor& x) { return l1_loss(x, x); }},
    {"smooth_l1_loss", [](const Tensor& x) { return smooth_l1_loss(x, x); }},
    {"bce_with_logits", [](const Tensor& x) { return bce_with_logits(x, x); }},
    {"layer_norm", [](const Tensor& x) { return layer_norm(x, {4}); }},
    {"batch_norm", [](const Tensor& x) { return batch_norm(x, {}, {}, {}, {}, true); }},
    {"group_norm", [](const Tensor& x) { return group_norm(x, 2); }},
    {"sum", [](const Tensor& x) { return sum(x); }},
    {"mean", [](const Tensor& x) { return mean(x); }},
    {"prod", [](const Tensor& x) { return prod(x); }},
    {"var", [](const Tensor& x) { return var(x); }},
    {"std", [](const Tensor& x) { return weft::std(x); }},
    {"norm", [](const Tensor& x) { return norm(x); }},
    {"logsumexp", [](const Tensor& x) { return logsumexp(x); }},
    {"cumsum", [](const Tensor& x) { return cumsum(x, 0); }},
    {"exp", [](const Tensor& x) { return exp(x); }},
    {"expm1", [](const Tensor& x) { return expm1(x); }},
    {"log", [](const Tensor& x) { return log(x); }},
    {"log1p", [](const Tensor& x) { return log1p(x); }},
    {"rsqrt", [](const Tensor& x) { return rsqrt(x); }},
    {"pow", [](const Tensor& x) { return pow(x, 2); }},
    {"softplus", [](const Tensor& x) { return softplus(x); }},
};
const Row as_they_come[] = {
    {"relu", [](const Tensor& x) { return relu(x); }},
    {"gelu", [](const Tensor& x) { return gelu(x); }},
    {"tanh", [](const Tensor& x) { return tanh(x); }},
    {"add", [](const Tensor& x) { return x + x; }},
    {"mul", [](const Tensor& x) { return x * 2; }},
    {"max", [](const Tensor& x) { return max(x); }},
    {"reshape", [](const Tensor& x) { return x.reshape({16}); }},
    {"cat",
     [](const Tensor& x) {
       return cat({x, x});
     }},
};

TEST(Autocast, TheTableOfDtypes) {
  const Tensor x = wide({4, 4});
  for (const DType dtype : {bf16, f16}) {
    const Autocast on(dtype);
    EXPECT_EQ(autocast_dtype(), dtype);
    for (const DType given : {f32, dtype}) {
      const Tensor in = x.to(given);
      for (const Row& row : in_16) EXPECT_EQ(row.call(in).dtype(), dtype) << row.name << " of " << name(given);
      for (const Row& row : in_32) EXPECT_EQ(row.call(in).dtype(), f32) << row.name << " of " << name(given);
      for (const Row& row : as_they_come) EXPECT_EQ(row.call(in).dtype(), given) << row.name << " of " << name(given);
    }
  }
  EXPECT_FALSE(autocast_dtype());
  EXPECT_EQ(matmul(x, x).dtype(), f32);
}

TEST(Autocast, OtherDtypesAreLeftAlone) {
  const Autocast on(bf16);
  const Tensor x = wide({4, 4}).to(DType::float64);
  for (const Row& row : in_16) EXPECT_EQ(row.call(x).dtype(), DType::float64) << row.name;
  EXPECT_EQ(softmax(x, 1).dtype(), DType::float64);
  EXPECT_EQ(sum(ones({3}, {cpu(), DType::int32})).dtype(), DType::int64);
  const Autocast half(f16);  // the innermost counts, also for what is 16-bit already
  EXPECT_EQ(matmul(wide({2, 2}).to(bf16), wide({2, 2})).dtype(), f16);
}

TEST(Autocast, DtypesThatMeetMeetInFloat32) {
  const Tensor x = wide({2, 3}), narrow = x.to(bf16), half = x.to(f16);
  EXPECT_THROW(x + narrow, DTypeError) << "outside a scope nothing is promoted";
  const Autocast on(bf16);
  for (const auto& [a, b] : {std::pair{x, narrow}, {narrow, x}, {narrow, half}}) {
    for (const Tensor& y : {a + b, a - b, a * b, a / b, maximum(a, b), where(a < b, a, b), cat({a, b}), stack({a, b}),
                            lerp(a, b, 0.25)}) {
      EXPECT_EQ(y.dtype(), f32);
    }
    EXPECT_EQ((a == b).dtype(), DType::boolean);
  }
  EXPECT_EQ((narrow + narrow).dtype(), bf16);
  EXPECT_THROW(x + x.to(DType::float64), DTypeError);
}

TEST(Autocast, GradientsAreThoseOfTheCastsWrittenOut) {
  Tensor w = wide({3, 4}, 2).requires_grad_(), b = wide({3}, 3).requires_grad_(), x = wide({5, 4}).requires_grad_();
  const auto gradients = [&](const std::function<Tensor()>& loss) {
    for (Tensor* leaf : {&w, &b, &x}) leaf->zero_grad();
    const Tensor y = loss();
    EXPECT_EQ(y.dtype(), f32);
    y.backward();
    std::vector<std::vector<float>> all = {{static_cast<float>(y.item())}};
    for (const Tensor* leaf : {&w, &b, &x}) {
      EXPECT_EQ(leaf->grad().dtype(), f32);
      all.push_back(leaf->grad().to_vector<float>());
    }
    return all;
  };
  const auto written_out = gradients([&] {
    const Tensor y = relu(linear(x.to(bf16), w.to(bf16), b.to(bf16)));
    return mean(square(y.to(f32) - 1));
  });
  const auto cast = gradients([&] {
    const Autocast on(bf16);
    return mse_loss(relu(linear(x, w, b)), ones({5, 3}, {cpu(), f32}));
  });
  EXPECT_EQ(cast, written_out);
  Tensor loss;
  const auto inside = gradients([&] {  // the way back does not look at the scope it runs in
    const Autocast on(bf16);
    return mse_loss(relu(linear(x, w, b)), ones({5, 3}, {cpu(), f32}));
  });
  {
    for (Tensor* leaf : {&w, &b, &x}) leaf->zero_grad();
    const Autocast on(f16);
    {
      const Autocast nested(bf16);
      loss = mse_loss(relu(linear(x, w, b)), ones({5, 3}, {cpu(), f32}));
    }
    loss.backward();
    EXPECT_EQ(autocast_dtype(), f16) << "and puts it back";
  }
  EXPECT_EQ(w.grad().to_vector<float>(), inside[1]);
}

/// Counts the casts to 16 bits, by shape.
class Casts final : public backends::Observer {
 public:
  void before(const backends::ObservedCall&) override {}
  void after(const backends::ObservedCall& call) override {
    const bool narrow = std::string_view(call.function) == "copy" && call.out[0].dtype == bf16;
    if (narrow && call.in[0].dtype == f32) ++count;
  }
  int count = 0;
};

TEST(Autocast, AParameterIsCastOnceUntilItIsWrittenTo) {
  Tensor w = wide({4, 4}, 2).requires_grad_();
  const Tensor x = wide({4, 4}).to(bf16);
  Casts casts;
  const backends::RouterScope watching(casts);
  {
    const Autocast on(bf16);
    for (int i = 0; i < 3; ++i) matmul(x, w);
    EXPECT_EQ(casts.count, 1);
    const Tensor before = matmul(x, w);
    {
      const NoGrad off;
      matmul(x, w);
      EXPECT_EQ(casts.count, 1) << "evaluation shares the copy";
      w.mul_(2);
    }
    const Tensor after = matmul(x, w);
    EXPECT_EQ(casts.count, 2);
    EXPECT_EQ(after.to(f32).to_vector<float>(), (before.detach().to(f32) * 2).to_vector<float>());
    matmul(x, x.to(f32));  // not a parameter: no copy is kept
    matmul(x, w.detach());
    EXPECT_EQ(casts.count, 4);
  }
  const Autocast again(bf16);
  matmul(x, w);
  EXPECT_EQ(casts.count, 5) << "the copies end with their scope";
}

TEST(Autocast, TwoBackwardsInOneScope) {
  Tensor w = wide({4, 4}, 2).requires_grad_();
  const Tensor x = wide({4, 4});
  const Autocast on(bf16);
  matmul(x, w).sum().backward();
  const std::vector<float> once = w.grad().to_vector<float>();
  matmul(x, w).sum().backward();
  std::vector<float> twice = w.grad().to_vector<float>();
  for (float& each : twice) each /= 2;
  EXPECT_EQ(twice, once);
}

TEST(Autocast, ScopesNestAndAreOfTheirThread) {
  const Tensor x = wide({2, 2});
  const Autocast on(bf16);
  {
    const NoAutocast off;
    EXPECT_FALSE(autocast_dtype());
    EXPECT_EQ(matmul(x, x).dtype(), f32);
    EXPECT_THROW(matmul(x, x.to(bf16)), DTypeError);
  }
  std::thread([&] {
    EXPECT_FALSE(autocast_dtype());
    EXPECT_EQ(matmul(x, x).dtype(), f32);
  }).join();
  EXPECT_THROW(matmul(x, wide({3, 3})), ShapeError);  // a throw inside leaves the scope as it was
  EXPECT_EQ(autocast_dtype(), bf16);
  EXPECT_EQ(matmul(x, x).dtype(), bf16);
}

TEST(Autocast, TakesSixteenBitsOnly) {
  for (const DType dtype : {f32, DType::float64, DType::int32, DType::boolean}) {
    expect_error<DTypeError>([&] { const Autocast on(dtype); }, ErrorCode::dtype_unsupported,
                             {name(dtype), "expected float16 or bfloat16", "autocast_test.cpp"});
    EXPECT_FALSE(autocast_dtype());
  }
}

TEST(Autocast, ACheckpointComputesAgainAsItDid) {
  Tensor w = wide({4, 4}, 2).requires_grad_();
  const Tensor x = wide({4, 4}).requires_grad_();
  const auto part = [&](const Tensor& in) { return tanh(matmul(tanh(matmul(in, w)), w)); };
  const auto gradient = [&](bool recomputed) {
    w.zero_grad();
    Tensor loss;
    {
      const Autocast on(bf16);
      loss = (recomputed ? checkpoint(part, x) : part(x)).sum();
    }
    loss.backward();
    return w.grad().to_vector<float>();
  };
  EXPECT_EQ(gradient(true), gradient(false));
}

/// Ten steps of a small network, captured or not, with the scope inside the step or around everything.
std::vector<float> trained(bool captured, bool scope_around) {
  Tensor w = wide({4, 4}, 2).requires_grad_(), v = wide({2, 4}, 3).requires_grad_();
  const Tensor x = wide({8, 4});
  nn::SGD sgd({w, v}, {.lr = 0.05, .momentum = 0.9});
  const auto forward = [&] { return square(linear(tanh(linear(x, w)), v)).mean(); };
  const auto step = [&] {
    sgd.zero_grad();
    Tensor loss;
    if (scope_around) {
      loss = forward();
    } else {
      const Autocast on(bf16);
      loss = forward();
    }
    loss.backward();
    sgd.step();
  };
  std::optional<Autocast> around;
  if (scope_around) around.emplace(bf16);
  if (captured) {
    CapturedStep recorded = capture(step);
    recorded.replay(9);
  } else {
    for (int i = 0; i < 10; ++i) step();
  }
  std::vector<float> all = w.detach().to_vector<float>();
  for (const float each : v.detach().to_vector<float>()) all.push_back(each);
  return all;
}

TEST(Autocast, CapturedStepsCastTheWeightsOfTheirOwnStep) {
  const std::vector<float> eager = trained(false, false);
  EXPECT_EQ(trained(true, false), eager);
  EXPECT_EQ(trained(true, true), eager);
  EXPECT_EQ(trained(false, true), eager);
}

}  // namespace
