// The checker itself: it finds what is wrong, says where, and passes what is right.

#include <cmath>

#include <weft/autograd/gradcheck.h>
#include <weft/autograd/record.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

// x^2 with a gradient of one's own choice.
Tensor square_with(const Tensor& x, const std::function<Tensor(const Tensor& x, const Tensor& dy)>& formula) {
  Tensor y;
  {
    const NoGrad off;
    y = x * x;
  }
  if (autograd::Recorder r{"square", {}, x}) {
    r.record(y, [formula, x = r.keep(x)](autograd::Back& back) { back[0] = formula(back(x), back.dy); });
  }
  return y;
}

GradcheckFunction square(const std::function<Tensor(const Tensor& x, const Tensor& dy)>& formula) {
  return [formula](const std::vector<Tensor>& in) { return square_with(in[0], formula); };
}

TEST(Gradcheck, PassesWhatIsRight) {
  const GradcheckFunction right = square([](const Tensor& x, const Tensor& dy) { return dy * x * 2.0; });
  const GradcheckResult result = gradcheck(right, {leaf({2, 3})});
  EXPECT_TRUE(result.ok) << result.message;
  EXPECT_TRUE(result.message.empty());
  EXPECT_LT(result.worst, 1e-7);
  EXPECT_TRUE(gradgradcheck(right, {leaf({2, 3})}));
}

TEST(Gradcheck, FindsAWrongFactor) {
  const GradcheckResult result =
      gradcheck(square([](const Tensor& x, const Tensor& dy) { return dy * x * 2.5; }), {leaf_of({1, 100, 3})});
  EXPECT_FALSE(result);
  // the worst element is named, with both values
  EXPECT_NE(result.message.find("input 0(1,)"), std::string::npos) << result.message;
  EXPECT_NE(result.message.find("result(1,)"), std::string::npos) << result.message;
  EXPECT_NE(result.message.find("250,"), std::string::npos) << result.message;
  EXPECT_NEAR(result.worst, 50, 1e-3);
}

TEST(Gradcheck, FindsOneWrongElement) {
  const Tensor mask = tensor({0, 0, 1e-3}, f64());
  const GradcheckResult result = gradcheck(
      square([&](const Tensor& x, const Tensor& dy) { return dy * (x * 2.0 + mask); }), {leaf_of({1, -2, 0.01})});
  EXPECT_FALSE(result);
  EXPECT_NE(result.message.find("input 0(2,)"), std::string::npos) << result.message;
}

TEST(Gradcheck, FindsAGradientThatMixesElements) {
  EXPECT_FALSE(gradcheck(square([](const Tensor& x, const Tensor& dy) {
                           return dy * x * 2.0 + dy.slice(0, {std::nullopt, std::nullopt, -1}) * 0.01;
                         }),
                         {leaf({3})}));
}

TEST(Gradcheck, FindsAMissingGradient) {
  const GradcheckFunction detached = [](const std::vector<Tensor>& in) { return in[0] * in[0].detach(); };
  EXPECT_FALSE(gradcheck(detached, {leaf({3})}));
  const GradcheckFunction nothing = [](const std::vector<Tensor>& in) { return in[0].detach() * 2.0; };
  EXPECT_FALSE(gradcheck(nothing, {leaf({3})}));
}

TEST(Gradcheck, FindsNotANumber) {
  EXPECT_FALSE(gradcheck(square([](const Tensor& x, const Tensor& dy) { return dy * x * 2.0 + log(x * 0.0 - 1); }),
                         {leaf({3})}));
}

TEST(Gradcheck, FindsTheWrongInput) {
  const GradcheckFunction fn = [](const std::vector<Tensor>& in) {
    return in[0] * in[0] + square_with(in[1], [](const Tensor& x, const Tensor& dy) { return dy * x; });
  };
  const GradcheckResult result = gradcheck(fn, {leaf({2}, 1), leaf({2}, 2)});
  EXPECT_FALSE(result);
  EXPECT_NE(result.message.find("input 1"), std::string::npos) << result.message;
}

TEST(Gradcheck, FindsABackwardThatIsNotReproducible) {
  double drift = 0;
  const GradcheckResult result = gradcheck(square([&](const Tensor& x, const Tensor& dy) {
                                             drift += 1e-12;
                                             return dy * x * 2.0 + drift;
                                           }),
                                           {leaf({2})});
  EXPECT_FALSE(result);
  EXPECT_NE(result.message.find("bits"), std::string::npos) << result.message;
}

// The first derivative is right, but as a constant: only the second derivative can tell.
TEST(Gradcheck, SecondDerivativeFindsAFormulaThatIsNotRecorded) {
  const GradcheckFunction fn = square([](const Tensor& x, const Tensor& dy) { return dy * (x.detach() * 2.0); });
  EXPECT_TRUE(gradcheck(fn, {leaf({2})}));
  const GradcheckResult result = gradgradcheck(fn, {leaf({2})});
  EXPECT_FALSE(result);
  EXPECT_NE(result.message.find("of the gradients"), std::string::npos) << result.message;
}

TEST(Gradcheck, LeavesTheInputsAlone) {
  Tensor x = leaf({2, 2});
  const Values before = values(x);
  x.set_grad(normal({2, 2}, 5));
  const Values grad_before = values(x.grad());
  const GradcheckFunction fn = [](const std::vector<Tensor>& in) { return exp(in[0]); };
  gradcheck(fn, {x});
  gradgradcheck(fn, {x});
  EXPECT_EQ(values(x), before);
  EXPECT_EQ(values(x.grad()), grad_before);
}

TEST(Gradcheck, WorksInsideNoGrad) {
  const NoGrad off;
  const GradcheckFunction fn = [](const std::vector<Tensor>& in) { return exp(in[0]); };
  EXPECT_TRUE(gradcheck(fn, {leaf({2})}));
  EXPECT_TRUE(gradgradcheck(fn, {leaf({2})}));
  EXPECT_FALSE(grad_enabled());
}

TEST(Gradcheck, OnlyInputsThatAskAreChecked) {
  const GradcheckFunction fn = [](const std::vector<Tensor>& in) { return in[0] * in[1].detach(); };
  EXPECT_TRUE(gradcheck(fn, {leaf({2}, 1), normal({2}, 2)}));
}

TEST(Gradcheck, RefusesWhatItCannotCheck) {
  const GradcheckFunction fn = [](const std::vector<Tensor>& in) { return in[0] * 2.0; };
  Tensor single = ones({2}, serial());
  expect_error<ValueError>([&] { gradcheck(fn, {normal({2})}); }, ErrorCode::value_invalid, {"requires_grad"});
  expect_error<DTypeError>([&] { gradcheck(fn, {single.requires_grad_()}); }, ErrorCode::dtype_unsupported,
                           {"input 0", "float32", "float64"});
  const GradcheckFunction narrow = [](const std::vector<Tensor>& in) { return in[0].to(DType::float32); };
  expect_error<DTypeError>([&] { gradcheck(narrow, {leaf({2})}); }, ErrorCode::dtype_unsupported, {"result"});
  const GradcheckFunction undefined = [](const std::vector<Tensor>&) { return Tensor(); };
  expect_error<StateError>([&] { gradcheck(undefined, {leaf({2})}); }, ErrorCode::tensor_undefined);
  for (const double bad : {0.0, -1e-6, std::nan("")}) {
    GradcheckOptions options;
    options.eps = bad;
    expect_error<ValueError>([&] { gradcheck(fn, {leaf({2})}, options); }, ErrorCode::value_out_of_range, {"eps"});
  }
}

TEST(Gradcheck, ToleranceIsRespected) {
  const GradcheckFunction fn = square([](const Tensor& x, const Tensor& dy) { return dy * x * 2.01; });
  GradcheckOptions loose;
  loose.rtol = 0.01;
  EXPECT_TRUE(gradcheck(fn, {leaf({3})}, loose));
  loose.rtol = 0.004;
  EXPECT_FALSE(gradcheck(fn, {leaf({3})}, loose));
}

}  // namespace
