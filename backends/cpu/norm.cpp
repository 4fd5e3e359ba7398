#include <cmath>

#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dense.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/core/thread_pool.h>

// The formulas of backends/composed/norm.cpp in few passes (isa/norm.h). Everything is brought into contiguous float32
// or float64 first. Parts of a sum are added up by reduce(), whose order depends on the shape only.

namespace weft::backends::cpu {
namespace {

constexpr std::int64_t grain = 16384;  // elements to a chunk of parallel work

const NormKernels& norm_kernels(DType dtype) {
  return dtype == DType::float64 ? *kernels().norm_float64 : *kernels().norm_float32;
}

template <class F>
void dispatch_float(DType dtype, F f) {
  if (dtype == DType::float64) {
    f(Type<double>{});
  } else {
    f(Type<float>{});
  }
}

std::int64_t rows_to_a_chunk(std::int64_t n) { return 1 + grain / n; }

/// Rows behind one part of a sum down the rows. Wide rows get short parts, so that few of them still keep every thread
/// busy; follows from n alone.
std::int64_t rows_to_a_part(std::int64_t n) {
  const std::int64_t rows = 65536 / n;
  return rows < 8 ? 8 : rows > 64 ? 64 : rows;
}

/// out [n] = the sum over parts of partial [parts, n].
void add_parts(Backend& backend, void* partial, DType dtype, std::int64_t parts, std::int64_t n, void* out) {
  backend.reduce(ReduceOp::sum, contiguous_view(partial, dtype, {parts, n}), contiguous_view(out, dtype, {1, n}));
}

/// The passes of batch norm over x [N, C, S], whichever of its two shapes it has. `first` and `rows` are segments or
/// rows of columns.
template <class T>
class Channels {
 public:
  Channels(Backend& backend, const Shape& shape)
      : backend_(backend),
        channels_(shape[1]),
        columns_(shape[2] == 1),
        rows_(columns_ ? shape[0] : shape[0] * shape[1]),
        n_(columns_ ? shape[1] : shape[2]) {}

  /// out[q][c] = the sum of what f(first, rows, parts) writes to parts[q], for Q sums at once.
  template <int Q, class F>
  void sums(T* const (&out)[Q], F f) {
    const std::int64_t height = columns_ ? rows_to_a_part(n_) : 1, parts = (rows_ + height - 1) / height;
    const std::int64_t width = columns_ ? n_ : 1;  // results of a part
    const Scratch<T> partial(Q * parts * width);
    parallel_for(parts, columns_ ? 1 : rows_to_a_chunk(n_), [&](std::int64_t begin, std::int64_t end) {
      // segments: all rows of the chunk in one call; columns: one call for each part
      const std::int64_t step = columns_ ? 1 : end - begin;
      for (std::int64_t p = begin; p < end; p += step) {
        const std::int64_t first = p * height, left = rows_ - first;
        T* to[Q];
        for (int q = 0; q < Q; ++q) to[q] = partial.data() + (q * parts + p) * width;
        f(first, left < step * height ? left : step * height, to);
      }
    });
    for (int q = 0; q < Q; ++q) {
      add_parts(backend_, partial.data() + q * parts * width, dtype, parts * width / channels_, channels_, out[q]);
    }
  }

  /// f(first, rows) for all rows.
  template <class F>
  void each(F f) {
    parallel_for(rows_, rows_to_a_chunk(n_), [&](std::int64_t begin, std::int64_t end) { f(begin, end - begin); });
  }

  bool columns() const { return columns_; }
  std::int64_t channels() const { return channels_; }
  std::int64_t n() const { return n_; }
  static constexpr DType dtype = std::is_same_v<T, double> ? DType::float64 : DType::float32;

 private:
  Backend& backend_;
  std::int64_t channels_;
  bool columns_;
  std::int64_t rows_, n_;
};

/// mean and, into variance, the biased variance of every channel.
template <class T>
void moments(Backend& backend, Channels<T>& over, const NormKernels& kernel, const T* x, T count, T* mean,
             T* variance) {
  const std::int64_t n = over.n();
  if (over.columns()) {
    add_parts(backend, const_cast<T*>(x), over.dtype, static_cast<std::int64_t>(count), n, mean);
  } else {
    over.sums({mean}, [&](std::int64_t first, std::int64_t rows, T* const* part) {
      kernel.segment_sums(x + first * n, rows, n, part[0]);
    });
  }
  for (std::int64_t c = 0; c < over.channels(); ++c) mean[c] /= count;
  over.sums({variance}, [&](std::int64_t first, std::int64_t rows, T* const* part) {
    if (over.columns()) {
      kernel.column_squares(x + first * n, rows, n, mean, part[0]);
    } else {
      kernel.segment_squares(x + first * n, first, rows, over.channels(), n, mean, part[0]);
    }
  });
  for (std::int64_t c = 0; c < over.channels(); ++c) variance[c] /= count;
}

}  // namespace

void CpuBackend::layer_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                            const TensorView& y, const TensorView& mean, const TensorView& rstd) {
  const DType dtype = compute_dtype(x.dtype);
  const NormKernels& kernel = norm_kernels(dtype);
  const std::int64_t rows = x.shape[0], n = x.shape[1];
  const DenseInput in(*this, x, dtype), by(*this, scale, dtype), plus(*this, shift, dtype);
  DenseOutput out(*this, y, dtype), average(*this, mean, dtype), spread(*this, rstd, dtype);
  dispatch_float(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    Scratch<T> unwanted;
    if (mean.data == nullptr || rstd.data == nullptr) unwanted.get(2 * rows);
    T* means = mean.data != nullptr ? average.as<T>() : unwanted.data();
    T* rstds = rstd.data != nullptr ? spread.as<T>() : unwanted.data() + rows;
    parallel_for(rows, rows_to_a_chunk(n), [&](std::int64_t begin, std::int64_t end) {
      kernel.layer(in.as<T>() + begin * n, end - begin, n, args.epsilon, by.data(), plus.data(),
                   out.as<T>() + begin * n, means + begin, rstds + begin);
    });
  });
  out.finish();
  average.finish();
  spread.finish();
}

void CpuBackend::layer_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                                     const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                                     const TensorView& dscale, const TensorView& dshift) {
  const DType dtype = compute_dtype(x.dtype);
  const NormKernels& kernel = norm_kernels(dtype);
  const std::int64_t rows = x.shape[0], n = x.shape[1];
  const DenseInput dout(*this, dy, dtype), in(*this, x, dtype), by(*this, scale, dtype), average(*this, mean, dtype),
      spread(*this, rstd, dtype);
  DenseOutput din(*this, dx, dtype), dby(*this, dscale, dtype), dplus(*this, dshift, dtype);
  const std::int64_t height = rows_to_a_part(n), parts = (rows + height - 1) / height;
  dispatch_float(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    Scratch<T> scale_parts, shift_parts;
    if (dscale.data != nullptr) scale_parts.get(parts * n);
    if (dshift.data != nullptr) shift_parts.get(parts * n);
    parallel_for(parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        const std::int64_t first = p * height, count = rows - first < height ? rows - first : height;
        const T* dy_rows = dout.as<T>() + first * n;
        const T* x_rows = in.as<T>() + first * n;
        const T* means = average.as<T>() + first;
        const T* rstds = spread.as<T>() + first;
        if (dx.data != nullptr) {
          kernel.layer_dx(dy_rows, x_rows, by.data(), means, rstds, count, n, din.as<T>() + first * n);
        }
        kernel.layer_parts(dy_rows, x_rows, means, rstds, count, n,
                           dscale.data != nullptr ? scale_parts.data() + p * n : nullptr,
                           dshift.data != nullptr ? shift_parts.data() + p * n : nullptr);
      }
    });
    if (dscale.data != nullptr) add_parts(*this, scale_parts.data(), dtype, parts, n, dby.data());
    if (dshift.data != nullptr) add_parts(*this, shift_parts.data(), dtype, parts, n, dplus.data());
  });
  din.finish();
  dby.finish();
  dplus.finish();
}

void CpuBackend::batch_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                            const TensorView& running_mean, const TensorView& running_var, const TensorView& y,
                            const TensorView& mean, const TensorView& rstd) {
  const DType dtype = compute_dtype(x.dtype);
  const NormKernels& kernel = norm_kernels(dtype);
  const std::int64_t channels = x.shape[1];
  const DenseInput in(*this, x, dtype), by(*this, scale, dtype), plus(*this, shift, dtype);
  const DenseInput old_mean(*this, running_mean, dtype), old_var(*this, running_var, dtype);
  DenseOutput out(*this, y, dtype), average(*this, mean, dtype), spread(*this, rstd, dtype);
  DenseOutput new_mean(*this, running_mean, dtype), new_var(*this, running_var, dtype);
  dispatch_float(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    Channels<T> over(*this, x.shape);
    const std::int64_t n = over.n();
    const T count = static_cast<T>(x.shape[0] * x.shape[2]);
    const Scratch<T> scratch(5 * channels);
    T* means = scratch.data();
    T* variances = means + channels;
    T* rstds = variances + channels;
    T* factors = rstds + channels;
    T* shifts = factors + channels;
    if (args.training || !running_mean.data || !running_var.data) {
      moments(*this, over, kernel, in.as<T>(), count, means, variances);
    } else {
      for (std::int64_t c = 0; c < channels; ++c) {
        means[c] = old_mean.as<T>()[c];
        variances[c] = old_var.as<T>()[c];
      }
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      rstds[c] = 1 / std::sqrt(variances[c] + static_cast<T>(args.epsilon));
      factors[c] = scale.data != nullptr ? rstds[c] * by.as<T>()[c] : rstds[c];
      shifts[c] = shift.data != nullptr ? plus.as<T>()[c] : T(0);
      if (mean.data != nullptr) average.as<T>()[c] = means[c];
      if (rstd.data != nullptr) spread.as<T>()[c] = rstds[c];
    }
    over.each([&](std::int64_t first, std::int64_t rows) {
      const T* from = in.as<T>() + first * n;
      T* to = out.as<T>() + first * n;
      if (over.columns()) {
        kernel.column_apply(from, rows, n, means, factors, shifts, to);
      } else {
        kernel.segment_apply(from, first, rows, channels, n, means, factors, shifts, to);
      }
    });
    out.finish();
    average.finish();
    spread.finish();
    if (!args.training) return;
    // Last, and nothing here allocates or throws: both running statistics are updated or none.
    const T keep = static_cast<T>(1 - args.momentum), take = static_cast<T>(args.momentum);
    const T unbiased = count / (count > 1 ? count - 1 : T(1));
    for (std::int64_t c = 0; c < channels && running_mean.data != nullptr; ++c) {
      new_mean.as<T>()[c] = old_mean.as<T>()[c] * keep + means[c] * take;
    }
    for (std::int64_t c = 0; c < channels && running_var.data != nullptr; ++c) {
      new_var.as<T>()[c] = old_var.as<T>()[c] * keep + variances[c] * unbiased * take;
    }
    new_mean.finish();
    new_var.finish();
  });
}

void CpuBackend::batch_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                                     const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                                     const TensorView& dscale, const TensorView& dshift) {
  const DType dtype = compute_dtype(x.dtype);
  const NormKernels& kernel = norm_kernels(dtype);
  const std::int64_t channels = x.shape[1];
  const DenseInput dout(*this, dy, dtype), in(*this, x, dtype), by(*this, scale, dtype), average(*this, mean, dtype),
      spread(*this, rstd, dtype);
  DenseOutput din(*this, dx, dtype), dby(*this, dscale, dtype), dplus(*this, dshift, dtype);
  dispatch_float(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    Channels<T> over(*this, x.shape);
    const std::int64_t n = over.n();
    const T count = static_cast<T>(x.shape[0] * x.shape[2]);
    const T* dys = dout.as<T>();
    const T* xs = in.as<T>();
    const T* means = average.as<T>();
    const T* rstds = spread.as<T>();
    const Scratch<T> scratch(3 * channels);
    T* mean_dy = scratch.data();  // first the sums
    T* mean_product = mean_dy + channels;
    T* factors = mean_product + channels;
    over.sums({mean_dy, mean_product}, [&](std::int64_t first, std::int64_t rows, T* const* part) {
      if (over.columns()) {
        kernel.column_products(dys + first * n, xs + first * n, rows, n, means, rstds, part[0], part[1]);
      } else {
        kernel.segment_products(dys + first * n, xs + first * n, first, rows, channels, n, means, rstds, part[0],
                                part[1]);
      }
    });
    for (std::int64_t c = 0; c < channels; ++c) {
      factors[c] = scale.data != nullptr ? rstds[c] * by.as<T>()[c] : rstds[c];
      if (dshift.data != nullptr) dplus.as<T>()[c] = mean_dy[c];
      if (dscale.data != nullptr) dby.as<T>()[c] = mean_product[c];
      mean_dy[c] /= count;
      mean_product[c] /= count;
    }
    if (dx.data == nullptr) return;
    over.each([&](std::int64_t first, std::int64_t rows) {
      T* to = din.as<T>() + first * n;
      if (over.columns()) {
        kernel.column_dx(dys + first * n, xs + first * n, rows, n, means, rstds, factors, mean_dy, mean_product, to);
      } else {
        kernel.segment_dx(dys + first * n, xs + first * n, first, rows, channels, n, means, rstds, factors, mean_dy,
                          mean_product, to);
      }
    });
  });
  din.finish();
  dby.finish();
  dplus.finish();
}

}  // namespace weft::backends::cpu
