// Convolution on cpu beyond the contract: a random sweep of geometries without any tolerance, bits that do not depend
// on threads, batch, position and layout, the workspace, and the arithmetic of extents.

#include <algorithm>
#include <cstdio>
#include <limits>

#include <weft/backends/common/conv_geometry.h>
#include <weft/backends/registry.h>

#include "support.h"

namespace weft::cpu_test {
namespace {

using backends::Backend;
using backends::contiguous_view;
using backends::ConvGeometry;
using backends::Pass;
using backends::TensorView;

Backend& cpu_backend() { return backends::backend_for(cpu()); }

/// Small numbers, the same for the same seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : seed_(seed) {}
  std::int64_t operator()(std::int64_t low, std::int64_t high) {  // both included
    const auto range = static_cast<std::uint32_t>(high - low + 1);
    return low + static_cast<std::int64_t>(philox_bits(seed_, 1, n_++) % range);
  }

 private:
  std::uint64_t seed_, n_ = 0;
};

struct Problem {
  ConvGeometry g;
  Shape x, w, y;
  std::string text() const {
    std::string s = "x " + to_string(x) + " w " + to_string(w) + " groups " + std::to_string(g.groups);
    for (int i = 0; i < g.spatial; ++i) {
      s += " [stride " + std::to_string(g.stride[i]) + " padding " + std::to_string(g.padding[i]) + " dilation " +
           std::to_string(g.dilation[i]) + "]";
    }
    return s;
  }
};

Problem random_problem(Dice& dice) {
  Problem p;
  p.g.spatial = static_cast<int>(dice(1, 3));
  p.g.groups = dice(1, 3);
  const std::int64_t channels = dice(0, 9) == 0 ? dice(20, 60) : dice(1, 5), filters = dice(1, 7);
  p.x = {dice(1, 4), channels * p.g.groups};
  p.w = {filters * p.g.groups, channels};
  p.y = {p.x[0], p.w[0]};
  for (int i = 0; i < p.g.spatial; ++i) {
    p.g.kernel[i] = dice(1, 4);
    p.g.stride[i] = dice(1, 3);
    p.g.dilation[i] = dice(1, 3);
    p.g.padding[i] = dice(0, 4);
    const std::int64_t reach = p.g.dilation[i] * (p.g.kernel[i] - 1) + 1;
    const std::int64_t most = p.g.spatial == 1 ? 400 : p.g.spatial == 2 ? 24 : 8;
    const std::int64_t in = std::max<std::int64_t>({1, reach - 2 * p.g.padding[i], dice(1, most)});
    p.x.push_back(in);
    p.w.push_back(p.g.kernel[i]);
    p.y.push_back((in + 2 * p.g.padding[i] - reach) / p.g.stride[i] + 1);
  }
  return p;
}

/// Loops over the definition, with three spatial axes.
std::vector<std::int64_t> textbook(Pass pass, const Problem& p, const std::vector<std::int64_t>& x,
                                   const std::vector<std::int64_t>& w, const std::vector<std::int64_t>& y) {
  std::int64_t xs[3] = {1, 1, 1}, ks[3] = {1, 1, 1}, ys[3] = {1, 1, 1}, st[3] = {1, 1, 1}, pa[3] = {},
               di[3] = {1, 1, 1};
  for (int i = 0; i < p.g.spatial; ++i) {
    const int a = 3 - p.g.spatial + i;
    xs[a] = p.x[2 + i];
    ks[a] = p.w[2 + i];
    ys[a] = p.y[2 + i];
    st[a] = p.g.stride[i];
    pa[a] = p.g.padding[i];
    di[a] = p.g.dilation[i];
  }
  const Shape& shape = pass == Pass::forward ? p.y : pass == Pass::grad_input ? p.x : p.w;
  std::vector<std::int64_t> out(static_cast<std::size_t>(shape.numel()), 0);
  const std::int64_t filters = p.w[0] / p.g.groups;
  for (std::int64_t n = 0; n < p.x[0]; ++n)
    for (std::int64_t k = 0; k < p.w[0]; ++k)
      for (std::int64_t a = 0; a < ys[0]; ++a)
        for (std::int64_t b = 0; b < ys[1]; ++b)
          for (std::int64_t c = 0; c < ys[2]; ++c)
            for (std::int64_t q = 0; q < p.w[1]; ++q)
              for (std::int64_t r = 0; r < ks[0]; ++r)
                for (std::int64_t s = 0; s < ks[1]; ++s)
                  for (std::int64_t t = 0; t < ks[2]; ++t) {
                    const std::int64_t i = a * st[0] - pa[0] + r * di[0], j = b * st[1] - pa[1] + s * di[1],
                                       l = c * st[2] - pa[2] + t * di[2];
                    if (i < 0 || i >= xs[0] || j < 0 || j >= xs[1] || l < 0 || l >= xs[2]) continue;
                    const auto xi = static_cast<std::size_t>(
                        (((n * p.x[1] + k / filters * p.w[1] + q) * xs[0] + i) * xs[1] + j) * xs[2] + l);
                    const auto wi = static_cast<std::size_t>((((k * p.w[1] + q) * ks[0] + r) * ks[1] + s) * ks[2] + t);
                    const auto yi = static_cast<std::size_t>((((n * p.w[0] + k) * ys[0] + a) * ys[1] + b) * ys[2] + c);
                    if (pass == Pass::forward) out[yi] += x[xi] * w[wi];
                    if (pass == Pass::grad_input) out[xi] += y[yi] * w[wi];
                    if (pass == Pass::grad_weight) out[wi] += x[xi] * y[yi];
                  }
  return out;
}

template <class T>
void sweep(DType dtype, std::uint64_t seed, int count) {
  Dice dice(seed);
  for (int round = 0; round < count; ++round) {
    const Problem p = random_problem(dice);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", round " + std::to_string(round) + ": " + p.text());
    const auto whole = [&](const Shape& shape) {
      std::vector<std::int64_t> values(static_cast<std::size_t>(shape.numel()));
      for (std::int64_t& v : values) v = dice(-3, 3);
      return values;
    };
    const std::vector<std::int64_t> x = whole(p.x), w = whole(p.w), y = whole(p.y);
    for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
      std::vector<T> fx(x.begin(), x.end()), fw(w.begin(), w.end()), fy(y.begin(), y.end());
      cpu_backend().conv(pass, p.g, contiguous_view(fx.data(), dtype, p.x), contiguous_view(fw.data(), dtype, p.w),
                         contiguous_view(fy.data(), dtype, p.y));
      const std::vector<T>& got = pass == Pass::forward ? fy : pass == Pass::grad_input ? fx : fw;
      const std::vector<std::int64_t> want = textbook(pass, p, x, w, y);
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i], static_cast<T>(want[i])) << "pass " << static_cast<int>(pass) << ", element " << i;
      }
    }
  }
}

TEST(Conv, RandomGeometriesOfSmallIntegersAreExact) {
  constexpr std::uint64_t seed = 20240607;
  std::printf("convolution sweep: seed %llu, 200 geometries in float32, 50 in float64\n",
              static_cast<unsigned long long>(seed));
  sweep<float>(DType::float32, seed, 200);
  sweep<double>(DType::float64, seed + 1, 50);
}

struct Buffers {
  explicit Buffers(const Problem& p)
      : x(numbers<float>(p.x.numel(), 1)), w(numbers<float>(p.w.numel(), 2)), y(numbers<float>(p.y.numel(), 3)) {}
  std::vector<float> x, w, y;
};

std::vector<float> run(Pass pass, const Problem& p, Buffers b) {
  cpu_backend().conv(pass, p.g, contiguous_view(b.x.data(), DType::float32, p.x),
                     contiguous_view(b.w.data(), DType::float32, p.w),
                     contiguous_view(b.y.data(), DType::float32, p.y));
  return pass == Pass::forward ? b.y : pass == Pass::grad_input ? b.x : b.w;
}

Problem square(std::int64_t batch, std::int64_t in, std::int64_t out, std::int64_t extent, std::int64_t kernel,
               std::int64_t padding) {
  Problem p;
  p.g.kernel[0] = p.g.kernel[1] = kernel;
  p.g.padding[0] = p.g.padding[1] = padding;
  p.x = {batch, in, extent, extent};
  p.w = {out, in, kernel, kernel};
  p.y = {batch, out, extent + 2 * padding - kernel + 1, extent + 2 * padding - kernel + 1};
  return p;
}

TEST(Conv, ThreadsDoNotMatter) {
  for (const Problem& p : {square(9, 1, 6, 28, 5, 2), square(5, 6, 16, 14, 5, 0), square(3, 40, 30, 33, 3, 1),
                           square(4, 64, 200, 9, 1, 0), square(1, 70, 20, 60, 3, 1)}) {
    const Buffers b(p);
    for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
      std::vector<float> one;
      for (const int threads : {1, 2, 3, 8}) {
        const Threads with(threads);
        const std::vector<float> now = run(pass, p, b);
        if (threads == 1) {
          one = now;
        } else {
          EXPECT_EQ(different(now, one), 0) << p.text() << " pass " << static_cast<int>(pass) << " threads " << threads;
        }
      }
    }
  }
}

TEST(Conv, AnImageDoesNotDependOnTheBatch) {
  for (Problem p : {square(40, 1, 6, 28, 5, 2), square(40, 30, 20, 13, 3, 1), square(40, 64, 32, 9, 1, 0)}) {
    const Buffers all(p);
    const std::int64_t xs = p.x.numel() / 40, ys = p.y.numel() / 40;
    const std::vector<float> y = run(Pass::forward, p, all), dx = run(Pass::grad_input, p, all);
    for (const std::int64_t count : {1, 7, 39}) {
      const std::int64_t start = 40 - count;
      p.x[0] = p.y[0] = count;
      Buffers some = all;
      some.x.erase(some.x.begin(), some.x.begin() + start * xs);
      some.y.erase(some.y.begin(), some.y.begin() + start * ys);
      EXPECT_EQ(different(run(Pass::forward, p, some).data(), y.data() + start * ys, count * ys), 0) << p.text();
      EXPECT_EQ(different(run(Pass::grad_input, p, some).data(), dx.data() + start * xs, count * xs), 0) << p.text();
    }
  }
}

/// What every tap sees: [channels * 9, positions] of the first image of a 3x3 problem with padding 1.
std::vector<float> columns_of(const Problem& p, const std::vector<float>& x) {
  const std::int64_t n = p.x[2], depth = p.w[1] * 9, stride = p.g.stride[0], out = p.y[2];
  std::vector<float> columns(static_cast<std::size_t>(depth * out * out), 0.0f);
  for (std::int64_t row = 0; row < depth; ++row) {
    for (std::int64_t at = 0; at < out * out; ++at) {
      const std::int64_t i = at / out * stride + row % 9 / 3 - 1, j = at % out * stride + row % 3 - 1;
      if (i < 0 || i >= n || j < 0 || j >= n) continue;
      columns[static_cast<std::size_t>(row * out * out + at)] = x[static_cast<std::size_t>((row / 9 * n + i) * n + j)];
    }
  }
  return columns;
}

std::vector<float> product(std::vector<float> a, std::vector<float> b, std::int64_t m, std::int64_t n, std::int64_t k,
                           bool a_turned, bool b_turned) {
  std::vector<float> c(static_cast<std::size_t>(m * n));
  const TensorView av{a.data(), DType::float32, {m, k}, {a_turned ? 1 : k, a_turned ? m : 1}, {}};
  const TensorView bv{b.data(), DType::float32, {k, n}, {b_turned ? 1 : n, b_turned ? k : 1}, {}};
  cpu_backend().matmul(av, bv, contiguous_view(c.data(), DType::float32, {m, n}), false);
  return c;
}

Problem strided(std::int64_t in, std::int64_t out, std::int64_t extent, std::int64_t stride) {
  Problem p = square(1, in, out, extent, 3, 1);
  p.g.stride[0] = p.g.stride[1] = stride;
  p.y[2] = p.y[3] = (extent - 1) / stride + 1;
  return p;
}

// To the bit: what the images' matrix would give.
TEST(Conv, ForwardIsTheProductOfTheColumns) {
  for (const Problem& p : {strided(40, 24, 17, 1), strided(3, 16, 32, 1), strided(40, 5, 18, 2)}) {
    const Buffers b(p);
    const std::vector<float> want = product(b.w, columns_of(p, b.x), p.w[0], p.y[2] * p.y[3], p.w[1] * 9, false, false);
    EXPECT_EQ(different(run(Pass::forward, p, b), want), 0) << p.text();
  }
}

TEST(Conv, GradWeightIsTheProductWithTheColumns) {
  for (const Problem& p : {strided(40, 24, 17, 1), strided(3, 16, 32, 1), strided(40, 5, 18, 2)}) {
    const Buffers b(p);
    const std::vector<float> want = product(b.y, columns_of(p, b.x), p.w[0], p.w[1] * 9, p.y[2] * p.y[3], false, true);
    EXPECT_EQ(different(run(Pass::grad_weight, p, b), want), 0) << p.text();
  }
}

TEST(Conv, GradInputAddsTapAfterTap) {
  for (const Problem& p : {strided(7, 24, 33, 1), strided(3, 16, 32, 1), strided(8, 70, 35, 2)}) {
    const Buffers b(p);
    const std::int64_t n = p.x[2], out = p.y[2], stride = p.g.stride[0], depth = p.w[1] * 9;
    const std::vector<float> columns = product(b.w, b.y, depth, out * out, p.w[0], true, false);
    std::vector<float> want(b.x.size(), 0.0f);
    for (std::int64_t row = 0; row < depth; ++row) {
      for (std::int64_t at = 0; at < out * out; ++at) {
        const std::int64_t i = at / out * stride + row % 9 / 3 - 1, j = at % out * stride + row % 3 - 1;
        if (i < 0 || i >= n || j < 0 || j >= n) continue;
        want[static_cast<std::size_t>((row / 9 * n + i) * n + j)] +=
            columns[static_cast<std::size_t>(row * out * out + at)];
      }
    }
    EXPECT_EQ(different(run(Pass::grad_input, p, b), want), 0) << p.text();
  }
}

TEST(Conv, LayoutsOfTheSameNumbers) {
  const Problem p = square(6, 7, 9, 15, 3, 1);
  const Buffers b(p);
  for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
    const std::vector<float> plain = run(pass, p, b);
    // the same images with channels last
    const std::int64_t plane = 15 * 15;
    const auto last = [&](const std::vector<float>& from, std::int64_t channels) {
      std::vector<float> to(from.size());
      for (std::int64_t n = 0; n < 6; ++n) {
        for (std::int64_t c = 0; c < channels; ++c) {
          for (std::int64_t i = 0; i < plane; ++i) {
            to[static_cast<std::size_t>((n * plane + i) * channels + c)] =
                from[static_cast<std::size_t>((n * channels + c) * plane + i)];
          }
        }
      }
      return to;
    };
    std::vector<float> x = last(b.x, 7), y = last(b.y, 9), w = b.w;
    const TensorView xv{x.data(), DType::float32, p.x, {plane * 7, 1, 15 * 7, 7}, {}};
    const TensorView yv{y.data(), DType::float32, p.y, {plane * 9, 1, 15 * 9, 9}, {}};
    cpu_backend().conv(pass, p.g, xv, contiguous_view(w.data(), DType::float32, p.w), yv);
    const std::vector<float> want = pass == Pass::forward      ? last(plain, 9)
                                    : pass == Pass::grad_input ? last(plain, 7)
                                                               : plain;
    EXPECT_EQ(different(pass == Pass::forward      ? y
                        : pass == Pass::grad_input ? x
                                                   : w,
                        want),
              0)
        << static_cast<int>(pass);
  }
}

TEST(Conv, TheWorkspaceIsBounded) {  // the whole matrix of columns would be 151 MB
  const Problem p = square(1, 64, 2, 256, 3, 1);
  const Buffers b(p);
  for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
    const std::size_t before = cpu_backend().memory().live;
    run(pass, p, b);
    EXPECT_LE(cpu_backend().memory().peak, before + (std::size_t{64} << 20));
  }
}

TEST(ConvGeometry, CountsPositions) {
  using backends::window_count;
  EXPECT_EQ(window_count(28, 5, 1, 2, 1), 28);
  EXPECT_EQ(window_count(7, 3, 2, 0, 1), 3);
  EXPECT_EQ(window_count(8, 3, 2, 0, 1), 3);
  EXPECT_EQ(window_count(8, 3, 2, 0, 1, true), 4);  // one window hangs over
  EXPECT_EQ(window_count(4, 2, 2, 1, 1, true), 3);  // floor and ceil agree
  EXPECT_EQ(window_count(5, 2, 2, 1, 1, true), 3);  // a fourth would start behind the axis
  EXPECT_EQ(window_count(2, 3, 2, 0, 1), 0);
  EXPECT_EQ(window_count(2, 3, 2, 0, 1, true), 1);
  EXPECT_EQ(window_count(1, 3, 2, 0, 1, true), 0);
  EXPECT_EQ(window_count(9, 3, 1, 0, 4), 1);
  EXPECT_EQ(window_count(8, 3, 1, 0, 4), 0);
  EXPECT_EQ(window_count(0, 1, 1, 0, 1), 0);
}

TEST(ConvGeometry, LooksForOverflow) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_FALSE(backends::window_reach(3, most / 2 + 1).has_value());
  EXPECT_EQ(backends::window_reach(2, most - 1), most);
  EXPECT_FALSE(backends::window_reach(2, most).has_value());
  EXPECT_FALSE(backends::window_count(1, 3, 1, most / 2 + 1, 1).has_value());
  EXPECT_FALSE(backends::window_count(2, 3, 1, most / 2, 1).has_value());
  EXPECT_EQ(backends::window_count(1, 1, 1, most / 2, 1), most);
  EXPECT_FALSE(backends::transposed_extent(3, 3, most / 2 + 1, 0, 1, 0).has_value());
  EXPECT_FALSE(backends::transposed_extent(3, 3, 1, most / 2 + 1, 1, 0).has_value());
  EXPECT_FALSE(backends::transposed_extent(3, 3, 1, 0, 1, most).has_value());
  EXPECT_EQ(backends::transposed_extent(4, 3, 2, 1, 1, 1), 8);
}

}  // namespace
}  // namespace weft::cpu_test
