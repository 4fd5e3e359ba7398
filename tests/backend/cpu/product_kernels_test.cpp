// The kernels of the matrix product, on every instruction set, against a scalar loop that writes the definition out.

#include <cmath>
#include <cstdlib>
#include <memory>

#include <weft/core/dtype.h>

#include "support.h"

namespace weft::cpu_test {
namespace {

using backends::cpu::Product;
using backends::cpu::product_panel;
using backends::cpu::ProductKernels;

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Free>;
Memory memory(std::size_t bytes) { return Memory(std::aligned_alloc(64, (bytes + 63) / 64 * 64 + 64)); }

template <class T>
const ProductKernels& product_of(const Kernels& k) {
  return sizeof(T) == 8 ? *k.product_float64 : *k.product_float32;
}

enum class Order { row_major, column_major, gapped };

/// A matrix in memory: element (i, j) at data[i * row + j * column].
template <class T>
struct Matrix {
  std::int64_t rows, columns, row, column;
  std::vector<T> data;

  Matrix(std::int64_t r, std::int64_t c, Order order, std::uint64_t seed) : rows(r), columns(c) {
    const bool by_columns = order == Order::column_major;
    const std::int64_t step = order == Order::gapped ? 2 : 1;
    row = by_columns ? 1 : c * step + 3;
    column = by_columns ? r + 3 : step;
    data = numbers<T>(by_columns ? column * c : row * r, seed);
  }
  T at(std::int64_t i, std::int64_t j) const { return data[static_cast<std::size_t>(i * row + j * column)]; }
};

/// isa/product.h: panels of 256, each one chain, added in order.
template <class T>
T definition(const Matrix<T>& a, const Matrix<T>& b, std::int64_t i, std::int64_t j, bool fma) {
  T sum = 0;
  for (std::int64_t k = 0; k < a.columns; k += product_panel) {
    T chain = 0;
    for (std::int64_t q = k; q < std::min(a.columns, k + product_panel); ++q) {
      if (fma) {
        chain = std::fma(a.at(i, q), b.at(q, j), chain);
      } else {
        const volatile T product = a.at(i, q) * b.at(q, j);
        chain = chain + product;
      }
    }
    sum = k == 0 ? chain : sum + chain;
  }
  return sum;
}

template <class T>
Product arguments(const Matrix<T>& a, const Matrix<T>& b, T* c, std::int64_t c_row, bool accumulate = false) {
  return {a.data.data(), b.data.data(), c,        a.rows, b.columns,  a.columns, a.row,
          a.column,      b.row,         b.column, c_row,  accumulate, false};
}

/// How the result is put together.
enum class Way { packed, on_the_fly, small_tiles, turned };

template <class T>
void compute(const ProductKernels& k, const Product& p, Way way) {
  if (way == Way::turned) {  // C^T = B^T A^T
    Product t = {p.b,
                 p.a,
                 p.c,
                 p.columns,
                 p.rows,
                 p.depth,
                 p.b_column_stride,
                 p.b_depth_stride,
                 p.a_depth_stride,
                 p.a_row_stride,
                 p.c_row_stride,
                 p.accumulate,
                 true};
    return compute<T>(k, t, Way::packed);
  }
  const std::int64_t width = (p.columns + k.panel_columns - 1) / k.panel_columns * k.panel_columns;
  const Memory packed = memory(static_cast<std::size_t>(width * p.depth) * sizeof(T));
  const auto run = [&](const void* b, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
    const Memory work = memory(k.tile_work(i1 - i0, j1 - j0, b == nullptr));
    k.tile(p, b, i0, i1, j0, j1, work.get());
  };
  if (way == Way::on_the_fly) return run(nullptr, 0, p.rows, 0, p.columns);
  k.pack(p, packed.get(), 0, p.columns);
  if (way == Way::packed) return run(packed.get(), 0, p.rows, 0, p.columns);
  for (std::int64_t i = 0; i < p.rows; i += 5) {
    for (std::int64_t j = 0; j < p.columns; j += k.panel_columns) {
      const bool from_packed = (i / 5 + j / k.panel_columns) % 2 == 0;
      run(from_packed ? packed.get() : nullptr, i, std::min(p.rows, i + 5), j,
          std::min(p.columns, j + k.panel_columns));
    }
  }
}

struct Size {
  std::int64_t m, n, k;
};
constexpr Size sizes[] = {{1, 1, 1},    {1, 10, 300},  {2, 40, 20},   {3, 33, 257}, {7, 10, 64},    {13, 31, 40},
                          {14, 32, 16}, {15, 65, 300}, {29, 100, 10}, {64, 17, 96}, {131, 48, 515}, {1, 300, 50}};

template <class T>
void matches_definition() {
  for (const Kernels* set : all_sets()) {
    const ProductKernels& k = product_of<T>(*set);
    std::uint64_t seed = 1;
    for (const Size& s : sizes) {
      for (const Order a_order : {Order::row_major, Order::column_major, Order::gapped}) {
        for (const Order b_order : {Order::row_major, Order::column_major, Order::gapped}) {
          const Matrix<T> a(s.m, s.k, a_order, ++seed), b(s.k, s.n, b_order, ++seed);
          std::vector<T> expected;
          for (std::int64_t i = 0; i < s.m; ++i) {
            for (std::int64_t j = 0; j < s.n; ++j) expected.push_back(definition(a, b, i, j, has_fma(*set)));
          }
          for (const Way way : {Way::packed, Way::on_the_fly, Way::small_tiles, Way::turned}) {
            Guarded<T> c(s.m * s.n);
            compute<T>(k, arguments(a, b, c.data(), s.n), way);
            EXPECT_EQ(different(c.values(), expected), 0)
                << set->isa << " " << s.m << "x" << s.n << "x" << s.k << " a " << static_cast<int>(a_order) << " b "
                << static_cast<int>(b_order) << " way " << static_cast<int>(way);
            EXPECT_TRUE(c.unharmed());
          }
        }
      }
    }
  }
}

TEST(ProductKernels, Float32IsOneChainPerPanel) { matches_definition<float>(); }
TEST(ProductKernels, Float64IsOneChainPerPanel) { matches_definition<double>(); }

TEST(ProductKernels, BatchAndPositionDoNotMatter) {
  for (const Kernels* set : all_sets()) {
    for (const Size& s : {Size{128, 512, 784}, Size{128, 10, 512}, Size{128, 100, 2000}}) {
      for (const Order w_order : {Order::column_major, Order::row_major}) {
        const Matrix<float> x(s.m, s.k, Order::row_major, 5), w(s.k, s.n, w_order, 6);
        std::vector<float> all(static_cast<std::size_t>(s.m * s.n));
        compute<float>(*set->product_float32, arguments(x, w, all.data(), s.n), Way::packed);
        for (const std::int64_t rows : {1, 2, 3, 7}) {
          const std::int64_t start = 121 - rows;
          Product p = arguments(x, w, static_cast<float*>(nullptr), s.n);
          std::vector<float> some(static_cast<std::size_t>(rows * s.n));
          p.a = x.data.data() + start * x.row;
          p.rows = rows;
          p.c = some.data();
          compute<float>(*set->product_float32, p, Way::on_the_fly);
          EXPECT_EQ(different(some.data(), all.data() + start * s.n, rows * s.n), 0) << set->isa << " rows " << rows;
        }
      }
    }
  }
}

TEST(ProductKernels, AccumulateAddsTheFinishedSum) {
  for (const Kernels* set : all_sets()) {
    for (const Size& s : {Size{17, 45, 100}, Size{17, 45, 700}, Size{2, 45, 700}}) {
      const Matrix<float> a(s.m, s.k, Order::row_major, 7), b(s.k, s.n, Order::column_major, 8);
      const std::vector<float> before = numbers<float>(s.m * s.n, 9);
      std::vector<float> sum(before.size()), c = before;
      compute<float>(*set->product_float32, arguments(a, b, sum.data(), s.n), Way::packed);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = before[i] + sum[i];
      compute<float>(*set->product_float32, arguments(a, b, c.data(), s.n, true), Way::packed);
      EXPECT_EQ(different(c, sum), 0) << set->isa;
      c = before;
      compute<float>(*set->product_float32, arguments(a, b, c.data(), s.n, true), Way::on_the_fly);
      EXPECT_EQ(different(c, sum), 0) << set->isa;
    }
  }
}

/// 16-bit operands: the float32 product of what they hold, rounded once.
template <class Half>
void sixteen_bits(const ProductKernels& k, const Kernels& set) {
  for (const Size& s : {Size{9, 37, 300}, Size{1, 37, 300}, Size{30, 64, 40}}) {
    for (const Order order : {Order::row_major, Order::column_major, Order::gapped}) {
      Matrix<float> a(s.m, s.k, order, 11), b(s.k, s.n, order, 12);
      std::vector<Half> ha, hb;
      for (float& x : a.data) x = static_cast<float>(ha.emplace_back(x));
      for (float& x : b.data) x = static_cast<float>(hb.emplace_back(x));
      std::vector<float> wide(static_cast<std::size_t>(s.m * s.n));
      compute<float>(*set.product_float32, arguments(a, b, wide.data(), s.n), Way::packed);
      std::vector<Half> expected, expected_sum, c(wide.size()), before;
      for (std::size_t i = 0; i < wide.size(); ++i) {
        before.emplace_back(static_cast<float>(i % 5) - 2);
        expected.emplace_back(wide[i]);
        expected_sum.emplace_back(static_cast<float>(before[i]) + wide[i]);
      }
      Product p = arguments(a, b, static_cast<float*>(nullptr), s.n);
      p.a = ha.data();
      p.b = hb.data();
      p.c = c.data();
      for (const Way way : {Way::packed, Way::on_the_fly, Way::small_tiles, Way::turned}) {
        compute<float>(k, p, way);
        EXPECT_EQ(different(c, expected), 0) << set.isa;
      }
      c = before;
      p.accumulate = true;
      compute<float>(k, p, Way::packed);
      EXPECT_EQ(different(c, expected_sum), 0) << set.isa;
    }
  }
}

TEST(ProductKernels, SixteenBitsAreRoundedOnce) {
  for (const Kernels* set : all_sets()) {
    sixteen_bits<float16>(*set->product_float16, *set);
    sixteen_bits<bfloat16>(*set->product_bfloat16, *set);
  }
}

TEST(ProductKernels, SmallIntegersAreExact) {
  for (const Kernels* set : all_sets()) {
    Matrix<float> a(50, 600, Order::row_major, 1), b(600, 70, Order::column_major, 2);
    for (float& x : a.data) x = std::trunc(x);
    for (float& x : b.data) x = std::trunc(x);
    std::vector<float> c(50 * 70);
    compute<float>(*set->product_float32, arguments(a, b, c.data(), 70), Way::packed);
    for (std::int64_t i = 0; i < 50; ++i) {
      for (std::int64_t j = 0; j < 70; ++j) {
        std::int64_t sum = 0;
        for (std::int64_t k = 0; k < 600; ++k) sum += static_cast<std::int64_t>(a.at(i, k) * b.at(k, j));
        ASSERT_EQ(c[static_cast<std::size_t>(i * 70 + j)], static_cast<float>(sum)) << set->isa;
      }
    }
  }
}

// Bits of fixed products, recorded: a change of the order of summation is a change of every trained model's bits.
TEST(ProductKernels, RecordedBits) {
  const Matrix<float> x(40, 784, Order::row_major, 21), w(784, 100, Order::column_major, 22);
  const Matrix<double> xd(40, 784, Order::row_major, 21), wd(784, 100, Order::column_major, 22);
  for (const Kernels* set : all_sets()) {
    std::vector<float> y(4000);
    std::vector<double> yd(4000);
    compute<float>(*set->product_float32, arguments(x, w, y.data(), 100), Way::packed);
    compute<double>(*set->product_float64, arguments(xd, wd, yd.data(), 100), Way::packed);
    EXPECT_EQ(hash_of(y.data(), y.size() * 4), has_fma(*set) ? 11547184112743472214u : 9189133807616849442u)
        << set->isa;
    EXPECT_EQ(hash_of(yd.data(), yd.size() * 8), has_fma(*set) ? 10418133214488639526u : 14159528391750720071u)
        << set->isa;
  }
}

}  // namespace
}  // namespace weft::cpu_test
