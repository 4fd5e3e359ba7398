#include <cmath>
#include <limits>

#include <weft/core/dtype_support.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class ContractReduce : public OnEveryBackend {};
class ContractArgReduce : public OnEveryBackend {};

double combine(ReduceOp op, double total, double x) {
  switch (op) {
    case ReduceOp::sum:
      return total + x;
    case ReduceOp::prod:
      return total * x;
    case ReduceOp::max:
      return std::isnan(total) || std::isnan(x) ? nan : std::max(total, x);
    case ReduceOp::min:
      return std::isnan(total) || std::isnan(x) ? nan : std::min(total, x);
    case ReduceOp::any:
      return total != 0 || x != 0;
    case ReduceOp::all:
      return total != 0 && x != 0;
  }
  return 0;
}

/// Axes whose bit is set are reduced; they keep extent 1.
Array textbook(ReduceOp op, const Array& in, unsigned axes) {
  Shape shape = in.shape;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if ((axes >> axis & 1) != 0) shape[axis] = 1;
  }
  Array out(shape);
  std::vector<bool> begun(out.values.size(), false);
  for_each_index(in.shape, [&](const Shape& index) {
    Shape to = index;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] == 1) to[axis] = 0;
    }
    const std::size_t at = out.position(to);
    out.values[at] = begun[at] ? combine(op, out.values[at], in.at(index)) : in.at(index);
    begun[at] = true;
  });
  return out;
}

/// Numbers whose sums and products stay modest.
Array inputs(ReduceOp op, DType dtype, const Shape& shape) {
  if (op != ReduceOp::prod) return random_array(dtype, shape, 51, -3, 3);
  if (is_integer(dtype)) return random_array(dtype, shape, 52, 1, 2.9);
  return random_array(dtype, shape, 53, 0.9, 1.1);
}

template <class F>
void for_each_op(DType dtype, F f) {
  for (int i = 0; i < reduce_op_count; ++i) {
    const auto op = static_cast<ReduceOp>(i);
    if (!supports(op, dtype)) continue;
    SCOPED_TRACE(std::string(weft::name(op)) + " " + weft::name(dtype));
    f(op);
  }
}

/// How much worse than one rounding a sum of n terms may be, in the tolerance of expect_close.
double slack(std::int64_t terms) { return 1 + 0.05 * static_cast<double>(terms); }

TEST_P(ContractReduce, EveryOpDtypeAndChoiceOfAxes) {
  const std::vector<Shape> small = {{1}, {7}, {3, 4}, {5, 3, 2}, {2, 1, 3, 2}};
  for (DType dtype : all_dtypes) {
    for_each_op(dtype, [&](ReduceOp op) {
      for (const Shape& shape : small) {
        const Array values = inputs(op, dtype, shape);
        for (unsigned axes = 0; axes < 1u << shape.rank(); ++axes) {
          const Array want = textbook(op, values, axes);
          for (Layout layout : layouts) {
            SCOPED_TRACE(to_string(shape) + " axes " + std::to_string(axes) + " " + name(layout));
            const Block in(backend(), dtype, values, layout);
            const Block out(backend(), result_dtype(op, dtype), want.shape, after(layout));
            backend().reduce(op, in, out);
            expect_close(dtype, out.read(), want, slack(values.shape.numel() / want.shape.numel()));
          }
        }
      }
    });
  }
}

TEST_P(ContractReduce, RankZeroAndRankEight) {
  for (DType dtype : all_dtypes) {
    for_each_op(dtype, [&](ReduceOp op) {
      const Array one = inputs(op, dtype, {});
      const Block in(backend(), dtype, one), out(backend(), result_dtype(op, dtype), Shape{});
      backend().reduce(op, in, out);
      expect_equal(out.read(), one);
      const Array many = inputs(op, dtype, {2, 1, 3, 1, 2, 2, 1, 3});
      for (unsigned axes : {0x00u, 0xFFu, 0x55u, 0xAAu, 0x81u, 0x18u}) {
        const Array want = textbook(op, many, axes);
        const Block from(backend(), dtype, many, Layout::transposed),
            to(backend(), result_dtype(op, dtype), want.shape);
        backend().reduce(op, from, to);
        expect_close(dtype, to.read(), want, slack(many.shape.numel()));
      }
    });
  }
}

TEST_P(ContractReduce, LongLines) {
  for (DType dtype : {DType::float32, DType::float64, DType::float16, DType::int32}) {
    for_each_op(dtype, [&](ReduceOp op) {
      for (const auto& [shape, axes] : std::vector<std::pair<Shape, unsigned>>{
               {{20011}, 1u}, {{3, 5000}, 2u}, {{5000, 3}, 1u}, {{9, 70, 11}, 5u}, {{130, 65}, 3u}}) {
        if (op == ReduceOp::prod && is_integer(dtype)) continue;  // beyond what a double holds
        const Array values = op == ReduceOp::prod      ? random_array(dtype, shape, 54, 0.999, 1.001)
                             : dtype == DType::float16 ? random_array(dtype, shape, 55, 0, 1)  // below 65504 in sum
                                                       : random_array(dtype, shape, 56, 0, 3);
        SCOPED_TRACE(to_string(shape));
        const Array want = textbook(op, values, axes);
        for (Layout layout : {Layout::contiguous, Layout::reversed}) {
          const Block in(backend(), dtype, values, layout), out(backend(), result_dtype(op, dtype), want.shape);
          backend().reduce(op, in, out);
          expect_close(dtype, out.read(), want,
                       12);  // accumulated in float32 or better: far below one term per rounding
        }
      }
    });
  }
}

TEST_P(ContractReduce, RepeatedInput) {
  for (DType dtype : {DType::float32, DType::float64, DType::uint8}) {
    for_each_op(dtype, [&](ReduceOp op) {
      const Array wide = repeat(inputs(op, dtype, {1, 9}), {7, 9});
      for (unsigned axes : {1u, 2u, 3u}) {
        const Array want = textbook(op, wide, axes);
        const Block in(backend(), dtype, wide, Layout::contiguous, 0b01);
        const Block out(backend(), result_dtype(op, dtype), want.shape);
        backend().reduce(op, in, out);
        expect_close(dtype, out.read(), want, slack(63));
      }
    });
  }
}

TEST_P(ContractReduce, NaNAndInfinity) {
  for (DType dtype : floating_dtypes) {
    for (std::int64_t n : {5, 100, 5000}) {
      for (double special : {nan, inf, -inf}) {
        for (std::int64_t where : {std::int64_t{0}, n / 2, n - 1}) {
          Array values = random_array(dtype, {n}, 57, 0.9, 1);
          values.values[static_cast<std::size_t>(where)] = special;
          const Block in(backend(), dtype, values), out(backend(), dtype, Shape{1});
          for (ReduceOp op : {ReduceOp::max, ReduceOp::min}) {
            backend().reduce(op, in, out);
            expect_equal(out.read(), textbook(op, values, 1));
          }
          backend().reduce(ReduceOp::sum, in, out);
          expect_equal(out.read(), Array({1}, special));
        }
      }
    }
  }
}

TEST_P(ContractReduce, SumsOfSmallIntegersAreExact) {
  for (DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
    Array values({3, 4097});
    for (std::size_t i = 0; i < values.values.size(); ++i) values.values[i] = static_cast<double>(i % 5) - 2;
    const Array want = textbook(ReduceOp::sum, values, 2);
    const Block in(backend(), dtype, values), out(backend(), dtype, want.shape);
    backend().reduce(ReduceOp::sum, in, out);
    expect_equal(out.read(), want);
  }
}

TEST_P(ContractReduce, BoolSumsCount) {
  Array values({2, 700}, 1);
  const Block in(backend(), DType::boolean, values), out(backend(), DType::int64, Shape{1, 1});
  backend().reduce(ReduceOp::sum, in, out);
  expect_equal(out.read(), Array({1, 1}, 1400));
}

// ---- positions of extremes

Array textbook(bool largest, const Array& in, int axis) {
  Shape shape = in.shape;
  shape[axis] = 1;
  Array out(shape);
  for_each_index(shape, [&](const Shape& line) {
    std::int64_t best = 0;
    Shape here = line;
    double leader = in.at(line);
    for (std::int64_t i = 1; i < in.shape[axis]; ++i) {
      here[axis] = i;
      const double x = in.at(here);
      if (std::isnan(leader)) break;
      if (std::isnan(x) || (largest ? x > leader : x < leader)) {
        leader = x;
        best = i;
      }
    }
    out.at(line) = static_cast<double>(best);
  });
  return out;
}

TEST_P(ContractArgReduce, EveryDtypeAxisAndLayout) {
  for (DType dtype : all_dtypes) {
    for (const Shape& shape :
         std::vector<Shape>{{1}, {7}, {3, 4}, {5, 3, 2}, {2, 1, 3, 1, 2, 2, 1, 3}, {3, 1500}, {1500, 3}, {130, 65}}) {
      const Array values = random_array(dtype, shape, 58, -40, 40);  // integers: with ties
      for (int axis = 0; axis < shape.rank(); ++axis) {
        for (bool largest : {true, false}) {
          const Array want = textbook(largest, values, axis);
          for (Layout layout : layouts) {
            SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + " axis " + std::to_string(axis) +
                         name(layout));
            const Block in(backend(), dtype, values, layout);
            const Block out(backend(), DType::int64, want.shape, after(layout));
            backend().arg_reduce(largest ? ArgReduceOp::argmax : ArgReduceOp::argmin, in, axis, out);
            expect_equal(out.read(), want);
          }
        }
      }
    }
  }
}

TEST_P(ContractArgReduce, TheFirstNaNIsTheExtreme) {
  for (DType dtype : floating_dtypes) {
    for (std::int64_t n : {4, 50, 3000}) {
      Array values = random_array(dtype, {n}, 59);
      values.values[static_cast<std::size_t>(n - 1)] = nan;
      values.values[static_cast<std::size_t>(n / 2)] = nan;
      values.values[1] = inf;
      const Block in(backend(), dtype, values), out(backend(), DType::int64, Shape{1});
      for (ArgReduceOp op : {ArgReduceOp::argmax, ArgReduceOp::argmin}) {
        backend().arg_reduce(op, in, 0, out);
        expect_equal(out.read(), Array({1}, static_cast<double>(n / 2)));
      }
    }
  }
}

WEFT_ON_EVERY_BACKEND(ContractReduce);
WEFT_ON_EVERY_BACKEND(ContractArgReduce);

}  // namespace
}  // namespace weft::contract_test
