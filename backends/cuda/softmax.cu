#include <cmath>

#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/line.cuh>

// As backends/composed/softmax.cpp, a group of threads to a line, which stays in the caches between the passes. Where
// many lines lie side by side (a softmax over channels) every thread has a line of its own.

namespace weft::backends::cuda {
namespace {

template <class T, int V>
__global__ void __launch_bounds__(reduce_threads)
    softmax_kernel(bool log, const T* in, std::int64_t in_step, T* out, std::int64_t out_step, const Lines s,
                   const Walk<2> lines) {
  using C = Compute<T>;
  WEFT_SHARED(C[32], shared);
  const Place place = place_in(s);
  std::int64_t at[2] = {};
  if (place.works) lines.offsets(place.line, at);
  const T* x = in + at[0];
  T* y = out + at[1];
  C top = -infinity<C>();
  for_packs<V>(s, place, [&](std::int64_t first, int count) {
    C e[V];
    load_from_line<V>(x, in_step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (j < count) top = larger(top, e[j]);
    }
  });
  top = across_group(top, s.group, shared, [](C a, C b) { return larger(a, b); });
  const C sum = line_sum<V, C>(s, place, shared, [&](std::int64_t first, int count, C(&total)[V]) {
    C e[V];
    load_from_line<V>(x, in_step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (j < count) total[j] += std::exp(e[j] - top);
    }
  });
  const C log_sum = std::log(sum);
  for_packs<V>(s, place, [&](std::int64_t first, int count) {
    C e[V];
    load_from_line<V>(x, in_step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) e[j] = log ? (e[j] - top) - log_sum : std::exp(e[j] - top) / sum;
    store_to_line<V>(y, out_step, s.packed, first, count, e);
  });
}

template <class T>
struct BackwardLines {
  const T* dy;
  const T* y;
  T* dx;
  std::int64_t dy_step, y_step, dx_step;
};

template <class T, int V>
__global__ void __launch_bounds__(reduce_threads)
    softmax_backward_kernel(bool log, const BackwardLines<T> v, const Lines s, const Walk<3> lines) {
  using C = Compute<T>;
  WEFT_SHARED(C[32], shared);
  const Place place = place_in(s);
  std::int64_t at[3] = {};
  if (place.works) lines.offsets(place.line, at);
  const T* dy = v.dy + at[0];
  const T* y = v.y + at[1];
  T* dx = v.dx + at[2];
  const C sum = line_sum<V, C>(s, place, shared, [&](std::int64_t first, int count, C(&total)[V]) {
    C d[V], e[V];
    load_from_line<V>(dy, v.dy_step, s.packed, first, count, d);
    if (!log) load_from_line<V>(y, v.y_step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (j < count) total[j] += log ? d[j] : e[j] * d[j];
    }
  });
  for_packs<V>(s, place, [&](std::int64_t first, int count) {
    C d[V], e[V];
    load_from_line<V>(dy, v.dy_step, s.packed, first, count, d);
    load_from_line<V>(y, v.y_step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) d[j] = log ? d[j] - std::exp(e[j]) * sum : e[j] * (d[j] - sum);
    store_to_line<V>(dx, v.dx_step, s.packed, first, count, d);
  });
}

/// The axes beside `axis`, walked together.
template <int N>
Walk<N> beside(const Shape& shape, int axis, const Strides* const (&strides)[N]) {
  Shape lines = shape;
  lines[axis] = 1;
  return walk_of(collapse<N>(lines, strides, AxisOrder::logical), 1);
}

std::int64_t extent_behind(const Shape& shape, int axis) {
  std::int64_t n = 1;
  for (int i = axis + 1; i < shape.rank(); ++i) n *= shape[i];
  return n;
}

/// Calls f(V, lines, grid): V is a pack where a group works on a line, 1 where a thread does.
template <class T, class F>
void arrange(const Shape& shape, int axis, bool packed, const F& f) {
  Lines s;
  s.length = static_cast<std::int32_t>(shape[axis]);
  s.lines = static_cast<std::uint32_t>(shape.numel() / shape[axis]);
  if (extent_behind(shape, axis) >= 32) {
    s.group = 1;
    return f(std::integral_constant<int, 1>{}, s, blocks_of(s.lines, reduce_threads));
  }
  constexpr int V = line_width<T>;
  s.group = line_group(s.length, V);
  s.packed = packed;
  f(std::integral_constant<int, V>{}, s, blocks_of(s.lines, reduce_threads / static_cast<unsigned>(s.group)));
}

bool small_enough(const Shape& shape, int axis) {
  return shape[axis] <= most_units && shape.numel() / shape[axis] <= most_units;
}

}  // namespace

void CudaBackend::softmax(bool log, const TensorView& x, int axis, const TensorView& y) {
  if (x.dtype != y.dtype || !is_floating(x.dtype) || !small_enough(x.shape, axis))
    return Backend::softmax(log, x, axis, y);
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const bool packed = line_in_packs(x, x.strides[axis], x.shape[axis], line_width<T>, axis) &&
                        line_in_packs(y, y.strides[axis], x.shape[axis], line_width<T>, axis);
    arrange<T>(x.shape, axis, packed, [&](auto width, const Lines& s, unsigned blocks) {
      launch(softmax_kernel<T, decltype(width)::value>, {blocks, reduce_threads}, stream(), log, x.as<const T>(),
             x.strides[axis], y.as<T>(), y.strides[axis], s, beside<2>(x.shape, axis, {&x.strides, &y.strides}));
    });
  });
}

void CudaBackend::softmax_backward(bool log, const TensorView& dy, const TensorView& y, int axis,
                                   const TensorView& dx) {
  if (dy.dtype != y.dtype || dx.dtype != y.dtype || !is_floating(y.dtype) || !small_enough(y.shape, axis)) {
    return Backend::softmax_backward(log, dy, y, axis, dx);
  }
  dispatch_floating(y.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    bool packed = true;
    for (const TensorView* view : {&dy, &y, &dx}) {
      packed = packed && line_in_packs(*view, view->strides[axis], y.shape[axis], line_width<T>, axis);
    }
    const BackwardLines<T> v = {dy.as<const T>(), y.as<const T>(), dx.as<T>(),
                                dy.strides[axis], y.strides[axis], dx.strides[axis]};
    arrange<T>(y.shape, axis, packed, [&](auto width, const Lines& s, unsigned blocks) {
      launch(softmax_backward_kernel<T, decltype(width)::value>, {blocks, reduce_threads}, stream(), log, v, s,
             beside<3>(y.shape, axis, {&dy.strides, &y.strides, &dx.strides}));
    });
  });
}

}  // namespace weft::backends::cuda
