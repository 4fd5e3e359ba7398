#include <weft/backends/cuda/conv_direct.h>

#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/window.cuh>

// Every thread forms one element of the result (for weights: every block). Terms are added in a fixed order.

namespace weft::backends::cuda {
namespace {

using namespace window;

struct Convolution {
  Planes x, w, y;  // w: [filters, channels of a group, kernel...]
  Geometry window;
  std::int64_t batch, channels, filters;  // channels and filters in one group
  std::int64_t groups;

  Convolution(const ConvGeometry& g, const TensorView& xv, const TensorView& wv, const TensorView& yv)
      : x(xv, g.spatial),
        w(wv, g.spatial),
        y(yv, g.spatial),
        window(g),
        batch(xv.shape[0]),
        channels(wv.shape[1]),
        filters(wv.shape[0] / g.groups),
        groups(g.groups) {}
};

__device__ bool inside(std::int64_t i, std::int64_t extent) { return i >= 0 && i < extent; }

template <class T>
__global__ void conv_forward_kernel(Convolution c, const T* x, const T* w, T* y, std::int64_t n) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= n) return;
  const Place o = place_of(at, c.y.extent);
  const std::int64_t filter = o.outer % (c.filters * c.groups), image = o.outer / (c.filters * c.groups);
  const std::int64_t first_channel = filter / c.filters * c.channels;
  Compute<T> sum = 0;
  for (std::int64_t k = 0; k < c.channels; ++k) {
    for (std::int64_t t0 = 0; t0 < c.window.kernel[0]; ++t0) {
      const std::int64_t i0 = o.i0 * c.window.stride[0] - c.window.padding[0] + t0 * c.window.dilation[0];
      if (!inside(i0, c.x.extent[0])) continue;
      for (std::int64_t t1 = 0; t1 < c.window.kernel[1]; ++t1) {
        const std::int64_t i1 = o.i1 * c.window.stride[1] - c.window.padding[1] + t1 * c.window.dilation[1];
        if (!inside(i1, c.x.extent[1])) continue;
        for (std::int64_t t2 = 0; t2 < c.window.kernel[2]; ++t2) {
          const std::int64_t i2 = o.i2 * c.window.stride[2] - c.window.padding[2] + t2 * c.window.dilation[2];
          if (!inside(i2, c.x.extent[2])) continue;
          sum +=
              load(x + c.x.offset(image, first_channel + k, i0, i1, i2)) * load(w + c.w.offset(filter, k, t0, t1, t2));
        }
      }
    }
  }
  y[c.y.offset(image, filter, o.i0, o.i1, o.i2)] = from_compute<T>(sum);
}

/// The output position that looks at input position i through tap t, or -1.
__device__ std::int64_t seen_from(const Convolution& c, int axis, std::int64_t i, std::int64_t t) {
  const std::int64_t shifted = i + c.window.padding[axis] - t * c.window.dilation[axis];
  if (shifted < 0 || shifted % c.window.stride[axis] != 0) return -1;
  const std::int64_t o = shifted / c.window.stride[axis];
  return o < c.y.extent[axis] ? o : -1;
}

template <class T>
__global__ void conv_input_kernel(Convolution c, T* dx, const T* w, const T* dy, std::int64_t n) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= n) return;
  const Place i = place_of(at, c.x.extent);
  const std::int64_t channel = i.outer % (c.channels * c.groups), image = i.outer / (c.channels * c.groups);
  const std::int64_t group = channel / c.channels;
  Compute<T> sum = 0;
  for (std::int64_t f = group * c.filters; f < (group + 1) * c.filters; ++f) {
    for (std::int64_t t0 = 0; t0 < c.window.kernel[0]; ++t0) {
      const std::int64_t o0 = seen_from(c, 0, i.i0, t0);
      if (o0 < 0) continue;
      for (std::int64_t t1 = 0; t1 < c.window.kernel[1]; ++t1) {
        const std::int64_t o1 = seen_from(c, 1, i.i1, t1);
        if (o1 < 0) continue;
        for (std::int64_t t2 = 0; t2 < c.window.kernel[2]; ++t2) {
          const std::int64_t o2 = seen_from(c, 2, i.i2, t2);
          if (o2 < 0) continue;
          sum += load(dy + c.y.offset(image, f, o0, o1, o2)) *
                 load(w + c.w.offset(f, channel - group * c.channels, t0, t1, t2));
        }
      }
    }
  }
  dx[c.x.offset(image, channel, i.i0, i.i1, i.i2)] = from_compute<T>(sum);
}

constexpr unsigned weight_threads = 128;

/// A block to each weight: its threads add every 128th term, then the partial sums are added in pairs.
template <class T>
__global__ void conv_weight_kernel(Convolution c, const T* x, T* dw, const T* dy) {
  WEFT_SHARED(Compute<T>[weight_threads], partial);
  const Place t = place_of(blockIdx.x, c.w.extent);
  const std::int64_t filter = t.outer / c.channels, k = t.outer % c.channels;
  const std::int64_t channel = filter / c.filters * c.channels + k;
  const std::int64_t terms = c.batch * c.y.size();
  Compute<T> sum = 0;
  for (std::int64_t at = threadIdx.x; at < terms; at += weight_threads) {
    const Place o = place_of(at, c.y.extent);
    const std::int64_t i0 = o.i0 * c.window.stride[0] - c.window.padding[0] + t.i0 * c.window.dilation[0];
    const std::int64_t i1 = o.i1 * c.window.stride[1] - c.window.padding[1] + t.i1 * c.window.dilation[1];
    const std::int64_t i2 = o.i2 * c.window.stride[2] - c.window.padding[2] + t.i2 * c.window.dilation[2];
    if (!inside(i0, c.x.extent[0]) || !inside(i1, c.x.extent[1]) || !inside(i2, c.x.extent[2])) continue;
    sum +=
        load(dy + c.y.offset(o.outer, filter, o.i0, o.i1, o.i2)) * load(x + c.x.offset(o.outer, channel, i0, i1, i2));
  }
  partial[threadIdx.x] = sum;
  for (unsigned half = weight_threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  if (threadIdx.x == 0) dw[c.w.offset(filter, k, t.i0, t.i1, t.i2)] = from_compute<T>(partial[0]);
}

}  // namespace

void conv_direct(CudaBackend& backend, Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w,
                 const TensorView& y) {
  constexpr unsigned threads = 128;
  const Convolution c(g, x, w, y);
  const cudaStream_t stream = backend.stream();
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    switch (pass) {
      case Pass::forward:
        return launch(conv_forward_kernel<T>, {blocks_of(y.numel(), threads), threads}, stream, c, x.as<T>(), w.as<T>(),
                      y.as<T>(), y.numel());
      case Pass::grad_input:
        return launch(conv_input_kernel<T>, {blocks_of(x.numel(), threads), threads}, stream, c, x.as<T>(), w.as<T>(),
                      y.as<T>(), x.numel());
      case Pass::grad_weight:
        return launch(conv_weight_kernel<T>, {static_cast<unsigned>(w.numel()), weight_threads}, stream, c, x.as<T>(),
                      w.as<T>(), y.as<T>());
    }
  });
}

}  // namespace weft::backends::cuda
