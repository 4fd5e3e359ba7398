#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <weft/core/dtype_support.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class ContractScan : public OnEveryBackend {};
class ContractTopk : public OnEveryBackend {};

const std::vector<Shape>& lines() {
  static const auto& all =
      *new std::vector<Shape>{{1}, {7}, {3, 4}, {5, 3, 2}, {2, 1, 3, 1, 2, 2, 1, 3}, {3, 700}, {700, 3}};
  return all;
}

Array cumsum(const Array& in, int axis) {
  Array out = in;
  for_each_index(in.shape, [&](const Shape& index) {
    if (index[axis] == 0) return;
    Shape before = index;
    --before[axis];
    out.at(index) = out.at(before) + in.at(index);
  });
  return out;
}

TEST_P(ContractScan, EveryDtypeAxisAndLayout) {
  for (DType dtype : all_dtypes) {
    for (const Shape& shape : lines()) {
      const Array values = random_array(dtype, shape, 91, -2, 2);
      for (int axis = 0; axis < shape.rank(); ++axis) {
        for (Layout layout : layouts) {
          SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + " axis " + std::to_string(axis) +
                       name(layout));
          const Block in(backend(), dtype, values, layout);
          const Block out(backend(), result_dtype(ReduceOp::sum, dtype), shape, after(layout));
          backend().scan(ScanOp::sum, in, axis, out);
          expect_close(dtype, out.read(), cumsum(values, axis), 8);
        }
      }
    }
  }
}

TEST_P(ContractScan, SixteenBitsAddInFloat32) {
  const Block in(backend(), DType::bfloat16, Array({512}, 1)), out(backend(), DType::bfloat16, Shape{512});
  backend().scan(ScanOp::sum, in, 0, out);
  EXPECT_EQ(out.read().values.back(), 512);  // in bfloat16 the sum would stick at 256
}

struct Ranking {
  Array values, indices;
};

Ranking textbook(const Array& in, int axis, bool largest, std::int64_t k) {
  Shape shape = in.shape, line = in.shape;
  shape[axis] = k;
  line[axis] = 1;
  Ranking out{Array(shape), Array(shape)};
  for_each_index(line, [&](const Shape& start) {
    const auto value = [&](std::int64_t i) {
      Shape at = start;
      at[axis] = i;
      return in.at(at);
    };
    std::vector<std::int64_t> order(static_cast<std::size_t>(in.shape[axis]));
    std::iota(order.begin(), order.end(), 0);
    const auto key = [](double x) { return std::isnan(x) ? std::pair(1, 0.0) : std::pair(0, x); };
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
      return largest ? key(value(i)) > key(value(j)) : key(value(i)) < key(value(j));
    });
    for (std::int64_t i = 0; i < k; ++i) {
      Shape to = start;
      to[axis] = i;
      out.indices.at(to) = static_cast<double>(order[static_cast<std::size_t>(i)]);
      out.values.at(to) = value(order[static_cast<std::size_t>(i)]);
    }
  });
  return out;
}

TEST_P(ContractTopk, EveryDtypeAxisAndLayout) {
  for (DType dtype : all_dtypes) {
    for (const Shape& shape : lines()) {
      const Array values = random_array(dtype, shape, 92, -9, 9);  // integers: with ties
      for (int axis = 0; axis < shape.rank(); ++axis) {
        for (std::int64_t k : {std::int64_t{1}, (shape[axis] + 1) / 2, shape[axis]}) {
          for (bool largest : {true, false}) {
            const Ranking want = textbook(values, axis, largest, k);
            for (Layout layout : {Layout::contiguous, Layout::gapped, Layout::reversed}) {
              SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + " axis " + std::to_string(axis) + " k " +
                           std::to_string(k) + name(layout));
              const Block in(backend(), dtype, values, layout);
              const Block top(backend(), dtype, want.values.shape, after(layout));
              const Block where(backend(), DType::int64, want.values.shape, after(layout, 2));
              backend().topk(in, axis, largest, top, where);
              expect_equal(top.read(), want.values);
              expect_equal(where.read(), want.indices);
            }
          }
        }
      }
    }
  }
}

TEST_P(ContractTopk, NaNCountsAsLargest) {
  const Array values({8}, {1, nan, -inf, inf, nan, 0, 2, 2});
  for (DType dtype : floating_dtypes) {
    for (bool largest : {true, false}) {
      const Ranking want = textbook(values, 0, largest, 8);
      const Block in(backend(), dtype, values), top(backend(), dtype, Shape{8}),
          where(backend(), DType::int64, Shape{8});
      backend().topk(in, 0, largest, top, where);
      expect_equal(top.read(), want.values);
      expect_equal(where.read(), want.indices);
    }
  }
}

WEFT_ON_EVERY_BACKEND(ContractScan);
WEFT_ON_EVERY_BACKEND(ContractTopk);

}  // namespace
}  // namespace weft::contract_test
