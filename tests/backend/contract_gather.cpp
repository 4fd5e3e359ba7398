#include <weft/core/error.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

class ContractGather : public OnEveryBackend {};
class ContractScatter : public OnEveryBackend {};

Array textbook(const Array& in, int axis, const Array& index) {
  Array out(index.shape);
  for_each_index(index.shape, [&](const Shape& o) {
    Shape from = o;
    from[axis] = static_cast<std::int64_t>(index.at(o));
    out.at(o) = in.at(from);
  });
  return out;
}

Array textbook_scatter(const Array& from, int axis, const Array& index, Array inout) {
  for_each_index(from.shape, [&](const Shape& i) {
    Shape to = i;
    to[axis] = static_cast<std::int64_t>(index.at(i));
    inout.at(to) += from.at(i);
  });
  return inout;
}

Array random_index(const Shape& shape, std::int64_t extent, std::uint64_t seed) {
  return random_array(DType::int64, shape, seed, 0, static_cast<double>(extent) - 0.01);
}

struct Case {
  Shape in;
  int axis;
  std::int64_t picked;
};
const std::vector<Case>& cases() {
  static const auto& all =
      *new std::vector<Case>{{{6}, 0, 9},       {{5, 7}, 0, 11},    {{5, 7}, 1, 3},    {{4, 3, 5}, 1, 6},
                             {{4, 3, 5}, 2, 2}, {{300, 40}, 0, 70}, {{40, 300}, 1, 5}, {{2, 1, 3, 1, 2, 2, 1, 3}, 5, 4},
                             {{1, 1}, 0, 3}};
  return all;
}

Shape with(Shape shape, int axis, std::int64_t extent) {
  shape[axis] = extent;
  return shape;
}

TEST_P(ContractGather, EveryDtypeCaseAndLayout) {
  for (DType dtype : all_dtypes) {
    for (DType index_dtype : {DType::int64, DType::int32}) {
      for (const auto& [shape, axis, picked] : cases()) {
        const Array values = random_array(dtype, shape, 71, -9, 9);
        const Array index = random_index(with(shape, axis, picked), shape[axis], 72);
        const Array want = textbook(values, axis, index);
        for (Layout layout : layouts) {
          SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + " axis " + std::to_string(axis) +
                       name(layout));
          const Block in(backend(), dtype, values, layout), at(backend(), index_dtype, index, after(layout));
          const Block out(backend(), dtype, index.shape, after(layout, 2));
          backend().gather(in, axis, at, out);
          expect_equal(out.read(), want);
        }
      }
    }
  }
}

TEST_P(ContractGather, WholeRows) {  // the index repeats everywhere but on the axis: embedding, index_select
  for (DType dtype : {DType::float32, DType::uint8, DType::float64, DType::bfloat16}) {
    for (const auto& [shape, axis, picked] : cases()) {
      const Array values = random_array(dtype, shape, 73, -9, 9);
      const Array line = random_index(with(Shape::filled(shape.rank(), 1), axis, picked), shape[axis], 74);
      const Array index = repeat(line, with(shape, axis, picked));
      const unsigned repeated = ~(1u << axis) & ((1u << shape.rank()) - 1);
      for (Layout layout : layouts) {
        const Block in(backend(), dtype, values, layout);
        const Block at(backend(), DType::int64, index, Layout::contiguous, repeated);
        const Block out(backend(), dtype, index.shape, after(layout));
        backend().gather(in, axis, at, out);
        expect_equal(out.read(), textbook(values, axis, index));
      }
    }
  }
}

/// Gathers or scatters with `bad` at `position` and expects IndexError before anything is written.
void expect_refused(Backend& backend, bool scatter, double bad, std::int64_t position, unsigned repeated) {
  SCOPED_TRACE(std::to_string(bad) + " at " + std::to_string(position));
  const Shape shape = {10, 3};
  Array index({8, 3}, 2);
  for (std::int64_t j = 0; j < 3; ++j) index.at({position, j}) = bad;
  const Block table(backend, DType::float32, random_array(DType::float32, shape, 75));
  const Block at(backend, DType::int64, index, Layout::contiguous, repeated);
  const Block from(backend, DType::float32, random_array(DType::float32, index.shape, 76));
  const Block out(backend, DType::float32, index.shape);
  backend.tag({"index_select", "user.cpp", 77});
  try {
    scatter ? backend.scatter_add(from, 0, at, table) : backend.gather(table, 0, at, out);
    backend.synchronise();
    ADD_FAILURE() << "accepted";
  } catch (const IndexError& error) {
    const std::string text = error.what();
    EXPECT_EQ(error.code(), ErrorCode::index_out_of_range);
    EXPECT_NE(text.find("[index_select]"), std::string::npos) << text;
    EXPECT_NE(text.find(std::to_string(static_cast<std::int64_t>(bad))), std::string::npos) << text;
    EXPECT_NE(text.find("10"), std::string::npos) << text;
    EXPECT_NE(text.find("user.cpp:77"), std::string::npos) << text;
  }
  backend.tag({});
  EXPECT_TRUE(table.untouched());
  if (backend.facts().streams) return;  // the error came later: only what outlives the step is kept
  EXPECT_TRUE(out.untouched());
}

TEST_P(ContractGather, BadIndicesAreRefusedBeforeTheFirstWrite) {
  for (double bad : {-1.0, 10.0, 1e15, -1e15}) {
    for (std::int64_t position : {0, 7}) {
      for (unsigned repeated : {0u, 2u}) {
        expect_refused(backend(), false, bad, position, repeated);
        expect_refused(backend(), true, bad, position, repeated);
      }
    }
  }
}

TEST_P(ContractScatter, EveryDtypeCaseAndLayout) {
  for (DType dtype :
       {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int64, DType::int32, DType::uint8}) {
    for (DType index_dtype : {DType::int64, DType::int32}) {
      for (const auto& [shape, axis, picked] : cases()) {
        const Array before = random_array(dtype, shape, 81, -2, 2);
        const Array from = random_array(dtype, with(shape, axis, picked), 82, -2, 2);
        const Array index = random_index(from.shape, shape[axis], 83);
        const Array want = textbook_scatter(from, axis, index, before);
        for (Layout layout : layouts) {
          SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + " axis " + std::to_string(axis) +
                       name(layout));
          const Block in(backend(), dtype, from, layout), at(backend(), index_dtype, index, after(layout));
          const Block inout(backend(), dtype, before, after(layout, 2));
          backend().scatter_add(in, axis, at, inout);
          expect_close(dtype, inout.read(), want, 2);
        }
      }
    }
  }
}

TEST_P(ContractScatter, RowsWithTheSameIndexAreSummed) {
  const Shape shape = {4, 33};
  for (DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
    const Array from(Shape{600, 33}, 1);
    const Array index = repeat(random_index({600, 1}, 4, 84), from.shape);
    const Array want = textbook_scatter(from, 0, index, Array(shape));
    const Block in(backend(), dtype, from), at(backend(), DType::int64, index, Layout::contiguous, 0b10);
    const Block inout(backend(), dtype, Array(shape));
    backend().scatter_add(in, 0, at, inout);
    expect_close(dtype, inout.read(), want);  // 16 bits: summed in float32, rounded once
  }
}

TEST_P(ContractScatter, DuplicatesAreSummedInOrder) {  // float32: (1e8 + 1) - 1e8 differs from (1e8 - 1e8) + 1
  if (GetParam() == "toy") GTEST_SKIP() << "the toy sums in double";
  const Array index(Shape{3}, 0);
  const Block at(backend(), DType::int64, index);
  for (const auto& [terms, want] : {std::pair<std::vector<double>, double>{{1e8, 1, -1e8}, 0},
                                    std::pair<std::vector<double>, double>{{1e8, -1e8, 1}, 1}}) {
    const Block in(backend(), DType::float32, Array({3}, terms)), inout(backend(), DType::float32, Array({2}, {0, 0}));
    backend().scatter_add(in, 0, at, inout);
    expect_equal(inout.read(), Array({2}, {want, 0}));
  }
}

TEST_P(ContractScatter, RepeatedTerms) {
  const Array from = repeat(random_array(DType::float32, {1, 5}, 85), {6, 5});
  const Array index = random_index({6, 5}, 3, 86);
  const Block in(backend(), DType::float32, from, Layout::contiguous, 0b01), at(backend(), DType::int64, index);
  const Block inout(backend(), DType::float32, Array({3, 5}, 1));
  backend().scatter_add(in, 0, at, inout);
  expect_close(DType::float32, inout.read(), textbook_scatter(from, 0, index, Array({3, 5}, 1)));
}

WEFT_ON_EVERY_BACKEND(ContractGather);
WEFT_ON_EVERY_BACKEND(ContractScatter);

}  // namespace
}  // namespace weft::contract_test
