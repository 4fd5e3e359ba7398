// Reductions against a plain reference that writes down the order documented in isa/reduce.h, to the bit.

#include <limits>

#include <weft/backends/registry.h>

#include "support.h"

namespace weft::cpu_test {
namespace {

using backends::Backend;
using backends::contiguous_view;
using backends::TensorView;
using backends::cpu::Fold;
using backends::cpu::reduce_chunk;
using backends::cpu::reduce_rows;
using backends::cpu::ReduceKernels;

template <class T>
T join(Fold fold, T a, T b) {
  if (fold == Fold::sum) return a + b;
  if (b != b) return b;
  return (fold == Fold::max ? b > a : b < a) ? b : a;
}

/// Neighbours first: a complete tree over the largest power of two below n, the rest joined to it in the same way.
template <class T>
T tree(Fold fold, const T* values, std::int64_t n) {
  if (n == 1) return *values;
  std::int64_t half = 1;
  while (2 * half < n) half *= 2;
  return join(fold, tree(fold, values, half), tree(fold, values + half, n - half));
}

template <class T>
T chunk_of_row(Fold fold, const T* x, std::int64_t n) {
  const T start = fold == Fold::sum   ? T(0)
                  : fold == Fold::max ? -std::numeric_limits<T>::infinity()
                                      : std::numeric_limits<T>::infinity();
  std::vector<T> lane(64, start);
  for (std::int64_t i = 0; i < n; ++i) {
    T& l = lane[static_cast<std::size_t>(i % 64)];
    l = join(fold, l, x[i]);
  }
  for (std::size_t half = 32; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lane[l] = join(fold, lane[l], lane[l + half]);
  }
  return lane[0];
}

template <class T>
T along_row(Fold fold, const T* x, std::int64_t n) {
  std::vector<T> chunks;
  for (std::int64_t i = 0; i < n; i += reduce_chunk) {
    chunks.push_back(chunk_of_row(fold, x + i, std::min(reduce_chunk, n - i)));
  }
  return tree(fold, chunks.data(), static_cast<std::int64_t>(chunks.size()));
}

template <class T>
T down_column(Fold fold, const T* x, std::int64_t stride, std::int64_t rows) {
  std::vector<T> chunks;
  for (std::int64_t r = 0; r < rows; r += reduce_rows) {
    T total = x[r * stride];
    for (std::int64_t i = r + 1; i < std::min(rows, r + reduce_rows); ++i) total = join(fold, total, x[i * stride]);
    chunks.push_back(total);
  }
  return tree(fold, chunks.data(), static_cast<std::int64_t>(chunks.size()));
}

template <class T>
const ReduceKernels& reduce_of(const Kernels& k) {
  return sizeof(T) == 8 ? *k.reduce_float64 : *k.reduce_float32;
}

constexpr Fold folds[] = {Fold::sum, Fold::max, Fold::min};

template <class T>
void kernels_follow_the_order() {
  const std::vector<T> x = numbers<T>(9000, 2);
  for (const Kernels* set : all_sets()) {
    for (const Fold fold : folds) {
      const int op = static_cast<int>(fold);
      for (const std::int64_t n : {1, 5, 15, 16, 17, 31, 33, 48, 63, 64, 65, 100, 127, 1000, 4095, 4096}) {
        for (const std::int64_t shift : {0, 1, 3}) {
          T out[2];
          reduce_of<T>(*set).rows[op](x.data() + shift, 2000, 2, n, out);
          EXPECT_TRUE(same_bits(out[0], along_row(fold, x.data() + shift, n))) << set->isa << " n " << n;
          EXPECT_TRUE(same_bits(out[1], along_row(fold, x.data() + shift + 2000, n))) << set->isa << " n " << n;
        }
      }
      for (const std::int64_t rows : {1, 2, 63, 64, 65, 128, 200, 448}) {
        for (const std::int64_t columns : {1, 3, 8, 20}) {
          Guarded<T> out(columns, 1);
          reduce_of<T>(*set).columns[op](x.data(), 20, rows, columns, out.data());
          EXPECT_TRUE(out.unharmed());
          for (std::int64_t c = 0; c < columns; ++c) {
            EXPECT_TRUE(same_bits(out.data()[c], down_column(fold, x.data() + c, 20, rows)))
                << set->isa << " rows " << rows << " column " << c << " of " << columns;
          }
        }
      }
    }
  }
}

TEST(ReduceKernels, Float32FollowsTheDocumentedOrder) { kernels_follow_the_order<float>(); }
TEST(ReduceKernels, Float64FollowsTheDocumentedOrder) { kernels_follow_the_order<double>(); }

TEST(ReduceKernels, ManyRowsOfColumns) {
  const std::vector<float> x = numbers<float>(4096 * 70, 2);
  for (const Kernels* set : all_sets()) {
    std::vector<float> out(70);
    set->reduce_float32->columns[0](x.data(), 70, 4096, 70, out.data());
    for (std::int64_t c = 0; c < 70; ++c) {
      EXPECT_TRUE(same_bits(out[static_cast<std::size_t>(c)], down_column(Fold::sum, x.data() + c, 70, 4096)));
    }
  }
}

TEST(ReduceKernels, ANanWins) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Kernels* set : all_sets()) {
    for (const Fold fold : folds) {
      for (const std::size_t where : {0u, 7u, 64u, 99u}) {
        std::vector<float> x = numbers<float>(100, 5);
        x[where] = nan;
        float out;
        set->reduce_float32->rows[static_cast<int>(fold)](x.data(), 0, 1, 100, &out);
        EXPECT_NE(out, out) << set->isa << " row";
        set->reduce_float32->columns[static_cast<int>(fold)](x.data(), 1, 100, 1, &out);
        EXPECT_NE(out, out) << set->isa << " column";
      }
    }
  }
}

TEST(ReduceKernels, SquaresAreSummedInFloat64) {
  const std::vector<float> x = numbers<float>(4096, 6);
  for (const Kernels* set : all_sets()) {
    for (const std::int64_t n : {1, 15, 64, 1000, 4096}) {
      std::vector<double> squares;
      for (std::int64_t i = 0; i < n; ++i) {
        const double wide = static_cast<double>(x[static_cast<std::size_t>(i)]);
        squares.push_back(wide * wide);
      }
      EXPECT_TRUE(same_bits(set->reduce_float32->squares(x.data(), n), along_row(Fold::sum, squares.data(), n)))
          << set->isa << " n " << n;
    }
  }
}

// ---- through the backend

Backend& cpu_backend() { return backends::backend_for(cpu()); }

std::vector<float> reduce(ReduceOp op, const TensorView& in, const Shape& out_shape) {
  std::vector<float> out(static_cast<std::size_t>(out_shape.numel()));
  cpu_backend().reduce(op, in, contiguous_view(out.data(), DType::float32, out_shape));
  return out;
}

TEST(Reduce, LongRowsAndAllElements) {
  for (const std::int64_t n : {4097, 8192, 20000, 300001}) {
    std::vector<float> x = numbers<float>(2 * n, 3);
    const std::vector<float> expected = {along_row(Fold::sum, x.data(), n), along_row(Fold::sum, x.data() + n, n)};
    for (const int threads : {1, 2, 3, 8}) {
      const Threads with(threads);
      EXPECT_EQ(different(reduce(ReduceOp::sum, contiguous_view(x.data(), DType::float32, {2, n}), {2, 1}), expected),
                0);
      const auto all = reduce(ReduceOp::sum, contiguous_view(x.data(), DType::float32, {2, n}), {1, 1});
      EXPECT_TRUE(same_bits(all[0], along_row(Fold::sum, x.data(), 2 * n))) << n;
    }
  }
}

TEST(Reduce, ManyRowsDownColumns) {
  for (const std::int64_t rows : {100, 4096, 4097, 20000}) {
    for (const std::int64_t columns : {3, 37}) {
      std::vector<float> x = numbers<float>(rows * columns, 3), expected;
      for (std::int64_t c = 0; c < columns; ++c) {
        expected.push_back(down_column(Fold::sum, x.data() + c, columns, rows));
      }
      for (const int threads : {1, 2, 3, 8}) {
        const Threads with(threads);
        const TensorView in = contiguous_view(x.data(), DType::float32, {rows, columns});
        EXPECT_EQ(different(reduce(ReduceOp::sum, in, {1, columns}), expected), 0) << rows << "x" << columns;
      }
    }
  }
}

/// The elements of a row-major (8, 90, 70), in memory in another order.
TEST(Reduce, BitsDependOnTheShapeNotOnTheStrides) {
  const Shape shape = {8, 90, 70};
  const std::vector<float> x = numbers<float>(shape.numel(), 8);
  std::vector<float> dense = x, turned(x.size());
  for (std::int64_t i = 0; i < 8; ++i) {
    for (std::int64_t j = 0; j < 90; ++j) {
      for (std::int64_t k = 0; k < 70; ++k) {
        turned[static_cast<std::size_t>((k * 8 + i) * 90 + j)] = x[static_cast<std::size_t>((i * 90 + j) * 70 + k)];
      }
    }
  }
  const TensorView straight = contiguous_view(dense.data(), DType::float32, shape);
  const TensorView strided = {turned.data(), DType::float32, shape, {90, 1, 720}, {}};
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::prod}) {
    for (const Shape& to : {Shape{1, 90, 70}, Shape{8, 1, 70}, Shape{8, 90, 1}, Shape{1, 1, 70}, Shape{8, 1, 1},
                            Shape{1, 90, 1}, Shape{1, 1, 1}}) {
      EXPECT_EQ(different(reduce(op, straight, to), reduce(op, strided, to)), 0) << name(op) << " " << to_string(to);
    }
  }
}

TEST(Reduce, ARowsSumDoesNotDependOnTheOtherRows) {
  std::vector<float> x = numbers<float>(128 * 700, 9);
  const auto all = reduce(ReduceOp::sum, contiguous_view(x.data(), DType::float32, {128, 700}), {128, 1});
  for (std::int64_t r = 0; r < 128; r += 9) {
    const auto one = reduce(ReduceOp::sum, contiguous_view(x.data() + r * 700, DType::float32, {1, 700}), {1, 1});
    EXPECT_TRUE(same_bits(one[0], all[static_cast<std::size_t>(r)])) << r;
  }
}

}  // namespace
}  // namespace weft::cpu_test
