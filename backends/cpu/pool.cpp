#include <algorithm>
#include <vector>

#include <weft/backends/common/conv_geometry.h>
#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/runs.h>
#include <weft/backends/cpu/scratch.h>
#include <weft/core/dtype_support.h>
#include <weft/core/thread_pool.h>

// Windows are worked out once per axis. Sums run over a window in row-major order, whatever the layout.

namespace weft::backends::cpu {
namespace {

/// What one output position sees along an axis: positions begin, begin + step, ... below end, all inside the input.
struct Span {
  std::int64_t begin = 0, end = 0;
  std::int64_t counted = 0;  ///< with those in the padding

  std::int64_t inside(std::int64_t step) const noexcept { return end > begin ? (end - begin + step - 1) / step : 0; }
};

/// A view [planes.., spatial...] with three spatial axes, missing ones in front.
struct Planes {
  std::int64_t step[3] = {0, 0, 0};
  std::int64_t outer, inner, channels;

  Planes(const TensorView& view, int axes) : outer(view.strides[0]), inner(view.strides[1]), channels(view.shape[1]) {
    for (int i = 0; i < axes; ++i) step[3 - axes + i] = view.strides[2 + i];
  }
  std::int64_t plane(std::int64_t p) const noexcept { return p / channels * outer + p % channels * inner; }
};

struct PoolPlan {
  PoolKind kind;
  std::int64_t planes;
  std::int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, step[3] = {1, 1, 1};
  std::int64_t in_size = 1, out_size = 1, taps = 1;  // taps: about
  std::vector<Span> spans[3];

  PoolPlan(const PoolGeometry& g, const Shape& x, const Shape& y) : kind(g.kind), planes(x[0] * x[1]) {
    const ConvGeometry& w = g.window;
    for (int i = 0; i < 3; ++i) {
      const int from = i - (3 - w.spatial);
      if (from < 0) {
        spans[i] = {{0, 1, 1}};
        continue;
      }
      in[i] = x[2 + from];
      out[i] = y[2 + from];
      step[i] = g.adaptive ? 1 : w.dilation[from];
      in_size *= in[i];
      out_size *= out[i];
      taps *= g.adaptive ? in[i] / out[i] + 1 : w.kernel[from];
      for (std::int64_t o = 0; o < out[i]; ++o) {
        Span span;
        if (g.adaptive) {
          span = {o * in[i] / out[i], ((o + 1) * in[i] + out[i] - 1) / out[i], 0};
          span.counted = span.end - span.begin;
        } else {
          const std::int64_t first = o * w.stride[from] - w.padding[from], last = in[i] + w.padding[from];
          const std::int64_t stop = first + (w.kernel[from] - 1) * step[i] + 1;
          span.begin = first >= 0 ? first : first + (-first + step[i] - 1) / step[i] * step[i];
          span.end = std::min(stop, in[i]);
          span.counted = (std::min(stop, last) - first + step[i] - 1) / step[i];
        }
        spans[i].push_back(span);
      }
    }
  }

  std::int64_t flat(std::int64_t i0, std::int64_t i1, std::int64_t i2) const noexcept {
    return (i0 * in[1] + i1) * in[2] + i2;
  }
  const Span& span(int axis, std::int64_t o) const noexcept { return spans[axis][static_cast<std::size_t>(o)]; }

  template <class C>
  C divisor(const Span& a, const Span& b, const Span& c) const noexcept {
    if (kind == PoolKind::average_count_padding) return static_cast<C>(a.counted * b.counted * c.counted);
    return static_cast<C>(a.inside(step[0]) * b.inside(step[1]) * c.inside(step[2]));
  }
};

/// The first NaN, else the first of the largest, and where it is.
template <class T>
struct Largest {
  Compute<T> value;
  std::int64_t flat;
};

template <class T>
Largest<T> largest(const PoolPlan& p, const T* x, const std::int64_t (&xs)[3], const Span& a, const Span& b,
                   const Span& c) {
  Largest<T> best = {load(x + a.begin * xs[0] + b.begin * xs[1] + c.begin * xs[2]), p.flat(a.begin, b.begin, c.begin)};
  for (std::int64_t i0 = a.begin; i0 < a.end; i0 += p.step[0]) {
    for (std::int64_t i1 = b.begin; i1 < b.end; i1 += p.step[1]) {
      const T* line = x + i0 * xs[0] + i1 * xs[1];
      const std::int64_t flat = p.flat(i0, i1, 0);
      for (std::int64_t i2 = c.begin; i2 < c.end; i2 += p.step[2]) {
        const Compute<T> value = load(line + i2 * xs[2]);
        if (best.value == best.value && !(value <= best.value)) best = {value, flat + i2};
      }
    }
  }
  return best;
}

/// One line of outputs: those of (plane, o0, o1).
template <class T>
void pool_line(const PoolPlan& p, std::int64_t o0, std::int64_t o1, const T* x, const std::int64_t (&xs)[3], T* y,
               std::int64_t ys, std::int64_t* index, std::int64_t is) {
  const Span a = p.span(0, o0), b = p.span(1, o1);
  for (std::int64_t o2 = 0; o2 < p.out[2]; ++o2) {
    const Span c = p.span(2, o2);
    if (p.kind == PoolKind::max) {
      const Largest<T> best = largest(p, x, xs, a, b, c);
      store(y + o2 * ys, best.value);
      if (index != nullptr) index[o2 * is] = best.flat;
      continue;
    }
    Compute<T> sum = 0;
    for (std::int64_t i0 = a.begin; i0 < a.end; i0 += p.step[0]) {
      for (std::int64_t i1 = b.begin; i1 < b.end; i1 += p.step[1]) {
        const T* line = x + i0 * xs[0] + i1 * xs[1];
        for (std::int64_t i2 = c.begin; i2 < c.end; i2 += p.step[2]) sum += load(line + i2 * xs[2]);
      }
    }
    store(y + o2 * ys, sum / p.divisor<Compute<T>>(a, b, c));
  }
}

/// What one plane of dy sends back, added up in `sums`, the plane of dx.
template <class T>
void send_back(const PoolPlan& p, const T* dy, const std::int64_t (&ds)[3], const T* x, const std::int64_t (&xs)[3],
               const std::int64_t* index, const std::int64_t (&is)[3], Compute<T>* sums) {
  for (std::int64_t o0 = 0; o0 < p.out[0]; ++o0) {
    for (std::int64_t o1 = 0; o1 < p.out[1]; ++o1) {
      const Span a = p.span(0, o0), b = p.span(1, o1);
      for (std::int64_t o2 = 0; o2 < p.out[2]; ++o2) {
        const Span c = p.span(2, o2);
        const Compute<T> arrived = load(dy + o0 * ds[0] + o1 * ds[1] + o2 * ds[2]);
        if (p.kind == PoolKind::max) {
          const std::int64_t at =
              index != nullptr ? index[o0 * is[0] + o1 * is[1] + o2 * is[2]] : largest(p, x, xs, a, b, c).flat;
          sums[at] += arrived;
          continue;
        }
        const Compute<T> share = arrived / p.divisor<Compute<T>>(a, b, c);
        for (std::int64_t i0 = a.begin; i0 < a.end; i0 += p.step[0]) {
          for (std::int64_t i1 = b.begin; i1 < b.end; i1 += p.step[1]) {
            Compute<T>* line = sums + p.flat(i0, i1, 0);
            for (std::int64_t i2 = c.begin; i2 < c.end; i2 += p.step[2]) line[i2] += share;
          }
        }
      }
    }
  }
}

template <class F>
void dispatch_floating(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float64:
      return f(Type<double>{});
    case DType::float16:
      return f(Type<float16>{});
    case DType::bfloat16:
      return f(Type<bfloat16>{});
    default:
      return f(Type<float>{});
  }
}

}  // namespace

void CpuBackend::pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) {
  if (!supports_pool(x.dtype)) refuse_dtype("pool", x.dtype);
  const PoolPlan p(g, x.shape, y.shape);
  const int axes = g.window.spatial;
  const Planes xp(x, axes), yp(y, axes), ip(index.data != nullptr ? index : y, axes);
  const std::int64_t lines = p.out[0] * p.out[1];
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    parallel_for(
        p.planes * lines, 1 + cheap_grain / 2 / (p.out[2] * p.taps), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t plane = i / lines, o0 = i % lines / p.out[1], o1 = i % p.out[1];
            std::int64_t* at = nullptr;
            if (index.data != nullptr) {
              at = index.as<std::int64_t>() + ip.plane(plane) + o0 * ip.step[0] + o1 * ip.step[1];
            }
            pool_line(p, o0, o1, x.as<const T>() + xp.plane(plane), xp.step,
                      y.as<T>() + yp.plane(plane) + o0 * yp.step[0] + o1 * yp.step[1], yp.step[2], at, ip.step[2]);
          }
        });
  });
}

void CpuBackend::pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& dy,
                               const TensorView& index, const TensorView& dx) {
  if (!supports_pool(dx.dtype)) refuse_dtype("pool_backward", dx.dtype);
  (void)y;
  const PoolPlan p(g, dx.shape, dy.shape);
  const int axes = g.window.spatial;
  const bool has_index = index.data != nullptr, needs_x = g.kind == PoolKind::max && !has_index;
  const Planes dxp(dx, axes), dyp(dy, axes), xp(needs_x ? x : dx, axes), ip(has_index ? index : dy, axes);
  dispatch_floating(dx.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    parallel_for(
        p.planes, 1 + cheap_grain / 2 / (p.in_size + p.out_size * p.taps), [&](std::int64_t begin, std::int64_t end) {
          const Scratch<Compute<T>> sums(p.in_size);  // a plane, in the dtype that is computed with
          for (std::int64_t plane = begin; plane < end; ++plane) {
            std::fill_n(sums.data(), p.in_size, Compute<T>(0));
            send_back(p, dy.as<const T>() + dyp.plane(plane), dyp.step,
                      needs_x ? x.as<const T>() + xp.plane(plane) : nullptr, xp.step,
                      has_index ? index.as<const std::int64_t>() + ip.plane(plane) : nullptr, ip.step, sums.data());
            T* to = dx.as<T>() + dxp.plane(plane);
            const Compute<T>* from = sums.data();
            for (std::int64_t i0 = 0; i0 < p.in[0]; ++i0) {
              for (std::int64_t i1 = 0; i1 < p.in[1]; ++i1) {
                T* line = to + i0 * dxp.step[0] + i1 * dxp.step[1];
                for (std::int64_t i2 = 0; i2 < p.in[2]; ++i2) store(line + i2 * dxp.step[2], *from++);
              }
            }
          }
        });
  });
}

}  // namespace weft::backends::cpu
