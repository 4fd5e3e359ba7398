#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/launch.h>
#include <weft/core/dtype_support.h>
#include <weft/backends/cuda/device/window.cuh>

// Kernels of weft's own: cuDNN's pooling has no dilation, no adaptive windows, writes no positions, and its rules for
// NaN are not weft's. A thread forms one element. Backward is a gather: every element of dx adds what the windows that
// hold it send, in row-major order of the windows, so the order of a sum is fixed without atomics.

namespace weft::backends::cuda {
namespace {

using namespace window;

struct Pooling {
  Planes x, y, index;
  Geometry window;
  std::int64_t channels;
  PoolKind kind;
  bool adaptive;

  Pooling(const PoolGeometry& g, const TensorView& xv, const TensorView& yv, const TensorView& iv)
      : x(xv, g.window.spatial),
        y(yv, g.window.spatial),
        index(iv, g.window.spatial),
        window(g.window),
        channels(xv.shape[1]),
        kind(g.kind),
        adaptive(g.adaptive) {}
};

/// What an output position sees along an axis: begin, begin + step, ... below end.
struct Span {
  std::int64_t begin, end, step;
  std::int64_t counted;  // with those in the padding

  __device__ std::int64_t inside() const { return end > begin ? (end - begin + step - 1) / step : 0; }
};

__device__ Span span_of(const Pooling& p, int axis, std::int64_t o) {
  const std::int64_t in = p.x.extent[axis];
  if (p.adaptive) {
    const std::int64_t out = p.y.extent[axis];
    const std::int64_t begin = o * in / out, end = ((o + 1) * in + out - 1) / out;
    return {begin, end, 1, end - begin};
  }
  const std::int64_t step = p.window.dilation[axis];
  const std::int64_t first = o * p.window.stride[axis] - p.window.padding[axis], last = in + p.window.padding[axis];
  const std::int64_t stop = first + (p.window.kernel[axis] - 1) * step + 1;
  const std::int64_t counted_to = stop < last ? stop : last;
  return {first >= 0 ? first : first + (-first + step - 1) / step * step, stop < in ? stop : in, step,
          (counted_to - first + step - 1) / step};
}

/// The output positions whose window may hold input position i.
__device__ void seen_from(const Pooling& p, int axis, std::int64_t i, std::int64_t& begin, std::int64_t& end) {
  const std::int64_t in = p.x.extent[axis], out = p.y.extent[axis];
  if (p.adaptive) {
    begin = i * out / in;
    end = ((i + 1) * out + in - 1) / in;
  } else {
    const std::int64_t stride = p.window.stride[axis], to = i + p.window.padding[axis];
    const std::int64_t from = to - (p.window.kernel[axis] - 1) * p.window.dilation[axis];
    begin = from <= 0 ? 0 : (from + stride - 1) / stride;
    end = to / stride + 1;
  }
  if (end > out) end = out;
}

__device__ bool holds(const Span& span, std::int64_t i) {
  return i >= span.begin && i < span.end && (i - span.begin) % span.step == 0;
}

/// The first NaN, else the first of the largest: its position in the plane.
template <class T>
__device__ std::int64_t largest(const Pooling& p, const T* plane, const Span& a, const Span& b, const Span& c) {
  bool first = true;
  Compute<T> best = 0;
  std::int64_t where = 0;
  for (std::int64_t i0 = a.begin; i0 < a.end; i0 += a.step) {
    for (std::int64_t i1 = b.begin; i1 < b.end; i1 += b.step) {
      for (std::int64_t i2 = c.begin; i2 < c.end; i2 += c.step) {
        const Compute<T> value = load(plane + i0 * p.x.step[0] + i1 * p.x.step[1] + i2 * p.x.step[2]);
        if (!first && !(best == best && (value != value || value > best))) continue;
        first = false;
        best = value;
        where = (i0 * p.x.extent[1] + i1) * p.x.extent[2] + i2;
      }
    }
  }
  return where;
}

template <class T>
__device__ Compute<T> divisor(const Pooling& p, const Span& a, const Span& b, const Span& c) {
  if (p.kind == PoolKind::average_count_padding) return static_cast<Compute<T>>(a.counted * b.counted * c.counted);
  return static_cast<Compute<T>>(a.inside() * b.inside() * c.inside());
}

template <class T>
__global__ void pool_kernel(Pooling p, const T* x, T* y, std::int64_t* index, std::int64_t n) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= n) return;
  const Place o = place_of(at, p.y.extent);
  const std::int64_t image = o.outer / p.channels, channel = o.outer % p.channels;
  const Span a = span_of(p, 0, o.i0), b = span_of(p, 1, o.i1), c = span_of(p, 2, o.i2);
  const T* plane = x + p.x.offset(image, channel, 0, 0, 0);
  T* to = y + p.y.offset(image, channel, o.i0, o.i1, o.i2);
  if (p.kind == PoolKind::max) {
    const std::int64_t where = largest(p, plane, a, b, c);
    const std::int64_t i2 = where % p.x.extent[2], row = where / p.x.extent[2];
    *to = plane[row / p.x.extent[1] * p.x.step[0] + row % p.x.extent[1] * p.x.step[1] + i2 * p.x.step[2]];
    if (index != nullptr) index[p.index.offset(image, channel, o.i0, o.i1, o.i2)] = where;
    return;
  }
  Compute<T> sum = 0;
  for (std::int64_t i0 = a.begin; i0 < a.end; i0 += a.step) {
    for (std::int64_t i1 = b.begin; i1 < b.end; i1 += b.step) {
      for (std::int64_t i2 = c.begin; i2 < c.end; i2 += c.step) {
        sum += load(plane + i0 * p.x.step[0] + i1 * p.x.step[1] + i2 * p.x.step[2]);
      }
    }
  }
  *to = from_compute<T>(sum / divisor<T>(p, a, b, c));
}

/// p.x is dx's layout; `of_x` (with x's strides) is read only where there is no index.
template <class T>
__global__ void pool_backward_kernel(Pooling p, Pooling of_x, const T* x, const T* dy, const std::int64_t* index, T* dx,
                                     std::int64_t n) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= n) return;
  const Place i = place_of(at, p.x.extent);
  const std::int64_t image = i.outer / p.channels, channel = i.outer % p.channels;
  const std::int64_t mine = (i.i0 * p.x.extent[1] + i.i1) * p.x.extent[2] + i.i2;
  std::int64_t begin[3], end[3];
  seen_from(p, 0, i.i0, begin[0], end[0]);
  seen_from(p, 1, i.i1, begin[1], end[1]);
  seen_from(p, 2, i.i2, begin[2], end[2]);
  Compute<T> sum = 0;
  for (std::int64_t o0 = begin[0]; o0 < end[0]; ++o0) {
    const Span a = span_of(p, 0, o0);
    if (!holds(a, i.i0)) continue;
    for (std::int64_t o1 = begin[1]; o1 < end[1]; ++o1) {
      const Span b = span_of(p, 1, o1);
      if (!holds(b, i.i1)) continue;
      for (std::int64_t o2 = begin[2]; o2 < end[2]; ++o2) {
        const Span c = span_of(p, 2, o2);
        if (!holds(c, i.i2)) continue;
        const Compute<T> arrived = load(dy + p.y.offset(image, channel, o0, o1, o2));
        if (p.kind != PoolKind::max) {
          sum += arrived / divisor<T>(p, a, b, c);
          continue;
        }
        const std::int64_t winner = index != nullptr
                                        ? index[p.index.offset(image, channel, o0, o1, o2)]
                                        : largest(of_x, x + of_x.x.offset(image, channel, 0, 0, 0), a, b, c);
        if (winner == mine) sum += arrived;
      }
    }
  }
  dx[p.x.offset(image, channel, i.i0, i.i1, i.i2)] = from_compute<T>(sum);
}

void check_dtype(const char* op, DType dtype) {
  if (!supports_pool(dtype)) refuse_dtype(op, dtype);
}

constexpr unsigned threads = 256;

}  // namespace

void CudaBackend::pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) {
  check_dtype("pool", x.dtype);
  const Pooling p(g, x, y, index.data != nullptr ? index : y);
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    launch(pool_kernel<T>, {blocks_of(y.numel(), threads), threads}, stream(), p, x.as<T>(), y.as<T>(),
           index.as<std::int64_t>(), y.numel());
  });
}

void CudaBackend::pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView&, const TensorView& dy,
                                const TensorView& index, const TensorView& dx) {
  check_dtype("pool_backward", dx.dtype);
  const bool has_index = index.data != nullptr, needs_x = g.kind == PoolKind::max && !has_index;
  const Pooling p(g, dx, dy, has_index ? index : dy), of_x(g, needs_x ? x : dx, dy, dy);
  dispatch_floating(dx.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    launch(pool_backward_kernel<T>, {blocks_of(dx.numel(), threads), threads}, stream(), p, of_x,
           needs_x ? x.as<T>() : nullptr, dy.as<T>(), index.as<std::int64_t>(), dx.as<T>(), dx.numel());
  });
}

}  // namespace weft::backends::cuda
