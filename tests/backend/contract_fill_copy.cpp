#include <cmath>
#include <limits>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class ContractFill : public OnEveryBackend {};
class ContractCopy : public OnEveryBackend {};

/// What a cast of `value` (already held exactly by `from`) to `to` gives, from the contract's words.
double cast(DType from, DType to, double value) {
  if (to == DType::boolean) return value != 0 ? 1 : 0;  // NaN is not 0
  if (!is_integer(to))
    return round_to(
        to, static_cast<double>(is_floating(to) && to != DType::float64 ? static_cast<double>(static_cast<float>(value))
                                                                        : value));
  const int bits = static_cast<int>(item_size(to)) * 8;
  const bool is_signed = to != DType::uint8;
  const double lowest = is_signed ? -std::ldexp(1.0, bits - 1) : 0;
  const double highest = is_signed ? std::ldexp(1.0, bits - 1) - 1 : std::ldexp(1.0, bits) - 1;
  if (is_floating(from)) {
    if (std::isnan(value)) return 0;
    return std::min(std::max(std::trunc(value), lowest), highest);
  }
  // integers keep their low bits
  const auto raw = static_cast<std::int64_t>(value);
  if (to == DType::int64) return value;
  if (to == DType::int32) return static_cast<double>(static_cast<std::int32_t>(raw));
  return static_cast<double>(static_cast<std::uint8_t>(raw));
}

TEST_P(ContractFill, EveryDtypeShapeAndLayout) {
  for (DType dtype : all_dtypes) {
    for (const Shape& shape : shapes()) {
      for (Layout layout : layouts) {
        SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout));
        const Block out(backend(), dtype, shape, layout);
        backend().fill(out, Number(3));
        expect_equal(out.read(), Array(shape, dtype == DType::boolean ? 1.0 : 3.0));
      }
    }
  }
}

TEST_P(ContractFill, NumbersAreCastLikeElements) {
  for (double value : {2.75, -2.75, 300.0, 1e30, -1e30, inf, -inf, nan, 0.0, 0.4}) {
    for (DType dtype : all_dtypes) {
      SCOPED_TRACE(std::string(weft::name(dtype)) + " " + std::to_string(value));
      const Block out(backend(), dtype, Shape{3});
      backend().fill(out, Number(value));
      expect_equal(out.read(), Array(Shape{3}, cast(DType::float64, dtype, value)));
    }
  }
  // an int64 beyond 2^53 stays exact
  const Block out(backend(), DType::int64, Shape{2});
  const std::int64_t large = (std::int64_t{1} << 62) + 1;
  backend().fill(out, Number(large));
  EXPECT_EQ(to_host<std::int64_t>(backend(), out.view()), (std::vector<std::int64_t>{large, large}));
}

TEST_P(ContractCopy, EveryPairOfDtypes) {
  const Shape shape = {3, 5};
  for (DType from : all_dtypes) {
    Array values = random_array(from, shape, 11, -4, 260);
    const double special[] = {nan, inf, -inf, 0.5, -0.5, 2.5, 1e30, -1e30, 65519, 65520, 256.5};
    if (is_floating(from)) {
      for (std::size_t i = 0; i < std::size(special); ++i) values.values[i] = round_to(from, special[i]);
    } else if (from == DType::int64 || from == DType::int32) {
      values.values[0] = -3;
      values.values[1] = -1 - (1 << 20);
    }
    for (DType to : all_dtypes) {
      SCOPED_TRACE(std::string(weft::name(from)) + " to " + weft::name(to));
      Array want(shape);
      for (std::size_t i = 0; i < want.values.size(); ++i) want.values[i] = cast(from, to, values.values[i]);
      for (Layout layout : layouts) {
        const Block in(backend(), from, values, layout), out(backend(), to, shape, after(layout));
        backend().copy(in, out);
        expect_equal(out.read(), want);
        if (from == to) {
          EXPECT_EQ(in.bytes(), out.bytes()) << "a copy without a cast keeps every bit";
        }
      }
    }
  }
}

TEST_P(ContractCopy, EveryShapeAndLayoutPair) {
  for (DType dtype : {DType::float32, DType::uint8, DType::float64}) {
    for (const Shape& shape : shapes()) {
      const Array values = random_array(dtype, shape, 12, 0, 200);
      for (Layout from : layouts) {
        for (Layout to : layouts) {
          SCOPED_TRACE(to_string(shape) + name(from) + " to " + name(to));
          const Block in(backend(), dtype, values, from), out(backend(), dtype, shape, to);
          backend().copy(in, out);
          expect_equal(out.read(), values);
        }
      }
    }
  }
}

TEST_P(ContractCopy, RepeatedAxes) {
  for (DType to : {DType::float32, DType::float64, DType::int32}) {
    const Array row = random_array(DType::float32, {1, 5, 1}, 13);
    const Array wide = repeat(row, {4, 5, 3});
    const Block in(backend(), DType::float32, wide, Layout::contiguous, 0b101);
    ASSERT_EQ(in.view().strides[0], 0);
    const Block out(backend(), to, wide.shape, Layout::transposed);
    backend().copy(in, out);
    Array want = wide;
    for (double& value : want.values) value = cast(DType::float32, to, value);
    expect_equal(out.read(), want);
  }
}

WEFT_ON_EVERY_BACKEND(ContractFill);
WEFT_ON_EVERY_BACKEND(ContractCopy);

}  // namespace
}  // namespace weft::contract_test
