#include <cmath>
#include <limits>
#include <sstream>

#include "tensor/tensor_test.h"

namespace weft {
namespace {

using namespace weft::testing;

// On serial, whose name is in the text; the texts of the default device are checked once at the end.
std::string text(const Tensor& x) {
  std::string s = to_string(x);
  const std::string suffix = ", device=serial)";
  const std::size_t place = s.rfind(suffix);
  if (place == std::string::npos || place + suffix.size() != s.size()) return "no device in: " + s;
  return s.substr(0, place) + ")";
}
Tensor of(const Floats& data, const Shape& shape) { return from_vector(data, shape, serial()); }

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

TEST(Printing, WholeNumbers) {
  EXPECT_EQ(text(of({1, 2, 3}, {3})), "tensor([1., 2., 3.])");
  EXPECT_EQ(text(of({1, -20, 300}, {3})), "tensor([  1., -20., 300.])");
  EXPECT_EQ(text(of({0, 99999992}, {2})), "tensor([       0., 99999992.])");
  EXPECT_EQ(text(of({0, 1e8f}, {2})), "tensor([0.0000e+00, 1.0000e+08])");
}

TEST(Printing, Fractions) {
  EXPECT_EQ(text(of({1, -0.5f, 2.25f, nan_value}, {2, 2})),
            "tensor([[ 1.0000, -0.5000],\n"
            "        [ 2.2500,     nan]])");
  EXPECT_EQ(text(of({0.1f, 99.9f}, {2})), "tensor([ 0.1000, 99.9000])");
  EXPECT_EQ(text(of({0.1f, 101.5f}, {2})), "tensor([1.0000e-01, 1.0150e+02])");  // over 1000 times as large
  EXPECT_EQ(text(of({0.00005f, 0.0001f}, {2})), "tensor([5.0000e-05, 1.0000e-04])");
}

TEST(Printing, NanAndInfinities) {
  EXPECT_EQ(text(of({nan_value, inf, -inf, 1}, {4})), "tensor([ nan,  inf, -inf,   1.])");
  EXPECT_EQ(text(of({nan_value}, {})), "tensor(nan)");
  EXPECT_EQ(text(of({-0.0f, 0.5f}, {2})), "tensor([-0.0000,  0.5000])");
}

TEST(Printing, RankZeroAndEmpty) {
  EXPECT_EQ(text(of({3.25f}, {})), "tensor(3.2500)");
  EXPECT_EQ(text(of({3}, {})), "tensor(3.)");
  EXPECT_EQ(text(of({}, {0})), "tensor([])");
  EXPECT_EQ(text(of({}, {0, 3})), "tensor([], shape=(0, 3))");
  EXPECT_EQ(text(zeros({2, 0}, {serial(), DType::int64})), "tensor([], shape=(2, 0), dtype=int64)");
  EXPECT_EQ(to_string(Tensor{}), "tensor(undefined)");
}

TEST(Printing, OtherDTypes) {
  EXPECT_EQ(text(from_vector(Ints{1, -200, 3}, {3}, serial())), "tensor([   1, -200,    3], dtype=int64)");
  EXPECT_EQ(text(from_vector(std::vector<std::uint8_t>{0, 255}, {2}, serial())), "tensor([  0, 255], dtype=uint8)");
  EXPECT_EQ(text(from_vector(Bools{true, false}, {2}, serial())), "tensor([ true, false], dtype=bool)");
  EXPECT_EQ(text(from_vector(std::vector<double>{0.5, 1e300}, {2}, serial())),
            "tensor([ 5.0000e-01, 1.0000e+300], dtype=float64)");
  EXPECT_EQ(text(ones({2}, {serial(), DType::bfloat16})), "tensor([1., 1.], dtype=bfloat16)");
  EXPECT_EQ(text(full({}, 0.5, {serial(), DType::float16})), "tensor(0.5000, dtype=float16)");
}

TEST(Printing, RankThreeHasABlankLineBetweenMatrices) {
  EXPECT_EQ(text(of({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2})),
            "tensor([[[1., 2.],\n"
            "         [3., 4.]],\n"
            "\n"
            "        [[5., 6.],\n"
            "         [7., 8.]]])");
}

TEST(Printing, LongRowsAreBroken) {
  EXPECT_EQ(text(arange(0, 20, 1, {serial(), DType::int64})),
            "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
            "        18, 19], dtype=int64)");
}

TEST(Printing, LargeTensorsAreAbbreviated) {
  EXPECT_EQ(text(arange(0, 1001, 1, serial())),
            "tensor([   0.,    1.,    2., ...,  998.,  999., 1000.], shape=(1001,))");
  EXPECT_EQ(text(arange(0, 1000, 1, serial())).find("..."), std::string::npos);
  const Tensor matrix = ops::reshape(arange(0, 2000, 1, {serial(), DType::int32}), {200, 10}, "reshape", here);
  EXPECT_EQ(text(matrix),
            "tensor([[   0,    1,    2, ...,    7,    8,    9],\n"
            "        [  10,   11,   12, ...,   17,   18,   19],\n"
            "        [  20,   21,   22, ...,   27,   28,   29],\n"
            "        ...,\n"
            "        [1970, 1971, 1972, ..., 1977, 1978, 1979],\n"
            "        [1980, 1981, 1982, ..., 1987, 1988, 1989],\n"
            "        [1990, 1991, 1992, ..., 1997, 1998, 1999]], shape=(200, 10), dtype=int32)");
}

TEST(Printing, ViewsPrintInLogicalOrder) {
  const Tensor x = of({1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(text(ops::transpose(x, 0, 1, "t", here)),
            "tensor([[1., 4.],\n"
            "        [2., 5.],\n"
            "        [3., 6.]])");
  EXPECT_EQ(text(ops::slice(ops::select(x, 0, 0, "s", here), 0, {{}, {}, -1}, "s", here)), "tensor([3., 2., 1.])");
}

TEST(Printing, TheStreamsStateAndLocaleDoNotMatter) {
  std::ostringstream out;
  out.setf(std::ios::hex, std::ios::basefield);
  out.precision(1);
  out << of({0.25f, 16}, {2});
  EXPECT_EQ(out.str(), "tensor([ 0.2500, 16.0000], device=serial)");
}

TEST(Printing, TheDefaultDeviceIsNotNamed) {
  if (!is_available(cpu())) GTEST_SKIP() << backends::why_unavailable(cpu());
  EXPECT_EQ(to_string(tensor({1, 2})), "tensor([1., 2.])");
}

}  // namespace
}  // namespace weft
