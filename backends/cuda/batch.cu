#include <span>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/device/walk.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/reduce.cuh>
#include <weft/backends/cuda/device/report.cuh>
#include <weft/backends/cuda/device/store_total.cuh>

// What a step does beside its layers: a batch of a data set that stays uint8, and the squares of all gradients. Neither
// asks the host for anything.

namespace weft::backends::cuda {
namespace {

using composed::Scratch;

// ---- sum_squares: in float64; a block takes a piece of one view, a second launch adds the pieces up in their order

constexpr int most_views = 128;
constexpr std::uint32_t piece = 8192;  // elements to a block

struct Views {
  const void* data[most_views];
  std::int64_t n[most_views];
  std::uint32_t first_block[most_views];
  DType dtype[most_views];
  bool aligned[most_views];
  std::int32_t count;
};

template <class T>
__device__ inline double squares_of(const T* p, std::int64_t n, bool aligned) {
  constexpr int V = static_cast<int>(16 / sizeof(T));
  double total[V] = {};
#pragma unroll 2
  for (std::int64_t i = static_cast<std::int64_t>(threadIdx.x) * V; i < n;
       i += static_cast<std::int64_t>(reduce_threads) * V) {
    const int count = n - i < V ? static_cast<int>(n - i) : V;
    double x[V] = {};
    if (aligned) {
      load_pack<V>(p + i, count, x);
    } else {
#pragma unroll
      for (int j = 0; j < V; ++j) {
        if (j < count) x[j] = static_cast<double>(load(p + i + j));
      }
    }
#pragma unroll
    for (int j = 0; j < V; ++j) total[j] += x[j] * x[j];
  }
#pragma unroll
  for (int j = 1; j < V; ++j) total[0] += total[j];
  return total[0];
}

__global__ void __launch_bounds__(reduce_threads) squares_kernel(const Views views, double* partial) {
  WEFT_SHARED(double[32], shared);
  int view = 0;
  for (int above = views.count; above - view > 1;) {
    const int middle = (view + above) / 2;
    if (views.first_block[middle] <= blockIdx.x) {
      view = middle;
    } else {
      above = middle;
    }
  }
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x - views.first_block[view]) * piece;
  const std::int64_t left = views.n[view] - begin, n = left < piece ? left : piece;
  double total = 0;
  switch (views.dtype[view]) {
    case DType::float32:
      total = squares_of(static_cast<const float*>(views.data[view]) + begin, n, views.aligned[view]);
      break;
    case DType::float64:
      total = squares_of(static_cast<const double*>(views.data[view]) + begin, n, views.aligned[view]);
      break;
    case DType::float16:
      total = squares_of(static_cast<const float16*>(views.data[view]) + begin, n, views.aligned[view]);
      break;
    default:
      total = squares_of(static_cast<const bfloat16*>(views.data[view]) + begin, n, views.aligned[view]);
      break;
  }
  total = across_group(total, static_cast<int>(reduce_threads), shared, [](double a, double b) { return a + b; });
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

__global__ void __launch_bounds__(reduce_threads)
    add_pieces_kernel(const double* partial, std::uint32_t n, void* out, DType dtype) {
  WEFT_SHARED(double[32], shared);
  double total = 0;
  for (std::uint32_t i = threadIdx.x; i < n; i += reduce_threads) total += partial[i];
  total = across_group(total, static_cast<int>(reduce_threads), shared, [](double a, double b) { return a + b; });
  if (threadIdx.x == 0) store_total(out, dtype, 0, total);
}

// ---- gather_batch: four pixels to a thread, the labels beside the first of a row

struct Batch {
  const std::uint8_t* data;
  std::int64_t rows;      ///< of the data set
  std::int64_t row_step;  ///< elements from one row of the data set to the next
  const std::int64_t* index;
  std::int64_t index_step;
  std::uint32_t batch;
  std::uint32_t width;       ///< elements to a row
  std::uint32_t units;       ///< packs to a row
  std::uint32_t row_blocks;  ///< blocks to a row
  double scale, shift;
  bool packed;
  const void* labels;
  std::int64_t label_step;
  DType label_dtype;
  void* out_labels;
  std::int64_t out_label_step;
  DType out_label_dtype;
};

__device__ inline std::int64_t label_at(const Batch& b, std::int64_t i) {
  switch (b.label_dtype) {
    case DType::int64:
      return static_cast<const std::int64_t*>(b.labels)[i * b.label_step];
    case DType::int32:
      return static_cast<const std::int32_t*>(b.labels)[i * b.label_step];
    default:
      return static_cast<const std::uint8_t*>(b.labels)[i * b.label_step];
  }
}

constexpr unsigned batch_threads = 128;
constexpr int pixels = 4;

template <class T>
__global__ void __launch_bounds__(batch_threads) gather_batch_kernel(const Batch b, T* out, const Reporter reporter) {
  using C = Compute<T>;
  const std::uint32_t row = blockIdx.x / b.row_blocks;
  const std::uint32_t unit = (blockIdx.x - row * b.row_blocks) * batch_threads + threadIdx.x;
  const std::int64_t from = b.index[static_cast<std::int64_t>(row) * b.index_step];
  if (from < 0 || from >= b.rows) {
    if (unit == 0) report(reporter, Complaint::index, from, b.rows, row);
    return;
  }
  if (unit == 0 && b.out_labels != nullptr) {
    store_total(b.out_labels, b.out_label_dtype, static_cast<std::int64_t>(row) * b.out_label_step, label_at(b, from));
  }
  if (unit >= b.units) return;
  const std::uint32_t first = unit * pixels;
  const int count = b.width - first < pixels ? static_cast<int>(b.width - first) : pixels;
  const std::uint8_t* source = b.data + from * b.row_step + first;
  T* to = out + static_cast<std::int64_t>(row) * b.width + first;
  C x[pixels];
  if (b.packed) {
    load_pack<pixels>(source, count, x);
  } else {
#pragma unroll
    for (int j = 0; j < pixels; ++j) x[j] = j < count ? static_cast<C>(source[j]) : C(0);
  }
#pragma unroll
  for (int j = 0; j < pixels; ++j) {  // in float64, rounded once, and not as one fused operation
    x[j] = static_cast<C>(__dadd_rn(__dmul_rn(static_cast<double>(x[j]), b.scale), b.shift));
  }
  if (b.packed) {
    store_pack<pixels>(to, count, x);
  } else {
#pragma unroll
    for (int j = 0; j < pixels; ++j) {
      if (j < count) store(to + j, x[j]);
    }
  }
}

/// Whether the elements of every row lie side by side, in order.
bool dense_rows(const TensorView& view) {
  std::int64_t step = 1;
  for (int i = view.rank() - 1; i > 0; --i) {
    if (view.shape[i] != 1 && view.strides[i] != step) return false;
    step *= view.shape[i];
  }
  return true;
}

}  // namespace

void CudaBackend::sum_squares(std::span<const TensorView> views, const TensorView& out) {
  std::uint32_t blocks = 0;
  for (const TensorView& view : views) {
    if (!is_floating(view.dtype) || !view.is_contiguous()) return Backend::sum_squares(views, out);
    blocks += blocks_of(view.numel(), piece);
  }
  if (blocks == 0) return fill(out, Number(0.0));
  const Scratch partial(*this, DType::float64, {blocks});
  double* to = partial.view().as<double>();
  Views some = {};
  std::uint32_t waiting = 0;
  const auto flush = [&] {
    if (some.count > 0) launch(squares_kernel, {waiting, reduce_threads}, stream(), some, to);
    to += waiting;
    waiting = 0;
    some.count = 0;
  };
  for (const TensorView& view : views) {
    if (view.numel() == 0) continue;
    if (some.count == most_views) flush();
    const int i = some.count++;
    some.data[i] = view.data;
    some.n[i] = view.numel();
    some.first_block[i] = waiting;
    some.dtype[i] = view.dtype;
    some.aligned[i] = reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
    waiting += blocks_of(view.numel(), piece);
  }
  flush();
  launch(add_pieces_kernel, {1, reduce_threads}, stream(), partial.view().as<const double>(), blocks, out.data,
         out.dtype);
}

void CudaBackend::gather_batch(const GatherBatchArgs& args, const TensorView& data, const TensorView& labels,
                               const TensorView& index, const TensorView& out, const TensorView& out_labels) {
  const bool with_labels = labels.data != nullptr && out_labels.data != nullptr;
  const std::int64_t rows = data.shape[0], batch = out.shape[0], width = out.numel() / batch;
  const std::int64_t units = (width + pixels - 1) / pixels, row_blocks = (units + batch_threads - 1) / batch_threads;
  if (data.dtype != DType::uint8 || index.dtype != DType::int64 || !dense_rows(data) || !out.is_contiguous() ||
      batch * row_blocks > most_units || width > most_units || out.dtype == DType::float64 ||
      (with_labels && !is_integer(labels.dtype))) {
    return Backend::gather_batch(args, data, labels, index, out, out_labels);
  }
  Batch b = {};
  b.data = data.as<const std::uint8_t>();
  b.rows = rows;
  b.row_step = data.strides[0];
  b.index = index.as<const std::int64_t>();
  b.index_step = index.strides[0];
  b.batch = static_cast<std::uint32_t>(batch);
  b.width = static_cast<std::uint32_t>(width);
  b.units = static_cast<std::uint32_t>(units);
  b.row_blocks = static_cast<std::uint32_t>(row_blocks);
  b.scale = args.scale;
  b.shift = args.shift;
  b.packed = width % pixels == 0 && (b.row_step % pixels == 0 || rows == 1) &&
             reinterpret_cast<std::uintptr_t>(data.data) % pixels == 0 &&
             reinterpret_cast<std::uintptr_t>(out.data) % 16 == 0;
  if (with_labels) {
    b.labels = labels.data;
    b.label_step = labels.strides[0];
    b.label_dtype = labels.dtype;
    b.out_labels = out_labels.data;
    b.out_label_step = out_labels.strides[0];
    b.out_label_dtype = out_labels.dtype;
  }
  dispatch_floating(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (!std::is_same_v<T, double>) {
      launch(gather_batch_kernel<T>, {static_cast<unsigned>(batch * row_blocks), batch_threads}, stream(), b,
             out.as<T>(), reporter());
    }
  });
}

}  // namespace weft::backends::cuda
