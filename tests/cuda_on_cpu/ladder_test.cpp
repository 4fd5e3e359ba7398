// The ladder (backends/cuda/ladder/): every rung computes the product, to the bit where the numbers are small integers;
// it is the rung that computes and not the library; and a network trains on each.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <weft/tensor/tensor_impl.h>
#include <weft/weft.h>

#include "cuda_on_cpu/plugin_control.h"

namespace weft_harness::test {
namespace {

using namespace weft;

std::vector<std::string> rungs() {
  std::vector<std::string> all;
  for (const std::string_view name : matmul_kernels(cuda())) {
    if (name != "auto" && name != "cublaslt") all.emplace_back(name);
  }
  return all;
}

/// Small integers, whose products and sums every rung forms exactly: TF32 too has 11 bits.
Tensor integers(const Shape& shape, std::uint64_t seed, Device device) {
  Generator generator(seed);
  return randint(-4, 5, shape, {serial(), DType::int64}, generator).to(DType::float32).to(device);
}

const Counters& counters_now() { return *WEFT_HARNESS_CONTROL(weft_harness_counters)(); }

class Ladder : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { set_matmul_kernel(cuda(), GetParam()); }
  void TearDown() override { set_matmul_kernel(cuda(), "auto"); }

  /// f(device) on serial and by the rung: the same bits, and no call of a vendor's library.
  template <class F>
  void expect_exact(const char* what, F f) {
    const std::uint64_t before = counters_now().vendor_calls;
    const Tensor there = f(cuda());
    const std::vector<float> actual = there.detach().to(serial()).template to_vector<float>();
    EXPECT_EQ(counters_now().vendor_calls, before) << what << ": the library computed";
    EXPECT_EQ(actual, f(serial()).detach().template to_vector<float>()) << what;
  }
};

struct Extents {
  std::int64_t m, n, k;
};

TEST_P(Ladder, ProductsOfSmallIntegersAreExactForAnyExtents) {
  for (const auto& [m, n, k] : {Extents{1, 1, 1},
                                {1, 5, 3},
                                {5, 1, 7},
                                {3, 4, 1},
                                {32, 32, 32},
                                {33, 65, 17},
                                {64, 64, 16},
                                {70, 131, 40},
                                {129, 36, 9},
                                {128, 128, 8}}) {
    const std::string what = std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k);
    expect_exact(what.c_str(), [&, m = m, n = n, k = k](Device d) {
      return matmul(integers({m, k}, 1, d), integers({k, n}, 2, d));
    });
  }
}

TEST_P(Ladder, AnyLayout) {
  expect_exact("a transposed", [](Device d) {
    return matmul(integers({20, 37}, 1, d).transpose(0, 1), integers({20, 34}, 2, d));
  });
  expect_exact("b transposed", [](Device d) {
    return matmul(integers({37, 20}, 1, d), integers({34, 20}, 2, d).transpose(0, 1));
  });
  expect_exact("every second column", [](Device d) {
    return matmul(integers({9, 40}, 1, d).slice(1, {0, 40, 2}), integers({20, 6}, 2, d));
  });
  expect_exact("parts of wider matrices", [](Device d) {  // rows next to each other, at addresses of all kinds
    return matmul(integers({40, 50}, 1, d).slice(1, {3, 24}), integers({21, 75}, 2, d).slice(1, {1, 70}));
  });
  expect_exact("one row for all", [](Device d) {
    return matmul(integers({1, 12}, 1, d).expand({33, 12}), integers({12, 5}, 2, d));
  });
  expect_exact("vectors", [](Device d) { return matmul(integers({40}, 1, d), integers({40}, 2, d)); });
}

TEST_P(Ladder, Batches) {
  expect_exact("two batch axes", [](Device d) {
    return matmul(integers({2, 3, 9, 5}, 1, d), integers({2, 3, 5, 34}, 2, d));
  });
  expect_exact("one b for all", [](Device d) { return matmul(integers({3, 33, 6}, 1, d), integers({6, 7}, 2, d)); });
  expect_exact("broadcast both ways", [](Device d) {
    return matmul(integers({2, 1, 5, 6}, 1, d), integers({3, 6, 4}, 2, d));
  });
  expect_exact("heads, as attention has them", [](Device d) {
    return matmul(integers({2, 7, 3, 8}, 1, d).permute({0, 2, 1, 3}),
                  integers({2, 7, 3, 8}, 2, d).permute({0, 2, 3, 1}));
  });
}

TEST_P(Ladder, AddsToWhatIsThereAndWritesAnyLayout) {
  for (const bool accumulate : {false, true}) {
    for (const bool across : {false, true}) {
      expect_exact(accumulate ? "accumulate" : "write", [&](Device d) {
        const Tensor a = integers({35, 11}, 1, d), b = integers({11, 66}, 2, d);
        Tensor out = integers(across ? Shape{66, 35} : Shape{35, 66}, 3, d);
        const Tensor target = across ? out.transpose(0, 1) : out;
        backends::backend_for(d).matmul(view_of(a), view_of(b), view_of(target), accumulate);
        return out;
      });
    }
  }
}

TEST_P(Ladder, LinearAndItsWayBack) {
  const auto gradients = [](Device d) {
    const Tensor x = integers({13, 21}, 1, d).requires_grad_();
    Tensor w = integers({10, 21}, 2, d).requires_grad_(), b = integers({10}, 3, d).requires_grad_();
    (linear(x, w, b) * integers({13, 10}, 4, d)).sum().backward();
    return cat({x.grad().reshape({-1}), w.grad().reshape({-1}), b.grad()});
  };
  expect_exact("linear", gradients);
}

TEST_P(Ladder, RealNumbersAsCloseAsTheRungPromises) {
  Generator generator(5);
  const Tensor a = randn({50, 70}, {serial(), DType::float32}, generator);
  const Tensor b = randn({70, 45}, {serial(), DType::float32}, generator);
  const Tensor y = matmul(a.to(cuda()), b.to(cuda())).to(serial()).to(DType::float64);
  const Tensor expected = matmul(a.to(DType::float64), b.to(DType::float64));
  const double scale = matmul(abs(a).to(DType::float64), abs(b).to(DType::float64)).max().item();
  const double error = abs(y - expected).max().item() / scale;
  // TF32 rounds each factor by at most 2^-11 of itself; float32 sums of 70 terms lose at most 70 roundings.
  const double allowed = GetParam() == "tensor-core" ? 0x1p-10 : 70 * 0x1p-24;
  EXPECT_LE(error, allowed);
  // What tells the Tensor Core from the others: 1 + 2^-12 is 1 to it.
  const Tensor fine = full({1, 1}, 1 + 0x1p-12, cuda());
  EXPECT_EQ(matmul(fine, ones({1, 1}, cuda())).item(), GetParam() == "tensor-core" ? 1.0 : 1 + 0x1p-12);
}

TEST_P(Ladder, NaNAndInfinityArrive) {
  Tensor a = integers({3, 3}, 1, cuda());
  a.select(0, 1).fill_(std::numeric_limits<double>::infinity());
  const Tensor y = matmul(a, ones({3, 2}, cuda()));
  EXPECT_EQ(y.select(0, 1).to(serial()).to_vector<float>(),
            std::vector<float>(2, std::numeric_limits<float>::infinity()));
  a.select(0, 2).fill_(std::nan(""));
  const std::vector<float> z = matmul(a, ones({3, 2}, cuda())).to(serial()).to_vector<float>();
  EXPECT_TRUE(std::isfinite(z[0]) && std::isinf(z[2]) && std::isnan(z[4]));
}

TEST_P(Ladder, OtherDtypesStayWithTheLibrary) {
  for (const DType dtype : {DType::float64, DType::float16, DType::bfloat16}) {
    const std::uint64_t before = counters_now().vendor_calls;
    const Tensor y = matmul(integers({5, 6}, 1, cuda()).to(dtype), integers({6, 7}, 2, cuda()).to(dtype));
    EXPECT_EQ(y.to(DType::float32).to(serial()).to_vector<float>(),
              matmul(integers({5, 6}, 1, serial()), integers({6, 7}, 2, serial())).to_vector<float>());
    EXPECT_GT(counters_now().vendor_calls, before) << name(dtype);
  }
}

/// The losses of a few steps of a network, eager or captured.
std::vector<double> losses_of(Device d, bool captured) {
  manual_seed(3);
  nn::Sequential model{nn::Linear(20, 12), nn::ReLU(), nn::Linear(12, 4)};
  model.to(d);
  nn::SGD sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  const Tensor x = integers({8, 20}, 6, d) * 0.25, labels = arange(0, 8, 1, {d, DType::int64}).to(d) * 0 + 1;
  Tensor loss;
  const auto step = [&] {
    sgd.zero_grad();
    loss = cross_entropy(model(x), labels);
    loss.backward();
    sgd.step();
  };
  std::vector<double> all;
  if (!captured) {
    for (int i = 0; i < 4; ++i) {
      step();
      all.push_back(loss.item());
    }
    return all;
  }
  CapturedStep recorded = capture(step);
  recorded.replay(3);
  return {loss.item()};
}

TEST_P(Ladder, ANetworkTrainsOnIt) {
  const std::uint64_t before = counters_now().vendor_calls;
  const std::vector<double> losses = losses_of(cuda(), false), expected = losses_of(serial(), false);
  EXPECT_EQ(counters_now().vendor_calls, before) << "the whole step is the rung's";
  const double tolerance = GetParam() == "tensor-core" ? 2e-2 : 1e-5;
  for (std::size_t i = 0; i < losses.size(); ++i) EXPECT_NEAR(losses[i], expected[i], tolerance * expected[i]) << i;
  EXPECT_LT(losses.back(), losses.front());
  EXPECT_EQ(losses_of(cuda(), true).back(), losses.back()) << "captured";
}

INSTANTIATE_TEST_SUITE_P(Rungs, Ladder, testing::ValuesIn(rungs()), [](const auto& row) {
  std::string name = row.param;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

class SumLadder : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { set_reduce_kernel(cuda(), GetParam()); }
  void TearDown() override { set_reduce_kernel(cuda(), "auto"); }
};

TEST_P(SumLadder, SumsOfSmallIntegersAreExact) {
  const auto expect_exact = [](const std::string& what, auto f) {
    EXPECT_EQ(f(cuda()).to(serial()).template to_vector<float>(), f(serial()).template to_vector<float>()) << what;
  };
  for (const std::int64_t n : {1, 2, 7, 8, 31, 32, 33, 255, 256, 257, 1000, 65536, 65537, 140000}) {
    expect_exact(std::to_string(n), [n](Device d) { return integers({n}, 1, d).sum(); });
  }
  expect_exact("rows", [](Device d) { return integers({300, 45}, 1, d).sum({1}); });
  expect_exact("the last two axes", [](Device d) { return integers({3, 20, 21}, 1, d).sum({1, 2}, true); });
  expect_exact("columns, which stay with auto", [](Device d) { return integers({30, 45}, 1, d).sum({0}); });
  expect_exact("the first and the last axis", [](Device d) { return integers({5, 6, 7}, 1, d).sum({0, 2}); });
  expect_exact("rows of a transposed matrix", [](Device d) {
    return integers({40, 33}, 1, d).transpose(0, 1).sum({1});
  });
  expect_exact("mean", [](Device d) { return integers({64}, 1, d).mean(); });
  EXPECT_EQ(integers({40}, 1, cuda()).to(DType::float64).sum().item(), integers({40}, 1, serial()).sum().item());
  EXPECT_EQ(integers({40}, 1, cuda()).max().item(), integers({40}, 1, serial()).max().item());
}

TEST_P(SumLadder, ItIsTheRungThatAdds) {
  // 1 + 2^-24 is 1, 2^-24 + 2^-24 is not lost: which of them meet first tells the order.
  const auto sum_with = [](std::int64_t second, std::int64_t third) {
    Tensor x = zeros({64}, {cuda(), DType::float32});
    x.select(0, 0).fill_(1);
    x.select(0, second).fill_(0x1p-24);
    x.select(0, third).fill_(0x1p-24);
    return x.sum().item();
  };
  EXPECT_EQ(sum_with(16, 32), 1.0) << "0 meets each of them alone";
  EXPECT_EQ(sum_with(1, 17), GetParam() == "sequential" ? 1.0 : 1 + 0x1p-23);  // 1 and 17 meet before 0 and 1
}

INSTANTIATE_TEST_SUITE_P(Rungs, SumLadder, testing::Values("sequential", "tree", "warp-shuffle"), [](const auto& row) {
  std::string name = row.param;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

TEST(Exhibits, RunAndSayWhatTheyDid) {
  for (const Exhibit& e : exhibits()) {
    for (const std::int64_t setting : e.settings) {
      const ExhibitRun run = run_exhibit(cuda(), e.name, setting, 3);
      EXPECT_EQ(run.seconds.size(), 3u);
      for (const double each : run.seconds) EXPECT_GE(each, 0);
      EXPECT_GT(run.figures.bytes + run.figures.operations, 0) << e.name;
      EXPECT_GT(run.figures.threads, 0) << e.name;
      EXPECT_GT(run.figures.blocks, 0) << e.name;
      EXPECT_GT(run.figures.warps, 0) << e.name;
      EXPECT_LE(run.figures.warps, run.figures.most_warps) << e.name << ' ' << setting;
      const std::string_view name = e.name;
      if (name == "warps-in-flight") {
        EXPECT_EQ(run.figures.warps, setting);
      } else if (name == "block-size") {
        EXPECT_EQ(run.figures.threads, setting);
      }
    }
  }
  EXPECT_THROW(run_exhibit(cuda(), "instruction-parallelism", 3), DeviceError);
}

TEST(Exhibits, AreRefusedInACapturedStep) {
  int calls = 0;
  EXPECT_THROW(capture([&] {
                 if (++calls == 2) run_exhibit(cuda(), "divergence", 2);
                 (void)ones({1}, cuda());
               }),
               StateError);
}

}  // namespace
}  // namespace weft_harness::test
