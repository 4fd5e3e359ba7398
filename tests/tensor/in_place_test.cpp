#include "tensor/tensor_test.h"

namespace weft {
namespace {

using namespace weft::testing;

class InPlace : public OnEveryBackend {};
WEFT_ON_EVERY_BACKEND(InPlace);

std::uint64_t version(const Tensor& x) { return x.impl()->storage->version.load(); }

TEST_P(InPlace, EveryWriteRaisesTheVersionOfTheStorageOnce) {
  const Tensor x = zeros({2, 2}, on());
  const Tensor row = ops::select(x, 0, 0, "select", here);
  ops::fill(row, 2, "fill_", here);
  EXPECT_EQ(version(x), 1u);
  ops::binary_into(BinaryOp::add, x, 1, "add_", here);
  EXPECT_EQ(version(row), 2u);
  ops::binary_into(BinaryOp::mul, x, x, "mul_", here);
  EXPECT_EQ(version(x), 3u);
  ops::copy_into(row, floats({7}, {1}), "copy_", here);
  EXPECT_EQ(version(x), 4u);
  EXPECT_EQ(values(x), (Floats{7, 7, 1, 1}));
  EXPECT_EQ(view_of(row).stamp.version, 4u);
  EXPECT_EQ(view_of(row).stamp.storage, x.impl()->storage->id);
}

TEST_P(InPlace, ReadingRaisesNothing) {
  const Tensor x = counted({2, 2});
  (void)values(ops::binary(BinaryOp::add, x, x, "add", here));
  (void)to_string(x);
  (void)ops::contiguous(ops::transpose(x, 0, 1, "t", here), "contiguous", here);
  EXPECT_EQ(version(x), 0u);
}

TEST_P(InPlace, OperandsBroadcastToTheTarget) {
  const Tensor x = counted({2, 3});
  ops::binary_into(BinaryOp::add, x, floats({10, 20}, {2, 1}), "add_", here);
  EXPECT_EQ(values(x), (Floats{10, 11, 12, 23, 24, 25}));
  ops::binary_into(BinaryOp::sub, ops::transpose(x, 0, 1, "t", here), floats({10, 20}, {2}), "sub_", here);
  EXPECT_EQ(values(x), (Floats{0, 1, 2, 3, 4, 5}));
  ops::copy_into(x, scalar(3, on()), "copy_", here);
  EXPECT_EQ(values(x), Floats(6, 3.0f));
}

TEST_P(InPlace, OverlappingOperandsAreReadBeforeTheWrite) {
  const auto part = [](const Tensor& x, std::int64_t start, std::int64_t length) {
    return ops::narrow(x, 0, start, length, "narrow", here);
  };
  const Tensor x = counted({6});
  ops::binary_into(BinaryOp::add, part(x, 1, 5), part(x, 0, 5), "add_", here);
  EXPECT_EQ(values(x), (Floats{0, 1, 3, 5, 7, 9}));
  const Tensor y = counted({6});
  ops::copy_into(part(y, 0, 5), part(y, 1, 5), "copy_", here);
  ops::copy_into(part(y, 1, 5), part(y, 0, 5), "copy_", here);
  EXPECT_EQ(values(y), (Floats{1, 1, 2, 3, 4, 5}));
  const Tensor reversed = counted({4});
  ops::copy_into(reversed, ops::slice(reversed, 0, {{}, {}, -1}, "slice", here), "copy_", here);
  EXPECT_EQ(values(reversed), (Floats{3, 2, 1, 0}));
  const Tensor tail = counted({6});  // the view that is read begins behind the target and runs towards it
  ops::copy_into(part(tail, 0, 5), ops::slice(tail, 0, {5, 0, -1}, "slice", here), "copy_", here);
  EXPECT_EQ(values(tail), (Floats{5, 4, 3, 2, 1, 5}));
  const Tensor square = counted({2, 2});
  ops::binary_into(BinaryOp::add, square, ops::transpose(square, 0, 1, "t", here), "add_", here);
  EXPECT_EQ(values(square), (Floats{0, 3, 3, 6}));
  const Tensor z = floats({2, 3, 4}, {3});
  ops::binary_into(BinaryOp::mul, z, part(z, 0, 1), "mul_", here);  // one of its own elements for all
  EXPECT_EQ(values(z), (Floats{4, 6, 8}));
}

TEST_P(InPlace, CopyCastsAndCrossesDevices) {
  const Tensor x = zeros({2}, on());
  ops::copy_into(x, from_vector(Ints{1, 2}, {2}, device()), "copy_", here);
  EXPECT_EQ(values(x), (Floats{1, 2}));
  const Tensor half = zeros({2, 1}, on(DType::float16));
  ops::copy_into(half, from_vector(std::vector<double>{0.5}, {1}, serial()), "copy_", here);
  EXPECT_EQ(half.to_vector<float16>()[1].bits, float16(0.5f).bits);
}

TEST_P(InPlace, NothingHappensToNothing) {
  const Tensor x = zeros({0, 3}, on());
  ops::fill(x, 1, "fill_", here);
  ops::binary_into(BinaryOp::add, x, floats({1, 2, 3}, {3}), "add_", here);
  ops::copy_into(x, scalar(1, on()), "copy_", here);
  EXPECT_EQ(version(x), 0u);
}

TEST_P(InPlace, ARefusedWriteChangesNothing) {
  const Tensor x = counted({2, 3});
  const Tensor wide = ops::expand(ops::narrow(x, 1, 0, 1, "narrow", here), {2, 3}, "expand", here);
  using C = ErrorCode;
  expect_error<StateError>(C::read_only, {"[fill_]", "(2, 3)", "axis 1", "clone"},
                           [&] { ops::fill(wide, 1, "fill_", here); });
  expect_error<StateError>(C::read_only, {"[copy_]"}, [&] { ops::copy_into(wide, x, "copy_", here); });
  expect_error<StateError>(C::read_only, {"[add_]"}, [&] { ops::binary_into(BinaryOp::add, wide, 1, "add_", here); });
  Tensor target = wide;
  const float host[6] = {};
  expect_error<StateError>(C::read_only, {"[copy_from]"}, [&] { target.copy_from(host); });
  expect_error<ShapeError>(C::shape_mismatch, {"[add_]", "(4,)", "(2, 3)"},
                           [&] { ops::binary_into(BinaryOp::add, x, zeros({4}, on()), "add_", here); });
  expect_error<ShapeError>(C::shape_mismatch, {"[copy_]", "(2, 2, 3)", "keeps"}, [&] {
    ops::copy_into(x, zeros({2, 2, 3}, on()), "copy_", here);
  });
  expect_error<DTypeError>(C::dtype_mismatch, {"[add_]", "float32", "float64"},
                           [&] { ops::binary_into(BinaryOp::add, x, zeros({3}, on(DType::float64)), "add_", here); });
  expect_error<DTypeError>(C::dtype_unsupported, {"[div_]", "int64", ".to(weft::DType::float32)"},
                           [&] { ops::binary_into(BinaryOp::div, zeros({3}, on(DType::int64)), 2, "div_", here); });
  expect_error<ValueError>(C::value_out_of_range, {"[mul_]", "0.5", "int64"},
                           [&] { ops::binary_into(BinaryOp::mul, zeros({3}, on(DType::int64)), 0.5, "mul_", here); });
  EXPECT_EQ(version(x), 0u);
  EXPECT_EQ(values(x), (Floats{0, 1, 2, 3, 4, 5}));
}

TEST_P(InPlace, AnExpandedAxisOfExtentOneMayBeWritten) {
  const Tensor x = counted({3});
  const Tensor row = ops::expand(x, {1, 3}, "expand", here);
  ASSERT_EQ(row.strides()[0], 0);
  ops::fill(row, 4, "fill_", here);
  EXPECT_EQ(values(x), Floats(3, 4.0f));
}

}  // namespace
}  // namespace weft
