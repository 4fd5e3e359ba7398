#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/index_check.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/backends/cpu/scratch.h>
#include <weft/core/thread_pool.h>

// The formulas of backends/composed/cross_entropy.cpp, a block of rows at a time: with p = softmax(row), w the class
// weights, s the smoothing, C classes, label t and log p_j = (x_j - m) - log sum,
//
//   loss = -(1 - s) w_t log p_t - s / C sum_c w_c log p_c
//   d loss / d logit_j = p_j ((1 - s) w_t + s / C sum_c w_c) - (1 - s) w_t [j = t] - s / C w_j

namespace weft::backends::cpu {
namespace {

template <class T, class I>
struct Rows {
  const T* logits;
  const I* labels;
  std::int64_t label_stride;
  const T* weight;  // may be null
  T weight_sum;
  T* losses;   // may be null
  T* dlogits;  // may be null
  std::int64_t classes;
  std::int64_t ignored;
  T keep, share;  // 1 - s, s / C
  T scale;        // of the gradient: 1, or 1 over the weights of the rows kept

  T weight_of(std::int64_t c) const { return weight != nullptr ? weight[c] : T(1); }

  void row(std::int64_t r, const T* p, T m, T log_s) const {
    const I label = labels[r * label_stride];
    T* d = dlogits != nullptr ? dlogits + r * classes : nullptr;
    if (static_cast<std::int64_t>(label) == ignored) {
      if (losses != nullptr) losses[r] = 0;
      for (std::int64_t c = 0; d != nullptr && c < classes; ++c) d[c] = 0;
      return;
    }
    const T* x = logits + r * classes;
    const T pulled = keep * weight_of(label);
    if (losses != nullptr) {
      T loss = -pulled * ((x[label] - m) - log_s);
      if (share != 0) {
        T all = 0;
        for (std::int64_t c = 0; c < classes; ++c) all += weight_of(c) * ((x[c] - m) - log_s);
        loss -= share * all;
      }
      losses[r] = loss;
    }
    if (d == nullptr) return;
    const T total = pulled + share * weight_sum;
    if (weight == nullptr && share == 0) {
      if (d != p) {
        for (std::int64_t c = 0; c < classes; ++c) d[c] = p[c];
      }
    } else {
      for (std::int64_t c = 0; c < classes; ++c) d[c] = p[c] * total - share * weight_of(c);
    }
    d[label] -= pulled;
    if (scale != 1) {
      for (std::int64_t c = 0; c < classes; ++c) d[c] *= scale;
    }
  }

  /// The weights of the rows kept, in the order a reduction has.
  T weight_of_rows(CpuBackend& backend, std::int64_t count) const {
    T sum = 0;
    if (weight == nullptr) {
      for (std::int64_t r = 0; r < count; ++r) sum += labels[r * label_stride] != ignored ? T(1) : T(0);
      return sum;
    }
    const Scratch<T> weights(count);
    for (std::int64_t r = 0; r < count; ++r) {
      const I label = labels[r * label_stride];
      weights.data()[r] = label != ignored ? weight[label] : T(0);
    }
    backend.reduce(ReduceOp::sum, contiguous_view(weights.data(), dtype_of<T>, {count}),
                   contiguous_view(&sum, dtype_of<T>, {1}));
    return sum;
  }
};

/// Every label other than the ignored one is a class.
template <class I>
void check_labels(const TensorView& labels, std::int64_t classes, std::int64_t ignored) {
  const I* values = labels.as<const I>();
  for (std::int64_t r = 0; r < labels.shape[0]; ++r) {
    const std::int64_t label = values[r * labels.strides[0]];
    if (label == ignored || (label >= 0 && label < classes)) continue;
    throw IndexError(ErrorCode::index_out_of_range, call_name("cross_entropy"),
                     message("label ", label, " of row ", r, " is out of range for ", classes, " classes"),
                     call_site());
  }
}

template <class T, class I>
void all_rows(const SoftmaxKernels& kernel, const Rows<T, I>& rows, std::int64_t count) {
  const std::int64_t n = rows.classes;
  parallel_for(count, 1 + 8192 / n, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t size = end - begin;
    const Scratch<T> scratch(2 * size + (rows.dlogits == nullptr ? size * n : 0));
    T* m = scratch.data();
    T* log_s = m + size;
    T* p = rows.dlogits != nullptr ? rows.dlogits + begin * n : log_s + size;
    kernel.probabilities(rows.logits + begin * n, n, p, n, size, n, m, log_s);
    for (std::int64_t r = 0; r < size; ++r) rows.row(begin + r, p + r * n, m[r], log_s[r]);
  });
}

}  // namespace

void CpuBackend::cross_entropy(const CrossEntropyArgs& args, const TensorView& logits, const TensorView& labels,
                               const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits) {
  const auto fits = [&](const TensorView& view) {
    return view.data == nullptr || (view.dtype == logits.dtype && view.is_contiguous());
  };
  const std::int64_t count = logits.shape[0];
  // In place the logits would be gone before the losses are computed from them.
  if (!is_native_float(logits.dtype) || !fits(logits) || !fits(class_weight) || !fits(losses) || !fits(dlogits) ||
      dlogits.data == logits.data) {
    return Backend::cross_entropy(args, logits, labels, class_weight, losses, dlogits);
  }
  const std::int64_t classes = logits.shape[1];
  dispatch_index(labels.dtype, [&](auto index_type) {
    using I = typename decltype(index_type)::type;
    check_labels<I>(labels, classes, args.ignore_index);
    const auto run = [&](auto type, const SoftmaxKernels& kernel) {
      using T = typename decltype(type)::type;
      const Scratch<T> each(args.mean && losses.data != nullptr ? count : 0);
      Rows<T, I> rows = {logits.as<T>(),
                         labels.as<I>(),
                         labels.strides[0],
                         class_weight.as<T>(),
                         static_cast<T>(classes),
                         args.mean && losses.data != nullptr ? each.data() : losses.as<T>(),
                         dlogits.as<T>(),
                         classes,
                         args.ignore_index,
                         static_cast<T>(1 - args.smoothing),
                         static_cast<T>(args.smoothing / static_cast<double>(classes)),
                         T(1)};
      if (rows.weight != nullptr) {
        rows.weight_sum = 0;
        for (std::int64_t c = 0; c < classes; ++c) rows.weight_sum += rows.weight[c];
      }
      const T kept = args.mean ? rows.weight_of_rows(*this, count) : T(1);
      rows.scale = T(1) / kept;
      all_rows(kernel, rows, count);
      if (!args.mean || losses.data == nullptr) return;
      reduce(ReduceOp::sum, contiguous_view(each.data(), logits.dtype, {count}),
             contiguous_view(losses.data, logits.dtype, {1}));
      *losses.as<T>() /= kept;
    };
    if (logits.dtype == DType::float64) {
      run(Type<double>{}, *kernels().softmax_float64);
    } else {
      run(Type<float>{}, *kernels().softmax_float32);
    }
  });
}

}  // namespace weft::backends::cpu
