// What a user expects of a tensor beside the families of the case table: memory of their own, in-place forms, masks,
// lists of views, sequences, samples.

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/tensor/capture.h>

namespace weft {
namespace {

using Floats = std::vector<float>;

// ---- memory of the caller's

TEST(FromBlob, IsTheCallersMemory) {
  float values[6] = {1, 2, 3, 4, 5, 6};
  const Tensor x = from_blob(values, {2, 3});
  EXPECT_EQ(x.data<float>(), values);
  EXPECT_EQ(x.sum().item(), 21);
  values[0] = 11;
  EXPECT_EQ(x.sum().item(), 31);
  Tensor y = x;
  y.fill_(2);
  EXPECT_EQ(values[5], 2);
  EXPECT_EQ(y.version(), 1u);
  EXPECT_EQ(matmul(x, x.transpose(0, 1)).to_vector<float>(), (Floats{12, 12, 12, 12}));
}

TEST(FromBlob, DeletesOnceWhenTheLastViewIsGone) {
  int deleted = 0;
  auto* values = new std::int64_t[4]{1, 2, 3, 4};
  Tensor view;
  {
    const Tensor x = from_blob(values, {4}, {serial(), DType::int64}, [&](void* p) {
      EXPECT_EQ(p, values);
      delete[] static_cast<std::int64_t*>(p);
      ++deleted;
    });
    view = x.narrow(0, 2, 2);
  }
  EXPECT_EQ(deleted, 0);
  EXPECT_EQ(view.to_vector<std::int64_t>(), (std::vector<std::int64_t>{3, 4}));
  std::thread([moved = std::move(view)]() mutable { moved = Tensor(); }).join();
  EXPECT_EQ(deleted, 1);
}

TEST(FromBlob, ARefusedCallDoesNotDelete) {
  int deleted = 0;
  const auto count = [&](void*) { ++deleted; };
  float value = 0;
  EXPECT_THROW(from_blob(nullptr, {2}, {}, count), ValueError);
  EXPECT_THROW(from_blob(&value, {-1}, {}, count), ShapeError);
  EXPECT_THROW(from_blob(reinterpret_cast<char*>(&value) + 2, {1}, {}, count), ValueError);
  EXPECT_THROW(from_blob(&value, {1}, cuda(), count), DeviceError);
  EXPECT_EQ(deleted, 0);
  { const Tensor empty = from_blob(nullptr, {0, 3}, {}, count); }
  EXPECT_EQ(deleted, 1);
}

TEST(FromBlob, IsMadeBeforeACapturedStep) {
  float value = 1;
  Tensor out = zeros({1});
  bool refused = false;
  const auto step = [&] {
    try {
      out.copy_(from_blob(&value, {1}));
    } catch (const StateError& e) {
      refused = e.code() == ErrorCode::read_only;
      throw;
    }
  };
  EXPECT_THROW(capture(step), StateError);
  EXPECT_TRUE(refused);
}

TEST(FromBlob, CanBeALeaf) {
  double values[2] = {3, 4};
  Tensor x = from_blob(values, {2}, DType::float64).requires_grad_();
  (x * x).sum().backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{6, 8}));
}

// ---- in place

TEST(InPlaceMembers, UnaryForms) {
  for (const Device device : {cpu(), serial()}) {
    const Tensor start = tensor({-2, 0, 0.5, 3}, device);
    const auto same = [&](Tensor& (Tensor::*in_place)(CallSite), const Tensor& expected) {
      Tensor x = start.clone();
      Tensor view = x.slice(0, {{}, {}, -1});
      Tensor& result = (view.*in_place)({});
      EXPECT_TRUE(result.is_same(view));
      EXPECT_EQ(x.to_vector<float>().size(), 4u);
      EXPECT_EQ(to_string(x), to_string(expected));
      EXPECT_EQ(x.version(), 1u);
    };
    same(&Tensor::neg_, -start);
    same(&Tensor::abs_, start.abs());
    same(&Tensor::exp_, start.exp());
    same(&Tensor::log_, start.log());
    same(&Tensor::sqrt_, start.sqrt());
    same(&Tensor::tanh_, start.tanh());
    same(&Tensor::sigmoid_, start.sigmoid());
    same(&Tensor::relu_, start.relu());
  }
}

TEST(InPlaceMembers, ClampAndMaskedFill) {
  Tensor x = tensor({-2, 0, 0.5, 3});
  EXPECT_EQ(x.clone().clamp_(-1, 1).to_vector<float>(), (Floats{-1, 0, 0.5, 1}));
  EXPECT_EQ(x.clone().clamp_({}, 0.25).to_vector<float>(), (Floats{-2, 0, 0.25, 0.25}));
  EXPECT_EQ(x.clone().clamp_(0).to_vector<float>(), (Floats{0, 0, 0.5, 3}));
  EXPECT_TRUE(std::isnan(full({1}, NAN).clamp_(0, 1).item()));
  Tensor grid = zeros({2, 3});
  grid.masked_fill_(tensor({1, 0, 1}) > 0, 7);
  EXPECT_EQ(grid.to_vector<float>(), (Floats{7, 0, 7, 7, 0, 7}));
  EXPECT_THROW(grid.masked_fill_(ones({2, 2, 3}, DType::boolean), 1), ShapeError);
  EXPECT_THROW(grid.masked_fill_(ones({3}), 1), DTypeError);
  Tensor flags = tensor({1, 0}) > 0;
  flags.masked_fill_(flags, false);  // the mask is the target
  EXPECT_FALSE(any(flags).item<bool>());
  EXPECT_THROW(arange(3, DType::int64).clamp_(0.5), ValueError);
}

TEST(InPlaceMembers, AreRefusedWhereAGradientWouldGoWrong) {
  Tensor x = ones({2}).requires_grad_();
  EXPECT_THROW(x.exp_(), AutogradError);
  EXPECT_THROW(x.clamp_(0, 1), AutogradError);
  EXPECT_THROW(x.uniform_(), AutogradError);
  EXPECT_THROW(x.bernoulli_(), AutogradError);
  EXPECT_EQ(x.version(), 0u);
  const NoGrad off;
  x.normal_().relu_();
  EXPECT_EQ(x.version(), 2u);
}

TEST(InPlaceMembers, RandomFormsDrawTheStreamsOfTheFunctions) {
  for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
    Generator a(5), b(5);
    Tensor x = zeros({4, 33}, dtype);
    EXPECT_EQ(to_string(x.uniform_(0, 1, a)), to_string(rand({4, 33}, dtype, b)));
    EXPECT_EQ(to_string(x.normal_(0, 1, a)), to_string(randn({4, 33}, dtype, b)));
    EXPECT_EQ(to_string(x.uniform_(-2, 3, a)), to_string(uniform({4, 33}, -2, 3, dtype, b)));
    EXPECT_EQ(to_string(rand_like(x, a)), to_string(rand({4, 33}, dtype, b)));
    EXPECT_EQ(to_string(randn_like(x, a)), to_string(randn({4, 33}, dtype, b)));
    EXPECT_EQ(a.draw(), 5u);
    EXPECT_EQ(b.draw(), 5u);
  }
  Tensor counts = zeros({10000}, DType::int64);
  counts.bernoulli_(0.25);
  EXPECT_NEAR(counts.sum().item(), 2500, 5 * std::sqrt(10000 * 0.25 * 0.75));
  Generator still(1);
  EXPECT_THROW(counts.uniform_(0, 1, still), DTypeError);
  EXPECT_EQ(still.draw(), 0u) << "a refused call takes no draw";
}

// ---- masks

TEST(Masks, OperatorsOfBool) {
  const Tensor a = tensor({1, 1, 0, 0}) > 0, b = tensor({1, 0, 1, 0}) > 0;
  EXPECT_EQ((a & b).to_vector<bool>(), (std::vector<bool>{true, false, false, false}));
  EXPECT_EQ((a | b).to_vector<bool>(), (std::vector<bool>{true, true, true, false}));
  EXPECT_EQ((~a).to_vector<bool>(), (std::vector<bool>{false, false, true, true}));
  EXPECT_EQ((!a).to_vector<bool>(), (~a).to_vector<bool>());
  const Tensor x = tensor({-1, 0.5, 2});
  EXPECT_EQ(((x > 0) & (x < 1)).to_vector<bool>(), (std::vector<bool>{false, true, false}));
  EXPECT_THROW(x & x, DTypeError);
  EXPECT_THROW(!x, DTypeError);
}

// ---- lists of views

TEST(ViewMembers, SplitAndChunkShareTheMemory) {
  const Tensor x = zeros({7, 2});
  std::vector<Tensor> parts = x.split(3);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[2].shape(), (Shape{1, 2}));
  for (Tensor& part : parts) EXPECT_TRUE(part.shares_storage(x));
  parts[1].fill_(1);
  EXPECT_EQ(x.sum().item(), 6);
  EXPECT_EQ(x.chunk(3).size(), 3u);
  EXPECT_EQ(x.chunk(5).size(), 4u) << "ceil(7 / 5) = 2 rows each: four pieces";
  EXPECT_EQ(x.split({2, 0, 5}).at(1).shape(), (Shape{0, 2}));
  EXPECT_EQ(zeros({0, 2}).split(4).size(), 1u);
  EXPECT_EQ(zeros({0, 2}).chunk(4).size(), 1u);
}

TEST(ViewMembers, ViewNeverCopiesAndFlipAlwaysDoes) {
  const Tensor x = arange(12).reshape({3, 4});
  EXPECT_TRUE(x.view({2, 6}).shares_storage(x));
  EXPECT_TRUE(x.transpose(0, 1).view({2, 2, 3}).shares_storage(x));
  EXPECT_THROW(x.transpose(0, 1).view({12}), ShapeError);
  EXPECT_FALSE(x.flip().shares_storage(x));
  EXPECT_FALSE(x.repeat({1, 1}).shares_storage(x));
  EXPECT_EQ(x.flip(0).select(0, 0).to_vector<float>(), (Floats{8, 9, 10, 11}));
}

TEST(ViewMembers, TrianglesKeepNoMatrixOfFlags) {
  const Tensor x = ones({512, 512}).requires_grad_();
  const Tensor y = tril(x);
  EXPECT_EQ(y.sum().item(), 512 * 513 / 2);
  EXPECT_EQ(triu(x, std::numeric_limits<std::int64_t>::min()).sum().item(), 512 * 512);
  EXPECT_EQ(tril(x, std::numeric_limits<std::int64_t>::max()).sum().item(), 512 * 512);
  EXPECT_EQ(triu(x, std::numeric_limits<std::int64_t>::max()).sum().item(), 0);
}

// ---- sequences

TEST(Sequences, LinspaceEyeArange) {
  EXPECT_EQ(linspace(0, 1, 5).to_vector<float>(), (Floats{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(linspace(3, -1, 3, DType::int64).to_vector<std::int64_t>(), (std::vector<std::int64_t>{3, 1, -1}));
  EXPECT_EQ(linspace(2, 9, 1).to_vector<float>(), (Floats{2}));
  EXPECT_EQ(linspace(2, 9, 0).numel(), 0);
  const std::vector<double> odd = linspace(0.1, 0.7, 7, DType::float64).to_vector<double>();
  EXPECT_EQ(odd.back(), 0.7);
  EXPECT_EQ(eye(2, 3).to_vector<float>(), (Floats{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(eye(3, 2).to_vector<float>(), (Floats{1, 0, 0, 1, 0, 0}));
  EXPECT_EQ(arange(3, DType::int64).to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(full_like(zeros({2}, DType::int32), 7).to_vector<std::int32_t>(), (std::vector<std::int32_t>{7, 7}));
}

// ---- samples

TEST(Bernoulli, FollowsTheProbabilitiesOnEveryBackend) {
  const Tensor p = linspace(0, 1, 5).unsqueeze(1).expand({5, 20000});
  Generator a(3), b(3);
  const Tensor x = bernoulli(p, a);
  EXPECT_EQ(x.dtype(), DType::float32);
  EXPECT_EQ(to_string(x), to_string(bernoulli(p.to(serial()), b).to(cpu())));
  const Floats means = x.mean(1).to_vector<float>();
  EXPECT_EQ(means[0], 0);
  EXPECT_EQ(means[4], 1);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_NEAR(means[i], 0.25 * static_cast<double>(i), 5 * 0.5 / std::sqrt(20000));
  EXPECT_EQ(bernoulli(p.to(DType::bfloat16)).dtype(), DType::bfloat16);
}

TEST(Bernoulli, AStateBroughtBackDrawsTheSame) {
  Generator g(9);
  rand({3}, {}, g);
  const std::uint64_t seed = g.seed(), draw = g.draw();
  const Tensor p = full({100}, 0.5);
  const Tensor first = bernoulli(p, g), second = multinomial(p, 10, false, g);
  Generator other;
  other.set_state(seed, draw);
  EXPECT_EQ(to_string(bernoulli(p, other)), to_string(first));
  EXPECT_EQ(to_string(multinomial(p, 10, false, other)), to_string(second));
}

TEST(Multinomial, WithReplacementFollowsTheWeights) {
  Generator g(1);
  const std::int64_t n = 60000;
  const Tensor drawn = multinomial(tensor({0, 1, 0, 3, 2, 0}), n, true, g);
  EXPECT_EQ(drawn.shape(), (Shape{n}));
  std::vector<std::int64_t> counts(6);
  for (const std::int64_t i : drawn.to_vector<std::int64_t>()) ++counts[static_cast<std::size_t>(i)];
  EXPECT_EQ(counts[0] + counts[2] + counts[5], 0) << "what has no weight is never drawn";
  const double expected[] = {0, 1.0 / 6, 0, 3.0 / 6, 2.0 / 6, 0};
  double chi_squared = 0;
  for (const std::size_t i : {1u, 3u, 4u}) {
    const double e = expected[i] * static_cast<double>(n);
    chi_squared += (static_cast<double>(counts[i]) - e) * (static_cast<double>(counts[i]) - e) / e;
  }
  EXPECT_LT(chi_squared, 13.8);  // 2 degrees of freedom, one in a thousand
}

TEST(Multinomial, WithoutReplacementDrawsOneAfterTheOther) {
  Generator g(2);
  const std::vector<double> w = {1, 2, 0, 4};
  const std::int64_t n = 40000;
  const Tensor rows = from_vector(w, {1, 4}).expand({n, 4});
  const std::vector<std::int64_t> drawn = multinomial(rows, 2, false, g).to_vector<std::int64_t>();
  // P(first = i, second = j) = w_i / W  w_j / (W - w_i)
  std::vector<double> counts(16);
  for (std::int64_t r = 0; r < n; ++r) {
    const auto first = static_cast<std::size_t>(drawn[static_cast<std::size_t>(2 * r)]);
    const auto second = static_cast<std::size_t>(drawn[static_cast<std::size_t>(2 * r + 1)]);
    ASSERT_NE(first, second);
    counts[first * 4 + second] += 1;
  }
  double chi_squared = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      const double e = i == j ? 0 : static_cast<double>(n) * w[i] / 7 * w[j] / (7 - w[i]);
      if (e == 0) {
        EXPECT_EQ(counts[i * 4 + j], 0);
      } else {
        chi_squared += (counts[i * 4 + j] - e) * (counts[i * 4 + j] - e) / e;
      }
    }
  }
  EXPECT_LT(chi_squared, 20.5);  // 5 degrees of freedom, one in a thousand
}

TEST(Multinomial, IsTheSameOnEveryBackendAndLeavesTheGeneratorWhereItRefuses) {
  for (const bool replacement : {false, true}) {
    Generator a(4), b(4);
    const Tensor w = uniform({5, 9}, 0.1, 1);
    EXPECT_EQ(to_string(multinomial(w, 4, replacement, a)),
              to_string(multinomial(w.to(serial()), 4, replacement, b).to(cpu())));
    EXPECT_EQ(a.draw(), 1u);
    EXPECT_THROW(multinomial(-w, 4, replacement, a), ValueError);
    EXPECT_EQ(a.draw(), 1u);
  }
  const std::vector<std::int64_t> all = multinomial(ones({20}), 20).to_vector<std::int64_t>();
  EXPECT_EQ(std::set<std::int64_t>(all.begin(), all.end()).size(), 20u);
  EXPECT_EQ(multinomial(ones({0, 3}), 2).shape(), (Shape{0, 2}));
  EXPECT_EQ(multinomial(ones({3}), 0).shape(), (Shape{0}));
}

// ---- gradients that the case table's fixed values do not show

TEST(Embedding, ThePaddingRowGetsNoGradient) {
  Tensor weight = ones({3, 2}).requires_grad_();
  embedding(from_vector<std::int64_t>({0, 2, 2, 1}, {4}), weight, -1).sum().backward();
  EXPECT_EQ(weight.grad().to_vector<float>(), (Floats{1, 1, 1, 1, 0, 0}));
}

}  // namespace
}  // namespace weft
