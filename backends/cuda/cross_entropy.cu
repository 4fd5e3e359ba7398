#include <cmath>
#include <optional>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/line.cuh>
#include <weft/backends/cuda/device/report.cuh>
#include <weft/backends/cuda/device/store_total.cuh>

// The formulas of backends/composed/cross_entropy.cpp, a group of threads to a row: loss and gradient in one launch.
// A label that is no class is reported, and its row left as it was. The mean takes one launch more: every block counts
// the rows kept by itself, and one block at the end adds the losses up; of many rows the composed form does it.

namespace weft::backends::cuda {
namespace {

/// At most four: eight would not fit into registers beside everything else a row needs.
template <class T>
inline constexpr int row_width = line_width<T> < 4 ? line_width<T> : 4;

template <class T>
struct Rows {
  const T* logits;
  std::int64_t row_step, step;
  const void* labels;
  std::int64_t label_step;
  bool wide_labels;  ///< int64, else int32
  const T* weight;   ///< may be null
  std::int64_t weight_step;
  void* losses;  ///< may be null
  DType loss_dtype;
  std::int64_t loss_step;
  T* dlogits;  ///< may be null; may be the logits
  std::int64_t gradient_row_step, gradient_step;
  std::int64_t ignored;
  Compute<T> keep, share;  ///< 1 - s, s / C
  bool mean;               ///< the gradient is divided by the weights of the rows kept

  __device__ std::int64_t label(std::int64_t row) const {
    if (wide_labels) return static_cast<const std::int64_t*>(labels)[row * label_step];
    return static_cast<const std::int32_t*>(labels)[row * label_step];
  }
  __device__ Compute<T> weight_of(std::int64_t c) const {
    return weight != nullptr ? load(weight + c * weight_step) : Compute<T>(1);
  }
};

constexpr std::int64_t most_rows_counted = 16384;

/// The class weights of the rows kept, by a whole block: the same sum in every block.
template <class T>
__device__ inline Compute<T> weight_of_rows(const Rows<T>& v, std::int64_t rows, std::int64_t classes,
                                            Compute<T>* shared) {
  using C = Compute<T>;
  C sum = C(0);
  for (std::int64_t row = threadIdx.x; row < rows; row += reduce_threads) {
    const std::int64_t label = v.label(row);
    if (label != v.ignored && label >= 0 && label < classes) sum += v.weight_of(label);
  }
  return across_group(sum, static_cast<int>(reduce_threads), shared, [](C a, C b) { return a + b; });
}

template <class T>
__global__ void __launch_bounds__(reduce_threads)
    mean_loss_kernel(const Rows<T> v, const Lines s, const T* losses, T* out) {
  using C = Compute<T>;
  WEFT_SHARED(C[32], shared);
  const C weights = weight_of_rows(v, s.lines, s.length, shared);
  C sum = C(0);
  for (std::uint32_t row = threadIdx.x; row < s.lines; row += reduce_threads) sum += load(losses + row);
  sum = across_group(sum, static_cast<int>(reduce_threads), shared, [](C a, C b) { return a + b; });
  if (threadIdx.x == 0) store(out, sum / weights);
}

template <class T>
__global__ void __launch_bounds__(reduce_threads, 4)
    cross_entropy_kernel(const Rows<T> v, const Lines s, const Reporter reporter) {
  using C = Compute<T>;
  constexpr int V = row_width<T>;
  WEFT_SHARED(C[32], shared);
  const C scale = v.mean ? C(1) / weight_of_rows(v, s.lines, s.length, shared) : C(1);
  const Place place = place_in(s);
  const std::int64_t row = place.line;
  const T* x = v.logits + (place.works ? row * v.row_step : 0);
  const std::int64_t label = place.works ? v.label(row) : v.ignored;
  const bool ignored = label == v.ignored;
  const bool good = label >= 0 && label < s.length;
  if (place.works && !ignored && !good && place.first == 0) report(reporter, Complaint::label, label, s.length, row);
  const C here = good && !ignored ? load(x + label * v.step) : C(0);  // before a gradient may take its place
  C top = -infinity<C>();
  for_packs<V>(s, place, [&](std::int64_t first, int count) {
    C e[V];
    load_from_line<V>(x, v.step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (j < count) top = larger(top, e[j]);
    }
  });
  top = across_group(top, s.group, shared, [](C a, C b) { return larger(a, b); });
  const C sum = line_sum<V, C>(s, place, shared, [&](std::int64_t first, int count, C(&total)[V]) {
    C e[V];
    load_from_line<V>(x, v.step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (j < count) total[j] += std::exp(e[j] - top);
    }
  });
  const C log_sum = std::log(sum);
  const bool smooth = v.share != C(0);
  C weights = static_cast<C>(s.length), spread = C(0);
  if (smooth && v.weight != nullptr) {
    weights = line_sum<V, C>(s, place, shared, [&](std::int64_t first, int count, C(&total)[V]) {
#pragma unroll
      for (int j = 0; j < V; ++j) {
        if (j < count) total[j] += v.weight_of(first + j);
      }
    });
  }
  if (smooth && v.losses != nullptr) {
    spread = line_sum<V, C>(s, place, shared, [&](std::int64_t first, int count, C(&total)[V]) {
      C e[V];
      load_from_line<V>(x, v.step, s.packed, first, count, e);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        if (j < count) total[j] += v.weight_of(first + j) * ((e[j] - top) - log_sum);
      }
    });
  }
  if (!place.works || (!good && !ignored)) return;
  const C pulled = ignored ? C(0) : v.keep * v.weight_of(label);
  if (v.losses != nullptr && place.first == 0) {
    const C loss = ignored ? C(0) : -pulled * ((here - top) - log_sum) - v.share * spread;
    store_total(v.losses, v.loss_dtype, row * v.loss_step, loss);
  }
  if (v.dlogits == nullptr) return;
  T* d = v.dlogits + row * v.gradient_row_step;
  const C all = (pulled + v.share * weights) / sum;
  for_packs<V>(s, place, [&](std::int64_t first, int count) {
    C e[V];
    load_from_line<V>(x, v.step, s.packed, first, count, e);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      C g = std::exp(e[j] - top) * all;
      if (smooth && j < count) g -= v.share * v.weight_of(first + j);
      if (first + j == label) g -= pulled;
      e[j] = ignored ? C(0) : g * scale;
    }
    store_to_line<V>(d, v.gradient_step, s.packed, first, count, e);
  });
}

}  // namespace

void CudaBackend::cross_entropy(const CrossEntropyArgs& args, const TensorView& logits, const TensorView& labels,
                                const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits) {
  const auto is_logits_dtype = [&](const TensorView& view) {
    return view.data == nullptr || view.dtype == logits.dtype;
  };
  const std::int64_t rows = logits.shape[0], classes = logits.shape[1];
  if (!is_logits_dtype(class_weight) || !is_logits_dtype(dlogits) || rows > most_units || classes > most_units ||
      (args.mean && (rows > most_rows_counted || !is_logits_dtype(losses)))) {
    return Backend::cross_entropy(args, logits, labels, class_weight, losses, dlogits);
  }
  dispatch_floating(logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int V = row_width<T>;
    const bool sums = args.mean && losses.data != nullptr;
    std::optional<composed::Scratch> each;
    if (sums) each.emplace(*this, logits.dtype, Shape{rows});
    const auto step = [](const TensorView& view, int axis) { return view.data != nullptr ? view.strides[axis] : 0; };
    const Rows<T> v = {logits.as<const T>(),
                       logits.strides[0],
                       logits.strides[1],
                       labels.data,
                       labels.strides[0],
                       labels.dtype == DType::int64,
                       class_weight.as<const T>(),
                       step(class_weight, 0),
                       sums ? each->view().data : losses.data,
                       losses.dtype,
                       sums ? 1 : step(losses, 0),
                       dlogits.as<T>(),
                       step(dlogits, 0),
                       step(dlogits, 1),
                       args.ignore_index,
                       static_cast<Compute<T>>(1 - args.smoothing),
                       static_cast<Compute<T>>(args.smoothing / static_cast<double>(classes)),
                       args.mean};
    Lines s;
    s.lines = static_cast<std::uint32_t>(rows);
    s.length = static_cast<std::int32_t>(classes);
    s.group = line_group(classes, V);
    s.packed = line_in_packs(logits, logits.strides[1], classes, V, 1) &&
               line_in_packs(dlogits, step(dlogits, 1), classes, V, 1);
    const unsigned blocks = blocks_of(rows, reduce_threads / static_cast<unsigned>(s.group));
    launch(cross_entropy_kernel<T>, {blocks, reduce_threads}, stream(), v, s, reporter());
    if (sums) {
      launch(mean_loss_kernel<T>, {1, reduce_threads}, stream(), v, s, each->view().template as<const T>(),
             losses.as<T>());
    }
  });
}

}  // namespace weft::backends::cuda
