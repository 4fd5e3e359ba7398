// Which call the NaN comes from.

#include <limits>
#include <thread>

#include <weft/autograd/anomaly.h>
#include <weft/autograd/function.h>
#include <weft/tensor/tensor_impl.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// sqrt(x)^2 at 0: 0 / 0 in sqrt's backward.
TEST(Anomaly, NamesTheForwardCall) {
  Tensor x = leaf_of({4, 0});
  const Tensor y = (sqrt(x) * leaf_of({1, 0})).sum();
  const std::string line = "anomaly_test.cpp:" + std::to_string(__LINE__ - 1);
  const DetectAnomaly on;
  expect_error<AutogradError>([&] { y.backward(); }, ErrorCode::non_finite,
                              {"[backward]", "[sqrt]", "argument 0", "NaN at (1,)", line.c_str()});
  EXPECT_FALSE(x.grad().defined());
}

TEST(Anomaly, IsOffOutsideItsScopeAndOnOtherThreads) {
  Tensor x = leaf_of({4, 0});
  const auto loss = [&] { return (sqrt(x) * leaf_of({1, 0})).sum(); };
  { const DetectAnomaly on; }
  EXPECT_NO_THROW(loss().backward());
  const DetectAnomaly on;
  std::thread([&] { EXPECT_NO_THROW(loss().backward()); }).join();
  EXPECT_THROW(loss().backward(), AutogradError);
  EXPECT_NO_THROW((x * 2.0).sum().backward());
}

TEST(Anomaly, InGradAndInSecondDerivatives) {
  Tensor x = leaf_of({0});
  const DetectAnomaly on;
  expect_error<AutogradError>([&] { grad({sqrt(x) * leaf_of({0})}, {x}); }, ErrorCode::non_finite,
                              {"[grad]", "[sqrt]"});
  // x sqrt(x): its first derivative at 0 is finite, formula by formula; the graph of it is not.
  const Tensor first = grad({x * x * x}, {x}, {}, false, true)[0];
  EXPECT_NO_THROW(grad({first}, {x}));
}

TEST(Anomaly, BlamesWhoMadeIt) {
  Tensor x = leaf_of({1, 2});
  const DetectAnomaly on;
  expect_error<AutogradError>(
      [&] {
        (x * 2.0).backward(tensor({1, nan}, f64()));
      },
      ErrorCode::non_finite, {"given for the result of [mul]", "NaN at (1,)"});
  const Tensor h = x * 2.0;
  Tensor hooked = h;
  hooked.register_hook([](const Tensor&) { return tensor({nan, 1}, f64()); });
  expect_error<AutogradError>([&] { h.sum().backward(); }, ErrorCode::non_finite,
                              {"hook", "[mul]", "anomaly_test.cpp", "NaN at (0,)"});
  // Two infinities that meet: neither call made a NaN.
  const Tensor z = x * 1.0;
  const Tensor both = z * tensor({infinity, 1}, f64()) + z * tensor({-infinity, 1}, f64());
  expect_error<AutogradError>([&] { both.sum().backward(); }, ErrorCode::non_finite,
                              {"sum of the gradients", "[mul]", "NaN at (0,)"});
  const Tensor at_leaf = x * tensor({infinity, 1}, f64()) + x * tensor({-infinity, 1}, f64());
  expect_error<AutogradError>([&] { at_leaf.sum().backward(); }, ErrorCode::non_finite,
                              {"sum of the gradients", "leaf"});
  EXPECT_FALSE(x.grad().defined());
}

TEST(Anomaly, InfinitiesWhenAsked) {
  Tensor x = leaf_of({4, 0});
  {
    const DetectAnomaly nan_only;
    EXPECT_NO_THROW(sqrt(x).sum().backward());
  }
  const DetectAnomaly on({.infinities = true});
  expect_error<AutogradError>([&] { sqrt(x).sum().backward(); }, ErrorCode::non_finite,
                              {"[sqrt]", "an infinity at (1,)"});
}

TEST(Anomaly, ForwardCallsWhenAsked) {
  Tensor x = leaf_of({4, -1});
  {
    const DetectAnomaly backward_only;
    EXPECT_NO_THROW((void)log(x));
  }
  const DetectAnomaly on({.forward = true});
  expect_error<AutogradError>([&] { (void)log(x); }, ErrorCode::non_finite,
                              {"[log]", "NaN at (1,)", "anomaly_test.cpp"});
  EXPECT_NO_THROW((void)exp(x));
  expect_error<AutogradError>(
      [&] {
        (void)cat({x, tensor({nan}, f64())});
      },
      ErrorCode::non_finite, {"[cat]", "NaN at (2,)"});
  {
    const DetectAnomaly inner;  // the innermost counts
    EXPECT_NO_THROW((void)log(x));
  }
  EXPECT_THROW((void)log(x), AutogradError);
}

struct Broken : Function<Broken> {
  static constexpr const char* name = "broken";
  static Tensor forward(FunctionContext&, const Tensor& x) { return x * 1.0; }
  static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) { return {dy[0] * nan}; }
};

TEST(Anomaly, NamesFunctionsOfOnesOwn) {
  const DetectAnomaly on;
  expect_error<AutogradError>([] { Broken::apply(leaf_of({1})).backward(); }, ErrorCode::non_finite,
                              {"[broken]", "anomaly_test.cpp"});
}

TEST(Anomaly, EveryFloatingTypeAndRank) {
  for (const DType dtype : {DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    for (const Device device : {serial(), cpu()}) {
      Tensor x = zeros({}, {device, dtype}).requires_grad_();
      const DetectAnomaly on;
      expect_error<AutogradError>(
          [&] {
            (sqrt(x) * zeros({}, {device, dtype})).backward();
          },
          ErrorCode::non_finite, {"[sqrt]", "NaN at ()"});
      EXPECT_NO_THROW(zeros({0, 3}, {device, dtype}).requires_grad_().sum().backward());
    }
  }
}

}  // namespace
