#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/scratch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/backends/serial/window.h>
#include <weft/core/dtype_support.h>
#include <weft/core/subnormals.h>

// Each output position looks at a window of the input: taps o stride - padding + t dilation, or, adaptively, the
// positions floor(o in / out) .. ceil((o + 1) in / out) - 1.

namespace weft::backends::serial {
namespace {

using Index = std::int64_t[3];

struct Windows {
  Spatial x, y;
  Window window;
  PoolKind kind;
  bool adaptive;
  std::int64_t planes[2];  // batch, channels

  Windows(const PoolGeometry& g, const TensorView& xv, const TensorView& yv)
      : x(xv, g.window.spatial),
        y(yv, g.window.spatial),
        window(g.window),
        kind(g.kind),
        adaptive(g.adaptive),
        planes{xv.shape[0], xv.shape[1]} {}

  std::int64_t start(int axis, std::int64_t o) const {
    if (adaptive) return o * x.extent[axis] / y.extent[axis];
    return o * window.stride[axis] - window.padding[axis];
  }
  std::int64_t taps(int axis, std::int64_t o) const {
    if (adaptive) return ((o + 1) * x.extent[axis] + y.extent[axis] - 1) / y.extent[axis] - start(axis, o);
    return window.kernel[axis];
  }
  std::int64_t step(int axis) const { return adaptive ? 1 : window.dilation[axis]; }

  /// f(at) for every position of the window of o that lies inside the input, row-major. Returns how many elements the
  /// window has, those in the padding counted; what a last window has beyond the padding (ceil) does not count.
  template <class F>
  std::int64_t visit(const Index& o, F f) const {
    const Index extent = {taps(0, o[0]), taps(1, o[1]), taps(2, o[2])};
    std::int64_t counted = 0;
    each(extent, [&](const Index& t) {
      Index at;
      bool counts = true;
      for (int i = 0; i < 3; ++i) {
        at[i] = start(i, o[i]) + t[i] * step(i);
        counts = counts && at[i] < x.extent[i] + (adaptive ? 0 : window.padding[i]);
      }
      if (counts) ++counted;
      if (x.holds(at)) f(static_cast<const Index&>(at));
    });
    return counted;
  }

  std::int64_t flat(const Index& at) const { return (at[0] * x.extent[1] + at[1]) * x.extent[2] + at[2]; }

  /// f(n, c, o) for every element of y.
  template <class F>
  void outputs(F f) const {
    for (std::int64_t n = 0; n < planes[0]; ++n) {
      for (std::int64_t c = 0; c < planes[1]; ++c) {
        each(y.extent, [&](const Index& o) { f(n, c, o); });
      }
    }
  }
};

/// The position of the largest element of a window: the first NaN, else the first of the largest.
template <class T>
void largest(const Windows& p, const T* x, std::int64_t n, std::int64_t c, const Index& o, Index& best) {
  bool first = true;
  p.visit(o, [&](const Index& at) {
    const Compute<T> value = load(x + p.x.offset(n, c, at)), leader = first ? value : load(x + p.x.offset(n, c, best));
    if (!first && !(leader == leader && (value != value || value > leader))) return;
    first = false;
    for (int i = 0; i < 3; ++i) best[i] = at[i];
  });
}

template <class T>
std::int64_t divisor(const Windows& p, const Index& o) {
  std::int64_t inside = 0;
  const std::int64_t counted = p.visit(o, [&](const Index&) { ++inside; });
  return p.kind == PoolKind::average_count_padding ? counted : inside;
}

}  // namespace

void SerialBackend::pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) {
  if (!supports_pool(x.dtype)) refuse_dtype("pool", x.dtype);
  const FlushSubnormals flush;
  const Windows p(g, x, y);
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const T* from = x.as<const T>();
    T* to = y.as<T>();
    p.outputs([&](std::int64_t n, std::int64_t c, const Index& o) {
      if (p.kind == PoolKind::max) {
        Index best = {0, 0, 0};
        largest(p, from, n, c, o, best);
        to[p.y.offset(n, c, o)] = from[p.x.offset(n, c, best)];
        if (index.data != nullptr) {
          index.as<std::int64_t>()[Spatial(index, g.window.spatial).offset(n, c, o)] = p.flat(best);
        }
        return;
      }
      Compute<T> sum = 0;
      p.visit(o, [&](const Index& at) { sum += load(from + p.x.offset(n, c, at)); });
      store(to + p.y.offset(n, c, o), sum / static_cast<Compute<T>>(divisor<T>(p, o)));
    });
  });
}

void SerialBackend::pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& dy,
                                  const TensorView& index, const TensorView& dx) {
  if (!supports_pool(dx.dtype)) refuse_dtype("pool_backward", dx.dtype);
  const FlushSubnormals flush;
  const Windows p(g, dx, dy);
  (void)y;
  dispatch_floating(dx.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    // Windows overlap: 16-bit sums are formed in float32 and rounded once, like every other sum.
    const Scratch<Compute<T>> sums(dx.numel());
    const Strides dense = contiguous_strides(dx.shape);
    const Spatial total({sums.data(), dx.dtype, dx.shape, dense, {}}, g.window.spatial);
    for (std::int64_t i = 0; i < dx.numel(); ++i) sums.data()[i] = 0;
    p.outputs([&](std::int64_t n, std::int64_t c, const Index& o) {
      const Compute<T> arrived = load(dy.as<const T>() + p.y.offset(n, c, o));
      if (p.kind == PoolKind::max) {
        Index best = {0, 0, 0};
        if (index.data != nullptr) {
          const std::int64_t flat = index.as<const std::int64_t>()[Spatial(index, g.window.spatial).offset(n, c, o)];
          best[0] = flat / (p.x.extent[1] * p.x.extent[2]);
          best[1] = flat / p.x.extent[2] % p.x.extent[1];
          best[2] = flat % p.x.extent[2];
        } else {
          Windows of_x(g, x, dy);
          largest(of_x, x.as<const T>(), n, c, o, best);
        }
        sums.data()[total.offset(n, c, best)] += arrived;
        return;
      }
      const Compute<T> share = arrived / static_cast<Compute<T>>(divisor<T>(p, o));
      p.visit(o, [&](const Index& at) { sums.data()[total.offset(n, c, at)] += share; });
    });
    walk(dx.shape, {&dense, &dx.strides},
         [&](const std::int64_t* at) { store(dx.as<T>() + at[1], sums.data()[at[0]]); });
  });
}

}  // namespace weft::backends::serial
