#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/window.h>
#include <weft/core/dtype_support.h>
#include <weft/core/subnormals.h>

// y[n, k, o] = sum over c, t of w[k, c, t] x[n, c, o stride - padding + t dilation], and what follows for dx and dw.
// All three take their extents from the views, not from a formula.

namespace weft::backends::serial {
namespace {

using Index = std::int64_t[3];

/// Where output position o looks with tap t.
void look(const Window& window, const Index& o, const Index& t, Index& at) {
  for (int i = 0; i < 3; ++i) at[i] = o[i] * window.stride[i] - window.padding[i] + t[i] * window.dilation[i];
}

/// The output position that looks at `at` with tap t; false if none does.
bool looks_at(const Window& window, const Index& at, const Index& t, Index& o) {
  for (int i = 0; i < 3; ++i) {
    const std::int64_t from = at[i] + window.padding[i] - t[i] * window.dilation[i];
    if (from % window.stride[i] != 0) return false;
    o[i] = from / window.stride[i];
  }
  return true;
}

struct Operands {
  Spatial x, w, y;
  Window window;
  std::int64_t batch, channels, filters;  // channels and filters of one group
  std::int64_t groups;

  Operands(const ConvGeometry& g, const TensorView& xv, const TensorView& wv, const TensorView& yv)
      : x(xv, g.spatial),
        w(wv, g.spatial),
        y(yv, g.spatial),
        window(g),
        batch(xv.shape[0]),
        channels(wv.shape[1]),
        filters(wv.shape[0] / g.groups),
        groups(g.groups) {}
};

template <class T>
void forward(const Operands& p, const T* x, const T* w, T* y) {
  for (std::int64_t n = 0; n < p.batch; ++n) {
    for (std::int64_t k = 0; k < p.groups * p.filters; ++k) {
      const std::int64_t first = k / p.filters * p.channels;  // of this group in x
      each(p.y.extent, [&](const Index& o) {
        Compute<T> sum = 0;
        for (std::int64_t c = 0; c < p.channels; ++c) {
          each(p.window.kernel, [&](const Index& t) {
            Index at;
            look(p.window, o, t, at);
            if (p.x.holds(at)) sum += load(w + p.w.offset(k, c, t)) * load(x + p.x.offset(n, first + c, at));
          });
        }
        store(y + p.y.offset(n, k, o), sum);
      });
    }
  }
}

template <class T>
void grad_input(const Operands& p, T* dx, const T* w, const T* dy) {
  for (std::int64_t n = 0; n < p.batch; ++n) {
    for (std::int64_t c = 0; c < p.groups * p.channels; ++c) {
      const std::int64_t first = c / p.channels * p.filters;
      each(p.x.extent, [&](const Index& at) {
        Compute<T> sum = 0;
        for (std::int64_t k = first; k < first + p.filters; ++k) {
          each(p.window.kernel, [&](const Index& t) {
            Index o;
            if (!looks_at(p.window, at, t, o) || !p.y.holds(o)) return;
            sum += load(w + p.w.offset(k, c % p.channels, t)) * load(dy + p.y.offset(n, k, o));
          });
        }
        store(dx + p.x.offset(n, c, at), sum);
      });
    }
  }
}

template <class T>
void grad_weight(const Operands& p, const T* x, T* dw, const T* dy) {
  for (std::int64_t k = 0; k < p.groups * p.filters; ++k) {
    const std::int64_t first = k / p.filters * p.channels;
    for (std::int64_t c = 0; c < p.channels; ++c) {
      each(p.window.kernel, [&](const Index& t) {
        Compute<T> sum = 0;
        for (std::int64_t n = 0; n < p.batch; ++n) {
          each(p.y.extent, [&](const Index& o) {
            Index at;
            look(p.window, o, t, at);
            if (p.x.holds(at)) sum += load(dy + p.y.offset(n, k, o)) * load(x + p.x.offset(n, first + c, at));
          });
        }
        store(dw + p.w.offset(k, c, t), sum);
      });
    }
  }
}

}  // namespace

void SerialBackend::conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w,
                         const TensorView& y) {
  if (!supports_conv(x.dtype)) refuse_dtype("conv", x.dtype);
  const FlushSubnormals flush;
  const Operands p(g, x, w, y);
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    switch (pass) {
      case Pass::forward:
        return forward(p, x.as<const T>(), w.as<const T>(), y.as<T>());
      case Pass::grad_input:
        return grad_input(p, x.as<T>(), w.as<const T>(), y.as<const T>());
      case Pass::grad_weight:
        return grad_weight(p, x.as<const T>(), w.as<T>(), y.as<const T>());
    }
  });
}

}  // namespace weft::backends::serial
