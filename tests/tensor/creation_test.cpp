#include <cmath>
#include <limits>

#include "tensor/tensor_test.h"

namespace weft {
namespace {

using namespace weft::testing;

class Creation : public OnEveryBackend {};
WEFT_ON_EVERY_BACKEND(Creation);

constexpr DType every_dtype[] = {DType::float32, DType::float64, DType::float16, DType::bfloat16,
                                 DType::int64,   DType::int32,   DType::uint8,   DType::boolean};

TEST_P(Creation, ZerosOnesAndFullInEveryDType) {
  for (const DType dtype : every_dtype) {
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 0, 3}, Shape{2, 3, 4}}) {
      const Tensor z = zeros(shape, on(dtype)), o = ones(shape, on(dtype)), f = full(shape, 1.0, on(dtype));
      EXPECT_EQ(z.shape(), shape);
      EXPECT_EQ(z.dtype(), dtype);
      EXPECT_EQ(z.device(), device());
      EXPECT_TRUE(z.is_contiguous());
      EXPECT_EQ(z.numel(), shape.numel());
      const auto as_double = [](const Tensor& x) {
        return ops::cast(x, DType::float64, "cast", here).to_vector<double>();
      };
      const auto count = static_cast<std::size_t>(shape.numel());
      EXPECT_EQ(as_double(z), std::vector<double>(count, 0.0)) << name(dtype);
      EXPECT_EQ(as_double(o), std::vector<double>(count, 1.0)) << name(dtype);
      EXPECT_EQ(as_double(f), std::vector<double>(count, 1.0)) << name(dtype);
    }
  }
}

TEST_P(Creation, OptionsConvertFromDeviceAndDType) {
  EXPECT_EQ(zeros({1}, device()).dtype(), DType::float32);
  EXPECT_EQ(zeros({1}, DType::int64).dtype(), DType::int64);
  EXPECT_EQ(zeros({1}, DType::int64).device(), cpu());
  EXPECT_EQ(zeros({1}, {device(), DType::uint8}).device(), device());
}

TEST_P(Creation, ScalarsKeepLargeIntegers) {
  constexpr std::int64_t large = (std::int64_t{1} << 62) + 1;  // not a double
  EXPECT_EQ(scalar(large, on(DType::int64)).item<std::int64_t>(), large);
  EXPECT_EQ(scalar(2.5, on()).item<float>(), 2.5f);
  EXPECT_EQ(scalar(2.5, on()).rank(), 0);
  EXPECT_TRUE(scalar(true, on(DType::boolean)).item<bool>());
}

TEST_P(Creation, FullCastsAsCastsDo) {
  EXPECT_EQ(full({}, 300.7, on(DType::uint8)).item<std::uint8_t>(), 255);
  EXPECT_EQ(full({}, std::nan(""), on(DType::int32)).item<std::int32_t>(), 0);
  EXPECT_EQ(full({}, -1e300, on(DType::int64)).item<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
}

TEST_P(Creation, Eye) {
  EXPECT_EQ(values(eye(3, on())), (Floats{1, 0, 0, 0, 1, 0, 0, 0, 1}));
  EXPECT_EQ(eye(0, on()).shape(), (Shape{0, 0}));
}

TEST_P(Creation, ArangeCountsAsDocumented) {
  EXPECT_EQ(values(arange(0, 5, 1, on())), (Floats{0, 1, 2, 3, 4}));
  EXPECT_EQ(values(arange(1, 2, 0.25, on())), (Floats{1, 1.25f, 1.5f, 1.75f}));
  EXPECT_EQ(arange(5, 0, -2, on(DType::int64)).to_vector<std::int64_t>(), (Ints{5, 3, 1}));
  EXPECT_EQ(arange(3, 3, 1, on()).shape(), (Shape{0}));
  EXPECT_EQ(arange(3, 3, -1, on()).shape(), (Shape{0}));
  EXPECT_EQ(arange(0, 1, 0.4, on()).numel(), 3);
  const Tensor large = arange(9007199254740000, 9007199254740003, 1, on(DType::int64));
  EXPECT_EQ(large.to_vector<std::int64_t>(), (Ints{9007199254740000, 9007199254740001, 9007199254740002}));
  const Tensor many = arange(0, 200000, 1, on(DType::int32));  // more than one piece
  EXPECT_EQ(many.to_vector<std::int32_t>()[199999], 199999);
}

TEST_P(Creation, LikeTakesShapeDTypeAndDevice) {
  const Tensor model = zeros({2, 3}, on(DType::float64));
  for (const Tensor& made : {empty_like(model), zeros_like(model), ones_like(model)}) {
    EXPECT_EQ(made.shape(), model.shape());
    EXPECT_EQ(made.dtype(), DType::float64);
    EXPECT_EQ(made.device(), device());
  }
  EXPECT_EQ(ones_like(model).to_vector<double>(), std::vector<double>(6, 1.0));
  // of a view: row-major again
  const Tensor turned = ops::transpose(model, 0, 1, "transpose", here);
  EXPECT_TRUE(ones_like(turned).is_contiguous());
}

template <class T>
void round_trip(const std::vector<T>& data, Device device) {
  const Shape shape = {static_cast<std::int64_t>(data.size())};
  const Tensor x = from_vector(data, shape, device);
  EXPECT_EQ(x.dtype(), dtype_of<T>);
  EXPECT_EQ(x.to_vector<T>(), data);
  const Tensor deep = from_vector(data, {1, shape[0], 1}, device);
  EXPECT_EQ(deep.to_vector<T>(), data);
}

TEST_P(Creation, HostDataRoundTripsInEveryDType) {
  round_trip<float>({1.5f, -2, 3}, device());
  round_trip<double>({1.5, -2, 1e300}, device());
  round_trip<float16>({float16(1.5f), float16(-2)}, device());
  round_trip<bfloat16>({bfloat16(1.5f), bfloat16(-2)}, device());
  round_trip<std::int64_t>({1, -2, std::numeric_limits<std::int64_t>::max()}, device());
  round_trip<std::int32_t>({1, -2}, device());
  round_trip<std::uint8_t>({0, 255}, device());
  round_trip<bool>({true, false, true}, device());
  round_trip<float>({}, device());
  const bool flags[] = {true, false};
  EXPECT_EQ(from_data(flags, {2}, device()).to_vector<bool>(), (Bools{true, false}));
}

TEST_P(Creation, TensorFromAList) {
  EXPECT_EQ(values(tensor({1, 2.5, -3}, on())), (Floats{1, 2.5f, -3}));
  EXPECT_EQ(tensor({1, 2}, on(DType::int64)).to_vector<std::int64_t>(), (Ints{1, 2}));
  EXPECT_EQ(tensor({}, on()).shape(), (Shape{0}));
}

TEST_P(Creation, ItemReadsEveryDTypeAsDouble) {
  for (const DType dtype : every_dtype) EXPECT_EQ(ones({1, 1}, on(dtype)).item(), 1.0) << name(dtype);
}

TEST_P(Creation, DataPointsIntoTheTensorAndMutableDataIsAWrite) {
  Tensor x = zeros({4}, on());
  const std::uint64_t before = x.impl()->storage->version.load();
  EXPECT_EQ(x.data<float>()[2], 0.0f);
  EXPECT_EQ(x.impl()->storage->version.load(), before);
  x.mutable_data<float>()[2] = 5;
  EXPECT_EQ(x.impl()->storage->version.load(), before + 1);
  EXPECT_EQ(values(ops::narrow(x, 0, 2, 2, "narrow", here)), (Floats{5, 0}));
  EXPECT_EQ(ops::narrow(x, 0, 2, 2, "narrow", here).data<float>()[0], 5.0f);
}

TEST_P(Creation, CopyFromWritesThroughViews) {
  Tensor x = zeros({2, 3}, on());
  Tensor column = ops::select(x, 1, 1, "select", here);
  const float host[] = {7, 8};
  column.copy_from(host);
  EXPECT_EQ(values(x), (Floats{0, 7, 0, 0, 8, 0}));
  const float all[] = {1, 2, 3, 4, 5, 6};
  x.copy_from(all);
  EXPECT_EQ(values(x), (Floats{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(x.impl()->storage->version.load(), 2u);
}

TEST(CreationAcrossDevices, ValuesTravelBothWays) {
  if (!is_available(cpu())) GTEST_SKIP() << backends::why_unavailable(cpu());
  const Tensor x = from_vector(Floats{1, 2, 3, 4, 5, 6}, {2, 3}, serial());
  const Tensor turned = ops::transpose(x, 0, 1, "transpose", here);
  const Tensor there = ops::to_device(turned, cpu(), "to", here);
  EXPECT_EQ(there.device(), cpu());
  EXPECT_EQ(there.shape(), (Shape{3, 2}));
  EXPECT_EQ(values(there), (Floats{1, 4, 2, 5, 3, 6}));
  const Tensor back = ops::to_device(there, serial(), "to", here);
  EXPECT_EQ(back.device(), serial());
  EXPECT_EQ(values(back), values(there));
  const Tensor same = ops::to_device(x, serial(), "to", here);
  EXPECT_FALSE(same.shares_storage(x));
  EXPECT_EQ(ops::to_device(zeros({0, 2}, serial()), cpu(), "to", here).shape(), (Shape{0, 2}));
}

}  // namespace
}  // namespace weft
