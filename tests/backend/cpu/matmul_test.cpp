// The product through the backend: all threads, batches, transposed and strided views give the bits of one plain call.

#include <weft/backends/registry.h>
#include <weft/core/subnormals.h>

#include "support.h"

namespace weft::cpu_test {
namespace {

using backends::Backend;
using backends::contiguous_view;
using backends::TensorView;

Backend& cpu_backend() { return backends::backend_for(cpu()); }

TensorView view(std::vector<float>& data, const Shape& shape) {
  return contiguous_view(data.data(), DType::float32, shape);
}
TensorView transposed(TensorView v) {
  const int r = v.rank();
  std::swap(v.shape[r - 1], v.shape[r - 2]);
  std::swap(v.strides[r - 1], v.strides[r - 2]);
  return v;
}

std::vector<float> product(const TensorView& a, const TensorView& b) {
  Shape shape = a.shape;
  shape[a.rank() - 1] = b.shape[b.rank() - 1];
  std::vector<float> out(static_cast<std::size_t>(shape.numel()));
  cpu_backend().matmul(a, b, view(out, shape), false);
  return out;
}

struct Size {
  std::int64_t m, n, k;
};
// inline, columns only, a grid of tiles, several row tiles and a ragged last one
constexpr Size sizes[] = {{5, 7, 9},       {128, 512, 300}, {128, 10, 512},
                          {512, 300, 128}, {700, 530, 270}, {1, 2000, 1500}};

TEST(Matmul, ThreadsDoNotMatter) {
  for (const Size& s : sizes) {
    std::vector<float> a = numbers<float>(s.m * s.k, 1), b = numbers<float>(s.k * s.n, 2);
    for (const bool turned : {false, true}) {
      const TensorView right = turned ? transposed(view(b, {s.n, s.k})) : view(b, {s.k, s.n});
      std::vector<float> one;
      for (const int threads : {1, 2, 3, 8}) {
        const Threads with(threads);
        const std::vector<float> y = product(view(a, {s.m, s.k}), right);
        if (threads == 1) {
          one = y;
        } else {
          EXPECT_EQ(different(y, one), 0) << s.m << "x" << s.n << "x" << s.k << " threads " << threads;
        }
      }
    }
  }
}

TEST(Matmul, ARowDoesNotDependOnTheBatch) {
  std::vector<float> x = numbers<float>(512 * 784, 3), w = numbers<float>(300 * 784, 4);
  const TensorView right = transposed(view(w, {300, 784}));
  const std::vector<float> all = product(view(x, {512, 784}), right);
  for (const std::int64_t rows : {1, 7, 128, 200}) {
    const std::int64_t start = 300;
    std::vector<float> part(x.begin() + start * 784, x.begin() + (start + rows) * 784);
    const std::vector<float> some = product(view(part, {rows, 784}), right);
    EXPECT_EQ(different(some.data(), all.data() + start * 300, rows * 300), 0) << rows;
  }
}

TEST(Matmul, LayoutsOfTheSameNumbers) {
  for (const Size& s : {Size{33, 45, 300}, Size{250, 100, 70}}) {
    std::vector<float> a = numbers<float>(s.m * s.k, 1), b = numbers<float>(s.k * s.n, 2);
    const std::vector<float> plain = product(view(a, {s.m, s.k}), view(b, {s.k, s.n}));
    std::vector<float> at(a.size()), bt(b.size()), a_back(a.rbegin(), a.rend());
    for (std::int64_t i = 0; i < s.m; ++i) {
      for (std::int64_t k = 0; k < s.k; ++k) {
        at[static_cast<std::size_t>(k * s.m + i)] = a[static_cast<std::size_t>(i * s.k + k)];
      }
    }
    for (std::int64_t k = 0; k < s.k; ++k) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        bt[static_cast<std::size_t>(j * s.k + k)] = b[static_cast<std::size_t>(k * s.n + j)];
      }
    }
    EXPECT_EQ(different(product(transposed(view(at, {s.k, s.m})), view(b, {s.k, s.n})), plain), 0);
    EXPECT_EQ(different(product(view(a, {s.m, s.k}), transposed(view(bt, {s.n, s.k}))), plain), 0);
    EXPECT_EQ(different(product(transposed(view(at, {s.k, s.m})), transposed(view(bt, {s.n, s.k}))), plain), 0);
    // backwards: element (0, 0) is the last in memory
    const TensorView reversed = {a_back.data() + a_back.size() - 1, DType::float32, {s.m, s.k}, {-s.k, -1}, {}};
    EXPECT_EQ(different(product(reversed, view(b, {s.k, s.n})), plain), 0);
    // an output in columns, and one with gaps
    std::vector<float> out(plain.size()), gapped(plain.size() * 2, 7.0f);
    cpu_backend().matmul(view(a, {s.m, s.k}), view(b, {s.k, s.n}), transposed(view(out, {s.n, s.m})), false);
    cpu_backend().matmul(view(a, {s.m, s.k}), view(b, {s.k, s.n}),
                         {gapped.data(), DType::float32, {s.m, s.n}, {2 * s.n, 2}, {}}, false);
    for (std::int64_t i = 0; i < s.m; ++i) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        const float expected = plain[static_cast<std::size_t>(i * s.n + j)];
        ASSERT_TRUE(same_bits(out[static_cast<std::size_t>(j * s.m + i)], expected));
        ASSERT_TRUE(same_bits(gapped[static_cast<std::size_t>(2 * (i * s.n + j))], expected));
        ASSERT_EQ(gapped[static_cast<std::size_t>(2 * (i * s.n + j) + 1)], 7.0f);
      }
    }
  }
}

TEST(Matmul, BatchesAreSingleProducts) {
  const std::int64_t m = 20, n = 30, k = 40;
  std::vector<float> a = numbers<float>(6 * m * k, 1), b = numbers<float>(6 * k * n, 2);
  const TensorView left = view(a, {2, 3, m, k});
  TensorView right = view(b, {2, 3, k, n});
  for (const int shared : {0, 1, 2}) {  // own b for each, one b for each of the first axis, one for all
    if (shared >= 1) right.strides[1] = 0;
    if (shared == 2) right.strides[0] = 0;
    const std::vector<float> all = product(left, right);
    for (std::int64_t i = 0; i < 2; ++i) {
      for (std::int64_t j = 0; j < 3; ++j) {
        const TensorView one_a = {a.data() + (3 * i + j) * m * k, DType::float32, {m, k}, {k, 1}, {}};
        const TensorView one_b = {
            b.data() + i * right.strides[0] + j * right.strides[1], DType::float32, {k, n}, {n, 1}, {}};
        const std::vector<float> one = product(one_a, one_b);
        EXPECT_EQ(different(one.data(), all.data() + (3 * i + j) * m * n, m * n), 0) << shared;
      }
    }
  }
}

TEST(Matmul, AccumulateAddsTheFinishedSum) {
  std::vector<float> a = numbers<float>(300 * 600, 1), b = numbers<float>(600 * 50, 2), c = numbers<float>(300 * 50, 3);
  std::vector<float> expected = product(view(a, {300, 600}), view(b, {600, 50}));
  for (std::size_t i = 0; i < c.size(); ++i) expected[i] = c[i] + expected[i];
  cpu_backend().matmul(view(a, {300, 600}), view(b, {600, 50}), view(c, {300, 50}), true);
  EXPECT_EQ(different(c, expected), 0);
}

TEST(Matmul, SubnormalsAreFlushedWhereverItRuns) {
  std::vector<float> a = {1e-30f}, b = {1e-10f};
  EXPECT_EQ(product(view(a, {1, 1}), view(b, {1, 1}))[0], 0.0f);
  EXPECT_FALSE(FlushSubnormals::active());
}

}  // namespace
}  // namespace weft::cpu_test
