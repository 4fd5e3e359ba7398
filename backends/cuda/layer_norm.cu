#include <cmath>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/line.cuh>
#include <weft/backends/cuda/device/store_total.cuh>

// The formulas of backends/composed/norm.cpp, a group of threads to a row. The variance is taken about the mean in a
// second pass (no cancellation). dscale and dshift go down the columns in slices of a fixed number of rows.

namespace weft::backends::cuda {
namespace {

using composed::as_row;
using composed::Scratch;

/// An optional vector of any step.
template <class T>
struct Vector {
  const T* data = nullptr;
  std::int64_t step = 0;

  explicit Vector(const TensorView& view)
      : data(view.as<const T>()), step(view.data != nullptr ? view.strides[0] : 0) {}
  __device__ Compute<T> operator()(std::int64_t i, Compute<T> otherwise) const {
    return data != nullptr ? load(data + i * step) : otherwise;
  }
};

/// A statistic of each row, kept as float32 or float64 or in x's dtype.
struct Statistic {
  void* data = nullptr;
  DType dtype = DType::float32;
  std::int64_t step = 0;

  explicit Statistic(const TensorView& view)
      : data(view.data), dtype(view.dtype), step(view.data != nullptr ? view.strides[0] : 0) {}
  template <class C>
  __device__ C get(std::int64_t row) const {
    switch (dtype) {
      case DType::float64:
        return static_cast<C>(static_cast<const double*>(data)[row * step]);
      case DType::float16:
        return static_cast<C>(load(static_cast<const float16*>(data) + row * step));
      case DType::bfloat16:
        return static_cast<C>(load(static_cast<const bfloat16*>(data) + row * step));
      default:
        return static_cast<C>(static_cast<const float*>(data)[row * step]);
    }
  }
  template <class C>
  __device__ void put(std::int64_t row, C value) const {
    if (data != nullptr) store_total(data, dtype, row * step, value);
  }
};

template <class T>
struct Matrix {
  T* data = nullptr;
  std::int64_t row_step = 0, step = 0;

  explicit Matrix(const TensorView& view) : data(view.as<T>()) {
    if (data == nullptr) return;
    row_step = view.strides[0];
    step = view.strides[1];
  }
};

template <class T>
__global__ void __launch_bounds__(reduce_threads)
    layer_norm_kernel(double epsilon, const Matrix<T> x, const Vector<T> scale, const Vector<T> shift,
                      const Matrix<T> y, const Statistic mean, const Statistic rstd, const Lines s) {
  using C = Compute<T>;
  constexpr int V = line_width<T>;
  WEFT_SHARED(C[32], shared);
  const Place place = place_in(s);
  const std::int64_t row = place.works ? place.line : 0;
  const T* in = x.data + row * x.row_step;
  const C n = static_cast<C>(s.length);
  const C average = line_sum<V, C>(s, place, shared,
                                   [&](std::int64_t first, int count, C(&total)[V]) {
                                     C e[V];
                                     load_from_line<V>(in, x.step, s.packed, first, count, e);
#pragma unroll
                                     for (int j = 0; j < V; ++j) total[j] += e[j];
                                   }) /
                    n;
  const C variance = line_sum<V, C>(s, place, shared,
                                    [&](std::int64_t first, int count, C(&total)[V]) {
                                      C e[V];
                                      load_from_line<V>(in, x.step, s.packed, first, count, e);
#pragma unroll
                                      for (int j = 0; j < V; ++j) {
                                        if (j < count) total[j] += (e[j] - average) * (e[j] - average);
                                      }
                                    }) /
                     n;
  const C reciprocal = 1 / std::sqrt(variance + static_cast<C>(epsilon));
  if (place.works && place.first == 0) {
    mean.put(row, average);
    rstd.put(row, reciprocal);
  }
  T* out = y.data + row * y.row_step;
  for_packs<V>(s, place, [&](std::int64_t first, int count) {
    C e[V];
    load_from_line<V>(in, x.step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (j < count) e[j] = (e[j] - average) * reciprocal * scale(first + j, C(1)) + shift(first + j, C(0));
    }
    store_to_line<V>(out, y.step, s.packed, first, count, e);
  });
}

template <class T>
__global__ void __launch_bounds__(reduce_threads)
    layer_norm_dx_kernel(const Matrix<T> dy, const Matrix<T> x, const Vector<T> scale, const Statistic mean,
                         const Statistic rstd, const Matrix<T> dx, const Lines s) {
  using C = Compute<T>;
  constexpr int V = line_width<T> < 4 ? line_width<T> : 4;
  WEFT_SHARED(C[32], shared);
  const Place place = place_in(s);
  const std::int64_t row = place.works ? place.line : 0;
  const T* in = x.data + row * x.row_step;
  const T* from = dy.data + row * dy.row_step;
  const C average = mean.get<C>(row), reciprocal = rstd.get<C>(row), n = static_cast<C>(s.length);
  const C g_mean = line_sum<V, C>(s, place, shared,
                                  [&](std::int64_t first, int count, C(&total)[V]) {
                                    C d[V];
                                    load_from_line<V>(from, dy.step, s.packed, first, count, d);
#pragma unroll
                                    for (int j = 0; j < V; ++j) {
                                      if (j < count) total[j] += d[j] * scale(first + j, C(1));
                                    }
                                  }) /
                   n;
  const C product_mean = line_sum<V, C>(s, place, shared,
                                        [&](std::int64_t first, int count, C(&total)[V]) {
                                          C d[V], e[V];
                                          load_from_line<V>(from, dy.step, s.packed, first, count, d);
                                          load_from_line<V>(in, x.step, s.packed, first, count, e);
#pragma unroll
                                          for (int j = 0; j < V; ++j) {
                                            if (j < count)
                                              total[j] +=
                                                  d[j] * scale(first + j, C(1)) * ((e[j] - average) * reciprocal);
                                          }
                                        }) /
                         n;
  T* out = dx.data + row * dx.row_step;
  for_packs<V>(s, place, [&](std::int64_t first, int count) {
    C d[V], e[V];
    load_from_line<V>(from, dy.step, s.packed, first, count, d);
    load_from_line<V>(in, x.step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (j < count) {
        const C g = d[j] * scale(first + j, C(1)), xhat = (e[j] - average) * reciprocal;
        d[j] = (g - g_mean - xhat * product_mean) * reciprocal;
      }
    }
    store_to_line<V>(out, dx.step, s.packed, first, count, d);
  });
}

inline constexpr unsigned across = 32, slice_rows = 256;

/// Sums down the columns: of dy xhat to scale_out, of dy to shift_out. Both may be null; slice i writes row i.
template <class T>
__global__ void __launch_bounds__(reduce_threads)
    layer_norm_columns_kernel(const Matrix<T> dy, const Matrix<T> x, const Statistic mean, const Statistic rstd,
                              void* scale_out, void* shift_out, DType dtype, std::int64_t scale_step,
                              std::int64_t shift_step, std::int64_t rows, std::int64_t columns) {
  using C = Compute<T>;
  constexpr unsigned height = reduce_threads / across;
  WEFT_SHARED(C[2][reduce_threads], shared);
  const unsigned side = threadIdx.x % across, down = threadIdx.x / across;
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * across + side;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.y) * slice_rows;
  const std::int64_t end = rows - begin < slice_rows ? rows : begin + slice_rows;
  C scales = 0, shifts = 0;
  if (column < columns) {
#pragma unroll 4
    for (std::int64_t row = begin + down; row < end; row += height) {
      const C d = load(dy.data + row * dy.row_step + column * dy.step);
      const C e = load(x.data + row * x.row_step + column * x.step);
      scales += d * ((e - mean.get<C>(row)) * rstd.get<C>(row));
      shifts += d;
    }
  }
  shared[0][threadIdx.x] = scales;
  shared[1][threadIdx.x] = shifts;
  for (unsigned half = height / 2; half > 0; half /= 2) {
    __syncthreads();
    if (down < half) {
      shared[0][threadIdx.x] += shared[0][threadIdx.x + half * across];
      shared[1][threadIdx.x] += shared[1][threadIdx.x + half * across];
    }
  }
  if (down != 0 || column >= columns) return;
  const std::int64_t slice = static_cast<std::int64_t>(blockIdx.y) * columns;
  if (scale_out != nullptr) store_total(scale_out, dtype, slice + column * scale_step, shared[0][side]);
  if (shift_out != nullptr) store_total(shift_out, dtype, slice + column * shift_step, shared[1][side]);
}

bool has_dtype(const TensorView& view, DType dtype) { return view.data == nullptr || view.dtype == dtype; }

Lines lines_of(const TensorView& x, int width, std::initializer_list<const TensorView*> views) {
  Lines s;
  s.lines = static_cast<std::uint32_t>(x.shape[0]);
  s.length = static_cast<std::int32_t>(x.shape[1]);
  s.group = line_group(x.shape[1], width);
  s.packed = true;
  for (const TensorView* view : views) {
    s.packed = s.packed && line_in_packs(*view, view->strides[1], x.shape[1], width, 1);
  }
  return s;
}

unsigned blocks_for(const Lines& s) { return blocks_of(s.lines, reduce_threads / static_cast<unsigned>(s.group)); }

}  // namespace

void CudaBackend::layer_norm(const NormArgs& args, const TensorView& x, const TensorView& scale,
                             const TensorView& shift, const TensorView& y, const TensorView& mean,
                             const TensorView& rstd) {
  if (!has_dtype(scale, x.dtype) || !has_dtype(shift, x.dtype) || y.dtype != x.dtype || x.shape[0] > most_units ||
      x.shape[1] > most_units) {
    return Backend::layer_norm(args, x, scale, shift, y, mean, rstd);
  }
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const Lines s = lines_of(x, line_width<T>, {&x, &y});
    launch(layer_norm_kernel<T>, {blocks_for(s), reduce_threads}, stream(), args.epsilon, Matrix<T>(x),
           Vector<T>(scale), Vector<T>(shift), Matrix<T>(y), Statistic(mean), Statistic(rstd), s);
  });
}

void CudaBackend::layer_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                                      const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                                      const TensorView& dscale, const TensorView& dshift) {
  const std::int64_t rows = x.shape[0], columns = x.shape[1];
  const std::int64_t slices = (rows + slice_rows - 1) / slice_rows;
  if (!has_dtype(scale, x.dtype) || dy.dtype != x.dtype || !has_dtype(dx, x.dtype) || rows > most_units ||
      columns > most_units || slices > 65535) {
    return Backend::layer_norm_backward(dy, x, scale, mean, rstd, dx, dscale, dshift);
  }
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    using C = Compute<T>;
    const bool wants_scale = dscale.data != nullptr, wants_shift = dshift.data != nullptr;
    if (wants_scale || wants_shift) {  // before dx, which may be dy
      const LaunchShape shape = {dim3(blocks_of(columns, across), static_cast<unsigned>(slices)), reduce_threads};
      const auto go = [&](void* scales, void* shifts, DType dtype, std::int64_t scale_step, std::int64_t shift_step) {
        launch(layer_norm_columns_kernel<T>, shape, stream(), Matrix<T>(dy), Matrix<T>(x), Statistic(mean),
               Statistic(rstd), scales, shifts, dtype, scale_step, shift_step, rows, columns);
      };
      const bool one_dtype = !wants_scale || !wants_shift || dscale.dtype == dshift.dtype;
      if (slices == 1 && one_dtype) {
        go(dscale.data, dshift.data, wants_scale ? dscale.dtype : dshift.dtype, wants_scale ? dscale.strides[0] : 0,
           wants_shift ? dshift.strides[0] : 0);
      } else {
        const Scratch scales(*this, dtype_of<C>, {slices, columns}), shifts(*this, dtype_of<C>, {slices, columns});
        go(wants_scale ? scales.view().data : nullptr, wants_shift ? shifts.view().data : nullptr, dtype_of<C>, 1, 1);
        const auto finish = [&](const Scratch& sums, const TensorView& out) {
          if (out.dtype == dtype_of<C>) return reduce(ReduceOp::sum, sums, as_row(out));
          const Scratch total(*this, dtype_of<C>, {1, columns});
          reduce(ReduceOp::sum, sums, total);
          copy(total, as_row(out));
        };
        if (wants_scale) finish(scales, dscale);
        if (wants_shift) finish(shifts, dshift);
      }
    }
    if (dx.data == nullptr) return;
    const Lines s = lines_of(x, line_width<T> < 4 ? line_width<T> : 4, {&dy, &x, &dx});
    launch(layer_norm_dx_kernel<T>, {blocks_for(s), reduce_threads}, stream(), Matrix<T>(dy), Matrix<T>(x),
           Vector<T>(scale), Statistic(mean), Statistic(rstd), Matrix<T>(dx), s);
  });
}

}  // namespace weft::backends::cuda
