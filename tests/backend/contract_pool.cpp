#include <cmath>
#include <limits>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

using backends::PoolGeometry;
using backends::PoolKind;

class ContractPool : public OnEveryBackend {};

struct Case {
  const char* what;
  Shape x, y;
  PoolGeometry g;
};

struct Axis {
  std::int64_t kernel, stride, padding = 0, dilation = 1;
};

Case windows(const char* what, const Shape& x, const Shape& y, const std::vector<Axis>& axes) {
  Case c{what, x, y, {}};
  c.g.window.spatial = static_cast<int>(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    c.g.window.kernel[i] = axes[i].kernel;
    c.g.window.stride[i] = axes[i].stride;
    c.g.window.padding[i] = axes[i].padding;
    c.g.window.dilation[i] = axes[i].dilation;
  }
  return c;
}

Case adaptive(const char* what, const Shape& x, const Shape& y) {
  Case c{what, x, y, {}};
  c.g.adaptive = true;
  c.g.window.spatial = x.rank() - 2;
  return c;
}

const std::vector<Case>& cases() {
  static const auto& all = *new std::vector<Case>{
      windows("1-D", {2, 3, 9}, {2, 3, 4}, {{2, 2}}),
      windows("1-D overlapping, padded, dilated", {2, 2, 11}, {2, 2, 5}, {{3, 2, 1, 2}}),
      windows("2-D halves", {2, 3, 6, 8}, {2, 3, 3, 4}, {{2, 2}, {2, 2}}),
      windows("2-D overlapping", {1, 2, 7, 6}, {1, 2, 3, 4}, {{3, 2}, {3, 1}}),
      windows("2-D padded", {2, 1, 5, 5}, {2, 1, 3, 6}, {{3, 2, 1}, {2, 1, 1}}),
      windows("2-D a last window that hangs over", {2, 2, 5, 6}, {2, 2, 3, 3}, {{2, 2}, {3, 2, 1}}),
      windows("2-D hanging over the padding too", {1, 1, 4, 4}, {1, 1, 3, 3}, {{3, 2, 1}, {3, 2, 1}}),
      windows("the whole image", {3, 2, 4, 5}, {3, 2, 1, 1}, {{4, 1}, {5, 1}}),
      windows("one element", {1, 1, 1, 1}, {1, 1, 1, 1}, {{1, 1}, {1, 1}}),
      windows("3-D", {2, 2, 4, 5, 3}, {2, 2, 2, 2, 2}, {{2, 2}, {3, 2}, {2, 1}}),
      windows("many planes", {3, 70, 8, 9}, {3, 70, 4, 4}, {{2, 2}, {2, 2}}),
      adaptive("1-D adaptive", {2, 3, 10}, {2, 3, 4}),
      adaptive("2-D adaptive", {2, 2, 7, 9}, {2, 2, 3, 5}),
      adaptive("2-D adaptive to more than there is", {1, 2, 3, 2}, {1, 2, 5, 4}),
      adaptive("global", {3, 4, 5, 6}, {3, 4, 1, 1}),
  };
  return all;
}

struct Window {
  std::vector<Shape> inside;  // positions in x, row-major
  double counted = 0;         // with those in the padding
};

Window window_of(const Case& c, const Shape& o) {
  Shape first = o, taps = Shape::filled(o.rank(), 1);
  for (int i = 2; i < o.rank(); ++i) {
    const auto& w = c.g.window;
    const double in = static_cast<double>(c.x[i]), out = static_cast<double>(c.y[i]), at = static_cast<double>(o[i]);
    first[i] =
        c.g.adaptive ? static_cast<std::int64_t>(std::floor(at * in / out)) : o[i] * w.stride[i - 2] - w.padding[i - 2];
    taps[i] = c.g.adaptive ? static_cast<std::int64_t>(std::ceil((at + 1) * in / out)) - first[i] : w.kernel[i - 2];
  }
  Window window;
  for_each_index(taps, [&](const Shape& t) {
    Shape at = first;
    bool inside = true, counts = true;
    for (int i = 2; i < o.rank(); ++i) {
      at[i] += t[i] * (c.g.adaptive ? 1 : c.g.window.dilation[i - 2]);
      inside = inside && at[i] >= 0 && at[i] < c.x[i];
      counts = counts && (c.g.adaptive || at[i] < c.x[i] + c.g.window.padding[i - 2]);
    }
    window.counted += counts ? 1 : 0;
    if (inside) window.inside.push_back(at);
  });
  return window;
}

double flat(const Shape& shape, const Shape& at) {
  std::int64_t position = 0;
  for (int i = 2; i < shape.rank(); ++i) position = position * shape[i] + at[i];
  return static_cast<double>(position);
}

Shape largest(const Array& x, const Window& window) {
  Shape best = window.inside[0];
  for (const Shape& at : window.inside) {
    if (std::isnan(x.at(best))) break;
    if (std::isnan(x.at(at)) || x.at(at) > x.at(best)) best = at;
  }
  return best;
}

struct Pooled {
  Array y, index, dx;
};

Pooled textbook(const Case& c, PoolKind kind, const Array& x, const Array& dy) {
  Pooled p{Array(c.y), Array(c.y), Array(c.x)};
  for_each_index(c.y, [&](const Shape& o) {
    const Window window = window_of(c, o);
    if (kind == PoolKind::max) {
      const Shape best = largest(x, window);
      p.y.at(o) = x.at(best);
      p.index.at(o) = flat(c.x, best);
      p.dx.at(best) += dy.at(o);
      return;
    }
    const double divisor = kind == PoolKind::average ? static_cast<double>(window.inside.size()) : window.counted;
    for (const Shape& at : window.inside) {
      p.y.at(o) += x.at(at) / divisor;
      p.dx.at(at) += dy.at(o) / divisor;
    }
  });
  return p;
}

constexpr PoolKind kinds[] = {PoolKind::max, PoolKind::average, PoolKind::average_count_padding};

TEST_P(ContractPool, EveryKindDtypeCaseAndLayout) {
  for (DType dtype : floating_dtypes) {
    for (const Case& original : cases()) {
      const Array x = random_array(dtype, original.x, 11), dy = random_array(dtype, original.y, 12);
      for (PoolKind kind : kinds) {
        Case c = original;
        c.g.kind = kind;
        const Pooled want = textbook(c, kind, x, dy);
        for (Layout layout : layouts) {
          SCOPED_TRACE(std::string(c.what) + ", kind " + std::to_string(static_cast<int>(kind)) + ", " +
                       weft::name(dtype) + ", " + name(layout));
          const Block bx(backend(), dtype, x, layout), by(backend(), dtype, c.y, after(layout));
          const Block bi(backend(), DType::int64, c.y, after(layout, 2));
          const TensorView nothing;
          backend().pool(c.g, bx, by, kind == PoolKind::max ? bi.view() : nothing);
          expect_close(dtype, by.read(), want.y);
          if (kind == PoolKind::max) {
            expect_equal(by.read(), want.y);
            expect_equal(bi.read(), want.index);
          } else {
            EXPECT_TRUE(bi.untouched());
          }
          const Block bd(backend(), dtype, dy, after(layout, 3)), back(backend(), dtype, c.x, after(layout, 2));
          backend().pool_backward(c.g, bx, by, bd, kind == PoolKind::max ? bi.view() : nothing, back);
          expect_close(dtype, back.read(), want.dx, 4);
          if (kind != PoolKind::max) continue;
          const Block again(backend(), dtype, c.x, layout), alone(backend(), dtype, c.y, layout);
          backend().pool(c.g, bx, alone, nothing);  // the positions may be not wanted
          expect_equal(alone.read(), want.y);
          backend().pool_backward(c.g, bx, by, bd, nothing, again);
          expect_equal(again.read(), back.read());
        }
      }
    }
  }
}

TEST_P(ContractPool, NaNWinsAndTiesGoToTheFirst) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = HUGE_VAL;
  const Case c = windows("", {1, 1, 2, 8}, {1, 1, 1, 4}, {{2, 2}, {2, 2}});
  const Array x({1, 1, 2, 8}, {1, 1, 7, nan, -inf, -inf, 3, 2,  //
                               1, 1, nan, 9, -inf, -inf, 2, 3});
  for (DType dtype : floating_dtypes) {
    const Block bx(backend(), dtype, x), by(backend(), dtype, c.y), bi(backend(), DType::int64, c.y);
    backend().pool(c.g, bx, by, bi);
    expect_equal(by.read(), Array(c.y, {1, nan, -inf, 3}));
    expect_equal(bi.read(), Array(c.y, {0, 3, 4, 6}));
  }
}

TEST_P(ContractPool, PaddingNeverWins) {
  const Case c = windows("", {1, 1, 3, 3}, {1, 1, 2, 2}, {{2, 2, 1}, {2, 2, 1}});
  const Array x(c.x, -5);
  const Block bx(backend(), DType::float32, x), by(backend(), DType::float32, c.y), bi(backend(), DType::int64, c.y);
  backend().pool(c.g, bx, by, bi);
  expect_equal(by.read(), Array(c.y, -5));
  expect_equal(bi.read(), Array(c.y, {0, 1, 3, 4}));
}

TEST_P(ContractPool, SixteenBitSumsAreRoundedOnce) {
  const Case c = windows("", {1, 1, 80, 80}, {1, 1, 1, 1}, {{80, 1}, {80, 1}});
  Case average = c;
  average.g.kind = PoolKind::average;
  for (DType dtype : {DType::float16, DType::bfloat16}) {
    const Block x(backend(), dtype, Array(c.x, 1)), y(backend(), dtype, c.y);
    backend().pool(average.g, x, y, {});
    expect_equal(y.read(), Array(c.y, 1));
    const Case one = adaptive("", {1, 1, 1, 1}, {1, 1, 64, 64});  // every window sees the same element
    const Block px(backend(), dtype, Array(one.x, 3)), py(backend(), dtype, one.y), pi(backend(), DType::int64, one.y);
    const Block dy(backend(), dtype, Array(one.y, 1)), dx(backend(), dtype, one.x);
    backend().pool(one.g, px, py, pi);
    backend().pool_backward(one.g, px, py, dy, pi, dx);
    expect_equal(dx.read(), Array(one.x, 4096));
  }
}

WEFT_ON_EVERY_BACKEND(ContractPool);

}  // namespace
}  // namespace weft::contract_test
