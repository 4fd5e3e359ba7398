#include <cmath>

#include "backend/contract_support.h"

// Convolution against loops over the definition: forward, and the gradients as the transposed maps of it.

namespace weft::contract_test {
namespace {

using backends::ConvGeometry;
using backends::Pass;

class ContractConv : public OnEveryBackend {};

struct Case {
  const char* what;
  Shape x, w;
  ConvGeometry g;
  Shape y = {};
};

ConvGeometry geometry(int spatial, std::vector<std::int64_t> stride, std::vector<std::int64_t> padding,
                      std::vector<std::int64_t> dilation, std::int64_t groups = 1) {
  ConvGeometry g;
  g.spatial = spatial;
  g.groups = groups;
  for (int i = 0; i < spatial; ++i) {
    const auto of = [i](const std::vector<std::int64_t>& v) {
      return v.size() == 1 ? v[0] : v[static_cast<std::size_t>(i)];
    };
    g.stride[i] = of(stride);
    g.padding[i] = of(padding);
    g.dilation[i] = of(dilation);
  }
  return g;
}

const std::vector<Case>& cases() {
  static const auto& all = *[] {
    auto* made = new std::vector<Case>{
        {"1-D", {2, 3, 9}, {4, 3, 3}, geometry(1, {1}, {0}, {1})},
        {"1-D strided, padded, dilated, grouped", {3, 4, 13}, {6, 2, 3}, geometry(1, {2}, {3}, {2}, 2)},
        {"2-D", {2, 3, 6, 7}, {5, 3, 3, 2}, geometry(2, {1}, {0}, {1})},
        {"2-D same padding", {2, 2, 8, 8}, {3, 2, 3, 3}, geometry(2, {1}, {1}, {1})},
        {"2-D strided", {1, 2, 9, 8}, {3, 2, 3, 3}, geometry(2, {2, 3}, {1, 0}, {1})},
        {"2-D dilated", {2, 2, 9, 10}, {2, 2, 3, 2}, geometry(2, {1, 2}, {2, 1}, {2, 3})},
        {"2-D padding larger than the kernel", {1, 2, 3, 3}, {2, 2, 2, 2}, geometry(2, {1}, {3}, {1})},
        {"2-D grouped", {2, 6, 5, 5}, {4, 3, 3, 3}, geometry(2, {1}, {1}, {1}, 2)},
        {"2-D depthwise", {2, 4, 6, 6}, {8, 1, 3, 3}, geometry(2, {2}, {1}, {1}, 4)},
        {"2-D pointwise", {3, 5, 4, 6}, {7, 5, 1, 1}, geometry(2, {1}, {0}, {1})},
        {"2-D pointwise, strided", {2, 3, 7, 5}, {4, 3, 1, 1}, geometry(2, {2}, {0}, {1})},
        {"2-D kernel as large as the image", {3, 2, 4, 5}, {3, 2, 4, 5}, geometry(2, {1}, {0}, {1})},
        {"one element", {1, 1, 1, 1}, {1, 1, 1, 1}, geometry(2, {1}, {0}, {1})},
        {"3-D", {2, 2, 4, 5, 3}, {3, 2, 2, 3, 2}, geometry(3, {1, 2, 1}, {1, 0, 1}, {1, 1, 2})},
        {"more than a panel of terms", {1, 40, 6, 5}, {3, 40, 3, 3}, geometry(2, {1}, {1}, {1})},
        {"more than a panel of positions", {2, 3, 20, 19}, {4, 3, 3, 3}, geometry(2, {1}, {1}, {1})},
    };
    for (Case& c : *made) {
      c.y = {c.x[0], c.w[0]};
      for (int i = 0; i < c.g.spatial; ++i) {
        c.g.kernel[i] = c.w[2 + i];
        c.y.push_back((c.x[2 + i] + 2 * c.g.padding[i] - c.g.dilation[i] * (c.w[2 + i] - 1) - 1) / c.g.stride[i] + 1);
      }
    }
    return made;
  }();
  return all;
}

/// f(index in x, index in w, index in y) for every product the convolution is made of.
void each_product(const Case& c, const std::function<void(const Shape&, const Shape&, const Shape&)>& f) {
  const std::int64_t filters = c.w[0] / c.g.groups;
  for_each_index(c.y, [&](const Shape& o) {
    Shape rest = c.w;
    rest[0] = 1;
    for_each_index(rest, [&](const Shape& t) {
      Shape tap = t, at = o;
      tap[0] = o[1];
      at[1] = o[1] / filters * c.w[1] + t[1];
      for (int i = 2; i < c.x.rank(); ++i) {
        at[i] = o[i] * c.g.stride[i - 2] - c.g.padding[i - 2] + t[i] * c.g.dilation[i - 2];
        if (at[i] < 0 || at[i] >= c.x[i]) return;
      }
      f(at, tap, o);
    });
  });
}

Array textbook(Pass pass, const Case& c, const Array& x, const Array& w, const Array& y) {
  Array out(pass == Pass::forward ? c.y : pass == Pass::grad_input ? c.x : c.w);
  each_product(c, [&](const Shape& at, const Shape& tap, const Shape& o) {
    if (pass == Pass::forward) out.at(o) += x.at(at) * w.at(tap);
    if (pass == Pass::grad_input) out.at(at) += y.at(o) * w.at(tap);
    if (pass == Pass::grad_weight) out.at(tap) += y.at(o) * x.at(at);
  });
  return out;
}

constexpr Pass passes[] = {Pass::forward, Pass::grad_input, Pass::grad_weight};
const char* name(Pass pass) {
  return pass == Pass::forward ? "forward" : pass == Pass::grad_input ? "grad_input" : "grad_weight";
}

TEST_P(ContractConv, EveryPassDtypeCaseAndLayout) {
  for (DType dtype : floating_dtypes) {
    for (const Case& c : cases()) {
      const Array x = random_array(dtype, c.x, 1), w = random_array(dtype, c.w, 2), y = random_array(dtype, c.y, 3);
      for (Layout layout : layouts) {
        for (Pass pass : passes) {
          SCOPED_TRACE(std::string(c.what) + ", " + name(pass) + ", " + weft::name(dtype) + ", " +
                       contract_test::name(layout));
          const bool fy = pass == Pass::forward, fx = pass == Pass::grad_input, fw = pass == Pass::grad_weight;
          const Block bx = fx ? Block(backend(), dtype, c.x, layout) : Block(backend(), dtype, x, layout);
          const Block bw = fw ? Block(backend(), dtype, c.w, after(layout)) : Block(backend(), dtype, w, after(layout));
          const Block by =
              fy ? Block(backend(), dtype, c.y, after(layout, 2)) : Block(backend(), dtype, y, after(layout, 2));
          backend().conv(pass, c.g, bx, bw, by);
          const Block& out = fy ? by : fx ? bx : bw;
          expect_close(dtype, out.read(), textbook(pass, c, x, w, y), 20);
        }
      }
    }
  }
}

TEST_P(ContractConv, SmallIntegersAreExact) {
  for (DType dtype : {DType::float32, DType::float64}) {
    for (const Case& c : cases()) {
      const auto whole = [](const Shape& shape, int by) {
        Array a(shape);
        for (std::size_t i = 0; i < a.values.size(); ++i) {
          a.values[i] = static_cast<double>(static_cast<int>(i) * by % 7) - 3;
        }
        return a;
      };
      const Array x = whole(c.x, 5), w = whole(c.w, 3), y = whole(c.y, 11);
      for (Pass pass : passes) {
        SCOPED_TRACE(std::string(c.what) + ", " + name(pass) + ", " + weft::name(dtype));
        const Array want = textbook(pass, c, x, w, y);
        const Block bx(backend(), dtype, x), bw(backend(), dtype, w), by(backend(), dtype, y);
        backend().conv(pass, c.g, bx, bw, by);
        expect_equal((pass == Pass::forward ? by : pass == Pass::grad_input ? bx : bw).read(), want);
      }
    }
  }
}

// The extents of y are the caller's: a transposed convolution with output padding leaves a border nobody looks at.
TEST_P(ContractConv, PositionsNobodyLooksAtGetNoGradient) {
  Case c{"", {1, 1, 6, 6}, {1, 1, 2, 2}, geometry(2, {3}, {0}, {1}), {1, 1, 2, 2}};
  c.g.kernel[0] = c.g.kernel[1] = 2;
  const Array w(c.w, 1), y(c.y, 1);
  const Block bx(backend(), DType::float32, c.x), bw(backend(), DType::float32, w), by(backend(), DType::float32, y);
  backend().conv(Pass::grad_input, c.g, bx, bw, by);
  const Array got = bx.read();
  expect_equal(got, textbook(Pass::grad_input, c, Array(c.x), w, y));
  EXPECT_EQ(got.at({0, 0, 2, 2}), 0);
  EXPECT_EQ(got.at({0, 0, 5, 5}), 0);
  EXPECT_EQ(got.at({0, 0, 4, 4}), 1);
}

TEST_P(ContractConv, RepeatedOperands) {  // one image for the whole batch, one filter for all, one gradient for all
  const Case& c = cases()[3];
  const auto thin = [](Shape shape, int axis) {
    shape[axis] = 1;
    return shape;
  };
  const Array x = repeat(random_array(DType::float32, thin(c.x, 0), 4), c.x);
  const Array w = repeat(random_array(DType::float32, thin(c.w, 0), 5), c.w);
  const Array y = repeat(random_array(DType::float32, thin(c.y, 3), 6), c.y);
  for (Pass pass : passes) {
    const Block bx = pass == Pass::grad_input ? Block(backend(), DType::float32, c.x)
                                              : Block(backend(), DType::float32, x, Layout::contiguous, 0b0001);
    const Block bw = pass == Pass::grad_weight ? Block(backend(), DType::float32, c.w)
                                               : Block(backend(), DType::float32, w, Layout::contiguous, 0b0001);
    const Block by = pass == Pass::forward ? Block(backend(), DType::float32, c.y)
                                           : Block(backend(), DType::float32, y, Layout::contiguous, 0b1000);
    backend().conv(pass, c.g, bx, bw, by);
    expect_close(DType::float32,
                 (pass == Pass::forward      ? by
                  : pass == Pass::grad_input ? bx
                                             : bw)
                     .read(),
                 textbook(pass, c, x, w, y), 20);
  }
}

TEST_P(ContractConv, SixteenBitSumsAreRoundedOnce) {  // in 16 bits sums of ones stick at 256 or 2048
  Case c{"", {2, 128, 6, 6}, {1, 128, 5, 5}, geometry(2, {1}, {0}, {1}), {2, 1, 2, 2}};
  c.g.kernel[0] = c.g.kernel[1] = 5;
  for (DType dtype : {DType::float16, DType::bfloat16}) {
    const Block x(backend(), dtype, Array(c.x, 1)), w(backend(), dtype, Array(c.w, 1)), y(backend(), dtype, c.y);
    backend().conv(Pass::forward, c.g, x, w, y);
    expect_equal(y.read(), Array(c.y, round_to(dtype, 3200)));
    Case wide{"", {4, 1, 40, 40}, {1, 1, 1, 1}, geometry(2, {1}, {0}, {1}), {4, 1, 40, 40}};
    const Block images(backend(), dtype, Array(wide.x, 1)), one(backend(), dtype, wide.w),
        gradient(backend(), dtype, Array(wide.y, 1));
    backend().conv(Pass::grad_weight, wide.g, images, one, gradient);
    expect_equal(one.read(), Array(wide.w, 6400));
  }
}

TEST_P(ContractConv, NaNTravelsOnlyToWhereItIsSeen) {
  Case c = cases()[3];
  Array x(c.x, 1);
  const Array w(c.w, 1);
  x.at({1, 0, 4, 4}) = std::nan("");
  const Block bx(backend(), DType::float32, x), bw(backend(), DType::float32, w), by(backend(), DType::float32, c.y);
  backend().conv(Pass::forward, c.g, bx, bw, by);
  expect_equal(by.read(), textbook(Pass::forward, c, x, w, Array(c.y)));
}

WEFT_ON_EVERY_BACKEND(ContractConv);

}  // namespace
}  // namespace weft::contract_test
