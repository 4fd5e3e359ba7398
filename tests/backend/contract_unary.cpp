#include <cmath>
#include <limits>

#include <weft/core/dtype_support.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class ContractUnary : public OnEveryBackend {};

/// Slope, alpha, beta and threshold, whatever the operation takes them for.
constexpr backends::UnaryArgs parameters = {0.25, 20};

double textbook(UnaryOp op, double x) {
  switch (op) {
    case UnaryOp::neg:
      return -x;
    case UnaryOp::abs:
      return std::fabs(x);
    case UnaryOp::sign:
      return std::isnan(x) ? x : (x > 0) - (x < 0);
    case UnaryOp::exp:
      return std::exp(x);
    case UnaryOp::log:
      return std::log(x);
    case UnaryOp::sqrt:
      return std::sqrt(x);
    case UnaryOp::tanh:
      return std::tanh(x);
    case UnaryOp::sigmoid:
      return 1 / (1 + std::exp(-x));
    case UnaryOp::relu:
      return std::isnan(x) ? x : std::max(x, 0.0);
    case UnaryOp::logical_not:
      return x == 0 ? 1 : 0;
    case UnaryOp::expm1:
      return std::expm1(x);
    case UnaryOp::log1p:
      return std::log1p(x);
    case UnaryOp::rsqrt:
      return 1 / std::sqrt(x);
    case UnaryOp::sin:
      return std::sin(x);
    case UnaryOp::cos:
      return std::cos(x);
    case UnaryOp::erf:
      return std::erf(x);
    case UnaryOp::floor:
      return std::floor(x);
    case UnaryOp::ceil:
      return std::ceil(x);
    case UnaryOp::round:
      return std::nearbyint(x);
    case UnaryOp::leaky_relu:
      return x > 0 ? x : parameters.a * x;
    case UnaryOp::elu:
      return x > 0 ? x : parameters.a * std::expm1(x);
    case UnaryOp::gelu:
      return x == -inf ? 0 : 0.5 * x * (1 + std::erf(x / std::sqrt(2)));
    case UnaryOp::gelu_tanh:
      return x == -inf ? 0 : 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1)) * (x + 0.044715 * x * x * x)));
    case UnaryOp::silu:
      return x == -inf ? 0 : x / (1 + std::exp(-x));
    case UnaryOp::softplus:
      return parameters.a * x > parameters.b ? x : std::log1p(std::exp(parameters.a * x)) / parameters.a;
  }
  return 0;
}

Array textbook(UnaryOp op, const Array& in) {
  Array out = in;
  for (double& value : out.values) value = textbook(op, value);
  return out;
}

template <class F>
void for_each_op(DType dtype, F f) {
  for (int i = 0; i < unary_op_count; ++i) {
    const auto op = static_cast<UnaryOp>(i);
    if (!supports(op, dtype)) continue;
    SCOPED_TRACE(std::string(weft::name(op)) + " " + weft::name(dtype));
    f(op);
  }
}

Array inputs(UnaryOp op, DType dtype, const Shape& shape) {
  const bool positive = op == UnaryOp::log || op == UnaryOp::sqrt || op == UnaryOp::rsqrt || op == UnaryOp::log1p;
  return random_array(dtype, shape, 21, positive ? 0.1 : -6, 6);
}

TEST_P(ContractUnary, EveryOpDtypeShapeAndLayout) {
  for (DType dtype : all_dtypes) {
    for_each_op(dtype, [&](UnaryOp op) {
      for (const Shape& shape : dtype == DType::float32 ? shapes() : small_shapes()) {
        const Array values = inputs(op, dtype, shape);
        for (Layout layout : layouts) {
          SCOPED_TRACE(to_string(shape) + name(layout));
          const Block in(backend(), dtype, values, layout), out(backend(), dtype, shape, after(layout));
          backend().unary(op, parameters, in, out);
          expect_close(dtype, out.read(), textbook(op, values));
        }
      }
    });
  }
}

TEST_P(ContractUnary, RepeatedInput) {
  for_each_op(DType::float32, [&](UnaryOp op) {
    const Array wide = repeat(inputs(op, DType::float32, {1, 37}), {5, 37});
    const Block in(backend(), DType::float32, wide, Layout::contiguous, 0b01),
        out(backend(), DType::float32, wide.shape);
    backend().unary(op, parameters, in, out);
    expect_close(DType::float32, out.read(), textbook(op, wide));
  });
}

TEST_P(ContractUnary, InPlace) {
  for (DType dtype : all_dtypes) {
    for_each_op(dtype, [&](UnaryOp op) {
      const Array values = inputs(op, dtype, {4, 33});
      for (Layout layout : layouts) {
        const Block both(backend(), dtype, values, layout);
        backend().unary(op, parameters, both, both);
        expect_close(dtype, both.read(), textbook(op, values));
      }
    });
  }
}

TEST_P(ContractUnary, SpecialValues) {
  const Array special({12}, {nan, inf, -inf, 0.0, -0.0, 100, -100, 1e4, -1e4, 1, -1, 1e-3});
  for (DType dtype : floating_dtypes) {
    for_each_op(dtype, [&](UnaryOp op) {
      Array values = special;
      values.values = round_to(dtype, values.values);
      const Block in(backend(), dtype, values), out(backend(), dtype, values.shape);
      backend().unary(op, parameters, in, out);
      Array want = textbook(op, values);
      want.values = round_to(dtype, want.values);
      if (op == UnaryOp::sigmoid || op == UnaryOp::exp) {  // what lies below the smallest normal number is 0 or nearly
        const Array got = out.read();
        for (std::size_t i = 0; i < want.values.size(); ++i) {
          if (std::fabs(want.values[i]) < 1e-30) {
            EXPECT_LT(std::fabs(got.values[i]), 1e-30);
            want.values[i] = got.values[i];
          }
        }
      }
      expect_close(dtype, out.read(), want);
    });
  }
}

TEST_P(ContractUnary, IntegersWrap) {
  const Array lowest({2}, {static_cast<double>(std::numeric_limits<std::int32_t>::min()), 5});
  for (UnaryOp op : {UnaryOp::neg, UnaryOp::abs}) {
    const Block in(backend(), DType::int32, lowest), out(backend(), DType::int32, lowest.shape);
    backend().unary(op, parameters, in, out);
    expect_equal(out.read(), Array({2}, {lowest.values[0], op == UnaryOp::neg ? -5.0 : 5.0}));
  }
}

WEFT_ON_EVERY_BACKEND(ContractUnary);

}  // namespace
}  // namespace weft::contract_test
