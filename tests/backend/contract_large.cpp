#include <memory>
#include <utility>

#include <weft/core/dtype_support.h>

#include "backend/contract_support.h"

// Sizes at which a backend goes other ways than with a few elements: lines cut into chunks, sums in slices, sorting
// over several tiles, more parameters than a launch takes. Against `serial`, whose loops know no sizes.

namespace weft::contract_test {
namespace {

class ContractLarge : public OnEveryBackend {
 protected:
  static Backend& oracle() { return backend_named("serial"); }
};

TEST_P(ContractLarge, SumsOfLongLinesAndTallColumns) {
  const std::pair<Shape, Shape> cases[] = {
      {{2, 70001}, {2, 1}},      {{140000}, {1}},           {{5000, 33}, {1, 33}},       {{5000, 3}, {1, 3}},
      {{3, 9000, 2}, {3, 1, 2}}, {{40, 3, 700}, {1, 3, 1}}, {{300, 4, 90}, {300, 1, 1}}, {{2100, 1, 40}, {1, 1, 40}}};
  for (DType dtype : {DType::float32, DType::float64, DType::float16, DType::int32, DType::boolean}) {
    for (const auto& [in_shape, out_shape] : cases) {
      const Array values = random_array(dtype, in_shape, 501, -1, 1);
      for (ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::min}) {
        for (Layout layout : {Layout::contiguous, Layout::transposed}) {
          SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(in_shape) + weft::name(op) + name(layout));
          const DType result = result_dtype(op, dtype), exact = is_floating(dtype) ? DType::float64 : dtype;
          const Block in(backend(), dtype, values, layout), out(backend(), result, out_shape);
          backend().reduce(op, in, out);
          const Block wide(oracle(), exact, values), want(oracle(), result_dtype(op, exact), out_shape);
          oracle().reduce(op, wide, want);
          Array rounded = want.read();
          rounded.values = round_to(result, rounded.values);
          expect_close(result, out.read(), rounded, 200);
        }
      }
    }
  }
}

TEST_P(ContractLarge, TheOrderOfASumDoesNotDependOnStrides) {
  for (const auto& [in_shape, out_shape] : {std::pair<Shape, Shape>{{2, 70001}, {2, 1}},
                                            {{4, 1024}, {4, 1}},
                                            {{5000, 33}, {1, 33}},
                                            {{6, 8, 16}, {6, 1, 1}}}) {
    const Array values = random_array(DType::float32, in_shape, 502, -1, 1);
    const Block in(backend(), DType::float32, values), out(backend(), DType::float32, out_shape);
    backend().reduce(ReduceOp::sum, in, out);
    for (Layout layout : layouts) {
      SCOPED_TRACE(to_string(in_shape) + name(layout));
      const Block other(backend(), DType::float32, values, layout), again(backend(), DType::float32, out_shape);
      backend().reduce(ReduceOp::sum, other, again);
      EXPECT_EQ(out.bytes(), again.bytes());
    }
  }
}

TEST_P(ContractLarge, ArgumentsOfLongLines) {
  for (DType dtype : {DType::float32, DType::uint8}) {
    for (const auto& [shape, axis] : {std::pair<Shape, int>{{3, 5000}, 1}, {{5000, 3}, 0}, {{40, 20, 300}, 1}}) {
      const Array values = random_array(dtype, shape, 503, 0, 100);
      Shape line = shape;
      line[axis] = 1;
      for (ArgReduceOp op : {ArgReduceOp::argmax, ArgReduceOp::argmin}) {
        const Block in(backend(), dtype, values), out(backend(), DType::int64, line);
        backend().arg_reduce(op, in, axis, out);
        const Block same(oracle(), dtype, values), want(oracle(), DType::int64, line);
        oracle().arg_reduce(op, same, axis, want);
        expect_equal(out.read(), want.read());
      }
    }
  }
}

TEST_P(ContractLarge, ScansOverSeveralChunks) {
  for (DType dtype : {DType::float32, DType::int32, DType::boolean}) {
    for (const auto& [shape, axis] : {std::pair<Shape, int>{{2, 20001}, 1}, {{9000, 2}, 0}, {{300, 64}, 0}}) {
      SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape));
      const Array values = random_array(dtype, shape, 504, -1, 1);
      const DType result = result_dtype(ReduceOp::sum, dtype), exact = is_floating(dtype) ? DType::float64 : dtype;
      const Block in(backend(), dtype, values), out(backend(), result, shape);
      backend().scan(ScanOp::sum, in, axis, out);
      const Block wide(oracle(), exact, values), want(oracle(), result_dtype(ReduceOp::sum, exact), shape);
      oracle().scan(ScanOp::sum, wide, axis, want);
      expect_close(result, out.read(), want.read(), 200);
      if (result == dtype) {  // and in place
        backend().scan(ScanOp::sum, in, axis, in);
        EXPECT_EQ(in.bytes(), out.bytes());
      }
    }
  }
}

TEST_P(ContractLarge, TopOfLongLines) {
  struct Case {
    Shape shape;
    int axis;
    std::int64_t k;
  };
  for (DType dtype : {DType::float32, DType::float64, DType::uint8}) {
    for (const Case& c : {Case{{3, 5000}, 1, 3}, Case{{5000, 2}, 0, 300}, Case{{2, 3000}, 1, 3000},
                          Case{{1, 70000}, 1, 5}, Case{{70, 10}, 1, 4}, Case{{2, 1500}, 1, 1}}) {
      for (bool largest : {true, false}) {
        SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(c.shape) + " k " + std::to_string(c.k));
        const Array values = random_array(dtype, c.shape, 505, 0, 200);
        Shape top = c.shape;
        top[c.axis] = c.k;
        const Block in(backend(), dtype, values), out(backend(), dtype, top), at(backend(), DType::int64, top);
        backend().topk(in, c.axis, largest, out, at);
        const Block same(oracle(), dtype, values), want(oracle(), dtype, top), want_at(oracle(), DType::int64, top);
        oracle().topk(same, c.axis, largest, want, want_at);
        expect_equal(out.read(), want.read());
        expect_equal(at.read(), want_at.read());
      }
    }
  }
}

TEST_P(ContractLarge, ScattersWithManyDuplicates) {
  if (GetParam() == "toy") GTEST_SKIP() << "the toy sums in double";
  struct Case {
    Shape from;
    int axis;
    std::int64_t rows;
    unsigned repeated;  // of the index
  };
  for (DType dtype : {DType::float32, DType::bfloat16, DType::int64}) {
    for (const Case& c : {Case{{3000, 5}, 0, 7, 2}, Case{{3000}, 0, 50, 0}, Case{{2, 1500}, 1, 2000, 0},
                          Case{{100, 300}, 0, 20, 2}, Case{{4, 200, 6}, 1, 9, 4}, Case{{200, 2, 3}, 0, 300, 0}}) {
      SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(c.from) + " axis " + std::to_string(c.axis));
      Shape distinct = c.from, to = c.from;
      for (int i = 0; i < distinct.rank(); ++i) {
        if ((c.repeated >> i & 1) != 0) distinct[i] = 1;
      }
      to[c.axis] = c.rows;
      const Array index = repeat(random_array(DType::int64, distinct, 506, 0, static_cast<double>(c.rows - 1)), c.from);
      const Array from = random_array(dtype, c.from, 507), start = random_array(dtype, to, 508);
      const auto run = [&](Backend& on) {
        const Block values(on, dtype, from), at(on, DType::int64, index, Layout::contiguous, c.repeated),
            inout(on, dtype, start);
        on.scatter_add(values, c.axis, at, inout);
        return inout.bytes();
      };
      EXPECT_TRUE(run(backend()) == run(oracle()));  // the order is the contract's: not a bit differs
    }
  }
}

TEST_P(ContractLarge, CopiesThroughTiles) {
  for (DType dtype : {DType::float32, DType::float64, DType::bfloat16, DType::uint8}) {
    for (const Shape& shape : {Shape{70, 45}, Shape{3, 33, 64}, Shape{65, 2, 40}}) {
      const Array values = random_array(dtype, shape, 509, 0, 100);
      for (Layout from : layouts) {
        for (Layout to : layouts) {
          SCOPED_TRACE(to_string(shape) + name(from) + name(to));
          const Block in(backend(), dtype, values, from), out(backend(), dtype, shape, to);
          backend().copy(in, out);
          expect_equal(out.read(), values);
        }
      }
    }
  }
}

TEST_P(ContractLarge, NormsAndSoftmaxOfLongAndManyRows) {
  for (DType dtype : {DType::float32, DType::bfloat16}) {
    for (const Shape& shape : {Shape{3, 3000}, Shape{700, 20}, Shape{5, 1028}}) {
      SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape));
      const Array x = random_array(dtype, shape, 510), dy = random_array(dtype, shape, 511);
      const Array scale = random_array(dtype, {shape[1]}, 512);
      const auto run = [&](Backend& on, DType as) {
        const Block in(on, as, x), slope(on, as, dy), by(on, as, scale), y(on, as, shape), dx(on, as, shape);
        const Block mean(on, as == DType::float64 ? as : DType::float32, Shape{shape[0]});
        const Block rstd(on, as == DType::float64 ? as : DType::float32, Shape{shape[0]});
        const Block dscale(on, as, Shape{shape[1]}), dshift(on, as, Shape{shape[1]});
        const Block soft(on, as, shape), dsoft(on, as, shape);
        on.layer_norm({}, in, by, {}, y, mean, rstd);
        on.layer_norm_backward(slope, in, by, mean, rstd, dx, dscale, dshift);
        on.softmax(false, in, 1, soft);
        on.softmax_backward(false, slope, soft, 1, dsoft);
        return std::vector<Array>{y.read(), dx.read(), dscale.read(), dshift.read(), soft.read(), dsoft.read()};
      };
      const std::vector<Array> got = run(backend(), dtype), want = run(oracle(), DType::float64);
      for (std::size_t i = 0; i < got.size(); ++i) {
        SCOPED_TRACE(i);
        expect_close(dtype, got[i], want[i], 20);
      }
    }
  }
}

TEST_P(ContractLarge, MoreParametersThanALaunchTakes) {
  const std::size_t count = 130;
  const auto run = [&](Backend& on, DType dtype) {
    std::vector<std::unique_ptr<Block>> blocks;
    std::vector<backends::OptimSlot> slots;
    std::vector<TensorView> grads;
    for (std::size_t i = 0; i < count; ++i) {
      const Shape shape = {static_cast<std::int64_t>(i == 60 ? 5000 : i % 7 + 1)};
      for (std::uint64_t part = 0; part < 3; ++part) {
        const Array values = part == 2 ? Array(shape, 0) : random_array(DType::float32, shape, 600 + 3 * i + part);
        blocks.push_back(std::make_unique<Block>(on, dtype, values));
      }
      const std::size_t first = blocks.size() - 3;
      slots.push_back({*blocks[first], *blocks[first + 1], *blocks[first + 2], {}});
      grads.push_back(*blocks[first + 1]);
    }
    backends::OptimArgs args;
    args.momentum = 0.9;
    args.weight_decay = 0.01;
    on.optimise(args, slots);
    on.optimise(args, slots);
    const Block squares(on, DType::float64, Shape{});
    on.sum_squares(grads, squares);
    std::vector<Array> results = {squares.read()};
    for (std::size_t i = 0; i < count; ++i) results.push_back(blocks[3 * i]->read());
    return results;
  };
  const std::vector<Array> got = run(backend(), DType::float32), want = run(oracle(), DType::float64);
  for (std::size_t i = 0; i < got.size(); ++i) expect_close(DType::float32, got[i], want[i], 4);
}

WEFT_ON_EVERY_BACKEND(ContractLarge);

}  // namespace
}  // namespace weft::contract_test
