#include <cmath>
#include <limits>

#include <weft/core/dtype_support.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class ContractBinary : public OnEveryBackend {};
class ContractWhere : public OnEveryBackend {};

/// By central differences of the function itself: independent of any formula for the derivative.
double slope(BinaryOp op, double x) {
  const long double h = 1e-4L;
  const auto f = [op](long double v) -> long double {
    if (op == BinaryOp::silu_backward) return v / (1 + std::exp(-v));
    if (op == BinaryOp::gelu_backward) return v * std::erfc(-v / std::sqrt(2.0L)) / 2;
    return v / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0L)) * (v + 0.044715L * v * v * v)));
  };
  const long double wide = (f(x + h) - f(x - h)) / (2 * h), narrow = (f(x + h / 2) - f(x - h / 2)) / h;
  return static_cast<double>((4 * narrow - wide) / 3);
}

double textbook(BinaryOp op, DType dtype, double a, double b) {
  switch (op) {
    case BinaryOp::add:
      return dtype == DType::uint8 ? std::fmod(a + b, 256) : a + b;
    case BinaryOp::sub:
      return dtype == DType::uint8 ? std::fmod(a - b + 256, 256) : a - b;
    case BinaryOp::mul:
      return dtype == DType::uint8 ? std::fmod(a * b, 256) : a * b;
    case BinaryOp::div:
      return a / b;
    case BinaryOp::maximum:
      return std::isnan(a) || std::isnan(b) ? nan : std::max(a, b);
    case BinaryOp::minimum:
      return std::isnan(a) || std::isnan(b) ? nan : std::min(a, b);
    case BinaryOp::eq:
      return a == b;
    case BinaryOp::ne:
      return a != b;
    case BinaryOp::lt:
      return a < b;
    case BinaryOp::le:
      return a <= b;
    case BinaryOp::gt:
      return a > b;
    case BinaryOp::ge:
      return a >= b;
    case BinaryOp::logical_and:
      return a != 0 && b != 0;
    case BinaryOp::logical_or:
      return a != 0 || b != 0;
    case BinaryOp::relu_backward:
      return b > 0 ? a : 0;
    case BinaryOp::tanh_backward:
      return a * (1 - b * b);
    case BinaryOp::sigmoid_backward:
      return a * b * (1 - b);
    case BinaryOp::pow:
      return std::pow(a, b);
    case BinaryOp::gelu_backward:
    case BinaryOp::gelu_tanh_backward:
    case BinaryOp::silu_backward:
      return std::isinf(b) ? a * (b > 0 ? 1 : 0) : a * slope(op, b);
  }
  return 0;
}

Array textbook(BinaryOp op, DType dtype, const Array& a, const Array& b) {
  Array out(a.shape);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    out.values[i] = textbook(op, dtype, a.values[i], b.values[i]);
  }
  return out;
}

DType out_dtype(BinaryOp op, DType dtype) { return writes_bool(op) ? DType::boolean : dtype; }

template <class F>
void for_each_op(DType dtype, F f) {
  for (int i = 0; i < binary_op_count; ++i) {
    const auto op = static_cast<BinaryOp>(i);
    if (!supports(op, dtype)) continue;
    SCOPED_TRACE(std::string(weft::name(op)) + " " + weft::name(dtype));
    f(op);
  }
}

/// Left and right operands; some pairs are equal.
std::pair<Array, Array> operands(DType dtype, const Shape& shape) {
  std::pair<Array, Array> both{random_array(dtype, shape, 31, -3, 3), random_array(dtype, shape, 32, -3, 3)};
  for (std::size_t i = 0; i < both.first.values.size(); i += 3) both.second.values[i] = both.first.values[i];
  for (double& value : both.second.values) {
    if (value == 0 && is_floating(dtype)) value = 1;
  }
  return both;
}

TEST_P(ContractBinary, EveryOpDtypeShapeAndLayout) {
  for (DType dtype : all_dtypes) {
    for_each_op(dtype, [&](BinaryOp op) {
      for (const Shape& shape : dtype == DType::float32 ? shapes() : small_shapes()) {
        const auto [a, b] = operands(dtype, shape);
        const Array want = textbook(op, dtype, a, b);
        for (Layout layout : layouts) {
          SCOPED_TRACE(to_string(shape) + name(layout));
          const Block left(backend(), dtype, a, layout), right(backend(), dtype, b, after(layout));
          const Block out(backend(), out_dtype(op, dtype), shape, after(layout, 2));
          backend().binary(op, left, right, out);
          expect_close(dtype, out.read(), want);
        }
        const Block left(backend(), dtype, a), right(backend(), dtype, b), out(backend(), out_dtype(op, dtype), shape);
        backend().binary(op, left, right, out);
        expect_close(dtype, out.read(), want);
      }
    });
  }
}

TEST_P(ContractBinary, RepeatedOperands) {
  const Shape shape = {6, 35};
  for (DType dtype : {DType::float32, DType::float64, DType::bfloat16, DType::int32}) {
    for_each_op(dtype, [&](BinaryOp op) {
      const auto [a, b] = operands(dtype, shape);
      for (const auto& [small, axes] :
           {std::pair<Shape, unsigned>{{1, 35}, 0b01}, std::pair<Shape, unsigned>{{6, 1}, 0b10},
            std::pair<Shape, unsigned>{{1, 1}, 0b11}}) {
        Array one(small);
        for (std::size_t i = 0; i < one.values.size(); ++i) one.values[i] = b.values[i];
        const Array wide = repeat(one, shape);
        const Block full(backend(), dtype, a), narrow(backend(), dtype, wide, Layout::contiguous, axes);
        const Block out(backend(), out_dtype(op, dtype), shape);
        backend().binary(op, full, narrow, out);
        expect_close(dtype, out.read(), textbook(op, dtype, a, wide));
        if (op == BinaryOp::div || op == BinaryOp::pow) continue;  // a may hold zeros
        backend().binary(op, narrow, full, out);
        expect_close(dtype, out.read(), textbook(op, dtype, wide, a));
      }
    });
  }
}

TEST_P(ContractBinary, NumbersOnEitherSide) {
  for (DType dtype : all_dtypes) {
    for_each_op(dtype, [&](BinaryOp op) {
      for (const Shape& shape : small_shapes()) {
        const auto [a, b] = operands(dtype, shape);
        for (Layout layout : {Layout::contiguous, Layout::gapped}) {
          const Block left(backend(), dtype, b, layout), out(backend(), out_dtype(op, dtype), shape, layout);
          for (const Number number : {Number(2), Number(1), Number(0.3)}) {
            const double value = [&] {  // what the dtype makes of it
              if (dtype == DType::boolean) return number.to<bool>() ? 1.0 : 0.0;
              return is_integer(dtype) ? std::trunc(number.to<double>()) : round_to(dtype, number.to<double>());
            }();
            const Array wide(shape, value);
            backend().binary(op, number, left, out);
            expect_close(dtype, out.read(), textbook(op, dtype, wide, b));
            if (op == BinaryOp::div && value == 0) continue;
            backend().binary(op, left, number, out);
            expect_close(dtype, out.read(), textbook(op, dtype, b, wide));
          }
        }
      }
    });
  }
}

TEST_P(ContractBinary, InPlaceOnEitherOperand) {
  for (DType dtype : {DType::float32, DType::float64, DType::float16, DType::int64}) {
    for_each_op(dtype, [&](BinaryOp op) {
      if (writes_bool(op)) return;
      const auto [a, b] = operands(dtype, {5, 19});
      const Array want = textbook(op, dtype, a, b);
      for (Layout layout : layouts) {
        const Block left(backend(), dtype, a, layout), right(backend(), dtype, b, layout);
        backend().binary(op, left, right, left);
        expect_close(dtype, left.read(), want);
        const Block again(backend(), dtype, a, layout);
        backend().binary(op, again, right, right);
        expect_close(dtype, right.read(), want);
      }
      const Block twice(backend(), dtype, b);
      backend().binary(op, twice, twice, twice);
      expect_close(dtype, twice.read(), textbook(op, dtype, b, b));
    });
  }
}

TEST_P(ContractBinary, SpecialValues) {
  const double special[] = {nan, inf, -inf, 0.0, 1, -1};
  Array a({36}), b({36});
  for (std::size_t i = 0; i < 36; ++i) {
    a.values[i] = special[i / 6];
    b.values[i] = special[i % 6];
  }
  for (DType dtype : floating_dtypes) {
    for_each_op(dtype, [&](BinaryOp op) {
      const Block left(backend(), dtype, a), right(backend(), dtype, b), out(backend(), out_dtype(op, dtype), a.shape);
      backend().binary(op, left, right, out);
      expect_close(dtype, out.read(), textbook(op, dtype, a, b));
    });
  }
}

TEST_P(ContractBinary, DivisionIsCorrectlyRounded) {
  const Array a = random_array(DType::float32, {4099}, 33, 1, 2), b = random_array(DType::float32, {4099}, 34, 1, 2);
  const Block left(backend(), DType::float32, a), right(backend(), DType::float32, b);
  const Block out(backend(), DType::float32, a.shape);
  backend().binary(BinaryOp::div, left, right, out);
  Array want(a.shape);
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    want.values[i] = static_cast<double>(static_cast<float>(a.values[i]) / static_cast<float>(b.values[i]));
  }
  expect_equal(out.read(), want);
}

TEST_P(ContractBinary, IntegersAreExactAndWrap) {
  const std::int64_t big = std::numeric_limits<std::int64_t>::max();
  void* p = backend().allocate(3 * 2 * 8);
  const TensorView a = backends::contiguous_view(p, DType::int64, {3});
  const TensorView b = backends::contiguous_view(static_cast<char*>(p) + 24, DType::int64, {3});
  const std::int64_t host[6] = {big, (std::int64_t{1} << 60) + 1, -7, 1, 2, 3};
  backend().copy_in(p, host, sizeof host);
  backend().binary(BinaryOp::add, a, b, a);
  EXPECT_EQ(to_host<std::int64_t>(backend(), a),
            (std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min(), (std::int64_t{1} << 60) + 3, -4}));
  backend().binary(BinaryOp::mul, b, Number(std::int64_t{1} << 62), b);
  EXPECT_EQ(to_host<std::int64_t>(backend(), b),
            (std::vector<std::int64_t>{std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::min(),
                                       -(std::int64_t{1} << 62)}));
  backend().free(p, 3 * 2 * 8);
}

// ---- where

TEST_P(ContractWhere, EveryDtypeShapeAndLayout) {
  for (DType dtype : all_dtypes) {
    for (const Shape& shape : shapes()) {
      const Array condition = random_array(DType::boolean, shape, 41);
      const Array a = random_array(dtype, shape, 42), b = random_array(dtype, shape, 43);
      Array want(shape);
      for (std::size_t i = 0; i < want.values.size(); ++i) {
        want.values[i] = condition.values[i] != 0 ? a.values[i] : b.values[i];
      }
      for (Layout layout : layouts) {
        SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout));
        const Block c(backend(), DType::boolean, condition, after(layout)), left(backend(), dtype, a, layout);
        const Block right(backend(), dtype, b, after(layout, 2)), out(backend(), dtype, shape, after(layout, 3));
        backend().where(c, left, right, out);
        expect_equal(out.read(), want);
      }
    }
  }
}

TEST_P(ContractWhere, NumbersAndRepeatedViews) {
  const Shape shape = {4, 21};
  const Array row = random_array(DType::boolean, {1, 21}, 44), condition = repeat(row, shape);
  for (DType dtype : all_dtypes) {
    const Array a = random_array(dtype, shape, 45);
    const Block c(backend(), DType::boolean, condition, Layout::contiguous, 0b01), left(backend(), dtype, a);
    const Block out(backend(), dtype, shape);
    const auto want = [&](auto yes, auto no) {
      Array array(shape);
      for (std::size_t i = 0; i < array.values.size(); ++i) {
        array.values[i] = condition.values[i] != 0 ? yes(i) : no(i);
      }
      return array;
    };
    const auto from_a = [&](std::size_t i) { return a.values[i]; };
    const auto one = [](std::size_t) { return 1.0; };
    const auto zero = [](std::size_t) { return 0.0; };
    backend().where(c, left, Number(0), out);
    expect_equal(out.read(), want(from_a, zero));
    backend().where(c, Number(1.0), left, out);
    expect_equal(out.read(), want(one, from_a));
    backend().where(c, Number(1), Number(0.0), out);
    expect_equal(out.read(), want(one, zero));
    const Block in_place(backend(), dtype, a);
    backend().where(c, in_place, Number(0), in_place);
    expect_equal(in_place.read(), want(from_a, zero));
  }
}

TEST_P(ContractWhere, WhatIsNotChosenDoesNotMatter) {
  const Array condition({4}, {1, 0, 1, 0}), a({4}, {1, nan, 2, inf}), b({4}, {nan, 3, inf, 4});
  for (DType dtype : floating_dtypes) {
    const Block c(backend(), DType::boolean, condition), left(backend(), dtype, a), right(backend(), dtype, b);
    const Block out(backend(), dtype, a.shape);
    backend().where(c, left, right, out);
    expect_equal(out.read(), Array({4}, {1, 3, 2, 4}));
  }
}

WEFT_ON_EVERY_BACKEND(ContractBinary);
WEFT_ON_EVERY_BACKEND(ContractWhere);

}  // namespace
}  // namespace weft::contract_test
