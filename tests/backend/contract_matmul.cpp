#include <cmath>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

class ContractMatmul : public OnEveryBackend {};

Array textbook(const Array& a, const Array& b) {
  Shape shape = a.shape;
  const int column = shape.rank() - 1, row = column - 1;
  shape[column] = b.shape[column];
  Array out(shape);
  for_each_index(shape, [&](const Shape& o) {
    Shape i = o, j = o;
    double sum = 0;
    for (std::int64_t k = 0; k < a.shape[column]; ++k) {
      i[column] = k;
      j[row] = k;
      sum += a.at(i) * b.at(j);
    }
    out.at(o) = sum;
  });
  return out;
}

Array plus(Array a, const Array& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

struct Sizes {
  std::int64_t m, n, k;
};
const Sizes sizes[] = {{1, 1, 1},    {1, 10, 33},  {7, 1, 20},    {3, 5, 2},    {16, 16, 16},
                       {33, 17, 65}, {1, 64, 300}, {50, 10, 257}, {64, 70, 12}, {13, 48, 520}};

TEST_P(ContractMatmul, EveryDtypeSizeAndLayout) {
  for (DType dtype : floating_dtypes) {
    for (const auto& [m, n, k] : sizes) {
      if (dtype != DType::float32 && m * n * k > 30000) continue;
      const Array a = random_array(dtype, {m, k}, 61, -1, 1), b = random_array(dtype, {k, n}, 62, -1, 1);
      const Array want = textbook(a, b), before = random_array(dtype, want.shape, 63);
      for (Layout left : layouts) {
        for (Layout right : layouts) {
          SCOPED_TRACE(std::string(weft::name(dtype)) + " " + std::to_string(m) + "x" + std::to_string(n) + "x" +
                       std::to_string(k) + " " + name(left) + " " + name(right));
          const Block x(backend(), dtype, a, left), w(backend(), dtype, b, right);
          const Block out(backend(), dtype, want.shape, after(left)), sum(backend(), dtype, before, right);
          backend().matmul(x, w, out, false);
          expect_close(dtype, out.read(), want, 2);
          backend().matmul(x, w, sum, true);
          expect_close(dtype, sum.read(), plus(before, want), 2);
        }
      }
    }
  }
}

TEST_P(ContractMatmul, BatchesAndRepeatedBatches) {
  for (DType dtype : floating_dtypes) {
    const Array a = random_array(dtype, {2, 3, 5, 7}, 64), b = random_array(dtype, {2, 3, 7, 4}, 65);
    for (Layout layout : layouts) {
      const Block x(backend(), dtype, a, layout), w(backend(), dtype, b, after(layout));
      const Block out(backend(), dtype, Shape{2, 3, 5, 4}, after(layout, 2));
      backend().matmul(x, w, out, false);
      expect_close(dtype, out.read(), textbook(a, b), 4);
    }
    const Array shared = repeat(random_array(dtype, {1, 3, 7, 4}, 66), {2, 3, 7, 4});
    const Array one = repeat(random_array(dtype, {1, 1, 5, 7}, 67), {2, 3, 5, 7});
    const Block x(backend(), dtype, a), w(backend(), dtype, shared, Layout::contiguous, 0b0001);
    const Block u(backend(), dtype, one, Layout::contiguous, 0b0011), out(backend(), dtype, Shape{2, 3, 5, 4});
    backend().matmul(x, w, out, false);
    expect_close(dtype, out.read(), textbook(a, shared), 4);
    backend().matmul(u, w, out, false);
    expect_close(dtype, out.read(), textbook(one, shared), 4);
  }
  const Array a = random_array(DType::float32, {2, 1, 1, 2, 1, 1, 3, 5}, 68);
  const Array b = random_array(DType::float32, {2, 1, 1, 2, 1, 1, 5, 2}, 69);
  const Block x(backend(), DType::float32, a), w(backend(), DType::float32, b);
  const Block out(backend(), DType::float32, Shape{2, 1, 1, 2, 1, 1, 3, 2});
  backend().matmul(x, w, out, false);
  expect_close(DType::float32, out.read(), textbook(a, b), 2);
}

TEST_P(ContractMatmul, RepeatedRowsAndColumns) {  // stride 0 inside the matrices: a broadcast vector times a matrix
  for (DType dtype : {DType::float32, DType::float64}) {
    const Array a = repeat(random_array(dtype, {1, 9}, 70), {6, 9}),
                b = repeat(random_array(dtype, {9, 1}, 71), {9, 5});
    const Block x(backend(), dtype, a, Layout::contiguous, 0b01), w(backend(), dtype, b, Layout::contiguous, 0b10);
    const Block out(backend(), dtype, Shape{6, 5});
    backend().matmul(x, w, out, false);
    expect_close(dtype, out.read(), textbook(a, b), 2);
  }
}

TEST_P(ContractMatmul, SmallIntegersAreExact) {
  for (DType dtype : {DType::float32, DType::float64}) {
    for (const auto& [m, n, k] : sizes) {
      Array a({m, k}), b({k, n});
      for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] = static_cast<double>(i * 7 % 11) - 5;
      for (std::size_t i = 0; i < b.values.size(); ++i) b.values[i] = static_cast<double>(i * 5 % 13) - 6;
      const Block x(backend(), dtype, a), w(backend(), dtype, b), out(backend(), dtype, Shape{m, n});
      backend().matmul(x, w, out, false);
      expect_equal(out.read(), textbook(a, b));
    }
  }
}

TEST_P(ContractMatmul, SixteenBitSumsAreRoundedOnce) {  // 512 + 512 ones: in 16 bits the sum would stick at 256 or 2048
  for (DType dtype : {DType::float16, DType::bfloat16}) {
    const Block x(backend(), dtype, Array({2, 4096}, 1)), w(backend(), dtype, Array({4096, 3}, 1));
    const Block out(backend(), dtype, Shape{2, 3});
    backend().matmul(x, w, out, false);
    expect_equal(out.read(), Array({2, 3}, 4096));
  }
}

TEST_P(ContractMatmul, NaNAndInfinityTravel) {
  Array a({3, 40}, 1), b({40, 3}, 1);
  a.at({1, 20}) = std::nan("");
  b.at({39, 2}) = HUGE_VAL;
  const Block x(backend(), DType::float32, a), w(backend(), DType::float32, b),
      out(backend(), DType::float32, Shape{3, 3});
  backend().matmul(x, w, out, false);
  expect_equal(out.read(), textbook(a, b));
}

WEFT_ON_EVERY_BACKEND(ContractMatmul);

}  // namespace
}  // namespace weft::contract_test
