#include <algorithm>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/element.cuh>
#include <weft/backends/cuda/device/report.cuh>

// x is [N, C, S]; a channel's N S elements are cut into parts, one block each, whose borders depend on the shape only.
//
//   moments   each thread runs Welford's recurrence over its elements, the block merges its threads in pairs, the
//             finishing kernel the parts in order: no cancellation, and the same bits in every run
//   finish    one thread to a channel: mean, 1 / sqrt(var + epsilon), and the running statistics, which are left alone
//             while an error is pending
//   apply     one pass over x
//
// Kernels of weft's own, and not cuDNN's: the running statistics have to stand behind the error word, and the order of
// the sums is known.

namespace weft::backends::cuda {
namespace {

using composed::Scratch;
using composed::wanted;

constexpr unsigned threads = 256;
constexpr std::int64_t part_elements = 4096, most_parts = 64;

struct Extents {
  std::int64_t batch, channels, inner;  // N, C, S
  std::int64_t count, part, parts;      // of a channel: elements, elements to a part, parts

  explicit Extents(const Shape& x) : batch(x[0]), channels(x[1]), inner(x[2]), count(x[0] * x[2]) {
    parts = std::clamp<std::int64_t>(count / part_elements, 1, most_parts);
    part = (count + parts - 1) / parts;
  }
  /// Element i of a channel in a contiguous x.
  __host__ __device__ std::int64_t offset(std::int64_t channel, std::int64_t i) const {
    if (count <= 0x7FFFFFFF) {
      const std::uint32_t n = static_cast<std::uint32_t>(i) / static_cast<std::uint32_t>(inner);
      return (n * channels + channel) * inner + (i - static_cast<std::int64_t>(n) * inner);
    }
    return (i / inner * channels + channel) * inner + i % inner;
  }
};

/// A vector over the channels, of any floating dtype; may be absent.
struct PerChannel {
  void* data = nullptr;
  std::int64_t step = 0;
  DType dtype = DType::float32;

  PerChannel() = default;
  explicit PerChannel(const TensorView& v) : data(v.data), dtype(v.dtype) {
    if (v.data != nullptr) step = v.strides[0];
  }
  template <class S>
  __device__ S get(std::int64_t c, S absent) const {
    if (data == nullptr) return absent;
    switch (dtype) {
      case DType::float64:
        return static_cast<S>(static_cast<const double*>(data)[c * step]);
      case DType::float16:
        return static_cast<S>(static_cast<float>(static_cast<const float16*>(data)[c * step]));
      case DType::bfloat16:
        return static_cast<S>(static_cast<float>(static_cast<const bfloat16*>(data)[c * step]));
      default:
        return static_cast<S>(static_cast<const float*>(data)[c * step]);
    }
  }
  template <class S>
  __device__ void put(std::int64_t c, S value) const {
    if (data == nullptr) return;
    switch (dtype) {
      case DType::float64:
        static_cast<double*>(data)[c * step] = static_cast<double>(value);
        return;
      case DType::float16:
        static_cast<float16*>(data)[c * step] = float16(static_cast<float>(value));
        return;
      case DType::bfloat16:
        static_cast<bfloat16*>(data)[c * step] = bfloat16(static_cast<float>(value));
        return;
      default:
        static_cast<float*>(data)[c * step] = static_cast<float>(value);
        return;
    }
  }
};

template <class S>
struct Moments {
  S mean, m2, count;  // m2: the sum of squared distances from the mean

  __device__ void take(S value) {
    count += S(1);
    const S delta = value - mean;
    mean += delta / count;
    m2 += delta * (value - mean);
  }
  __device__ void merge(const Moments& other) {
    const S total = count + other.count;
    if (other.count == S(0)) return;
    const S delta = other.mean - mean;
    mean += delta * (other.count / total);
    m2 += other.m2 + delta * delta * (count * other.count / total);
    count = total;
  }
};

/// Block channel * parts + part.
template <class T>
__global__ void __launch_bounds__(threads) moments_kernel(Extents e, const T* x, Moments<Compute<T>>* parts) {
  using S = Compute<T>;
  WEFT_SHARED(S[threads], means);
  WEFT_SHARED(S[threads], squares);
  WEFT_SHARED(S[threads], counts);
  const std::int64_t channel = blockIdx.x / e.parts, begin = blockIdx.x % e.parts * e.part;
  const std::int64_t end = begin + e.part < e.count ? begin + e.part : e.count;
  Moments<S> mine{0, 0, 0};
  for (std::int64_t i = begin + threadIdx.x; i < end; i += threads) mine.take(load(x + e.offset(channel, i)));
  means[threadIdx.x] = mine.mean;
  squares[threadIdx.x] = mine.m2;
  counts[threadIdx.x] = mine.count;
  for (unsigned half = threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      const unsigned from = threadIdx.x + half;
      mine.merge({means[from], squares[from], counts[from]});
      means[threadIdx.x] = mine.mean;
      squares[threadIdx.x] = mine.m2;
      counts[threadIdx.x] = mine.count;
    }
  }
  if (threadIdx.x == 0) parts[blockIdx.x] = mine;
}

struct Channels {
  PerChannel mean, rstd, running_mean, running_var;  // written: mean and rstd for the backward; running ones in place
  double epsilon, momentum;
  bool from_batch;  // else the running statistics are what x is normalised with
  bool update;
};

/// statistics[2 c] and [2 c + 1]: mean and rstd as `apply` reads them.
template <class S>
__global__ void finish_kernel(Extents e, const Moments<S>* parts, Channels out, Reporter reporter, S* statistics) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= e.channels) return;
  S mean, variance, unbiased = 0;
  if (out.from_batch) {
    Moments<S> all = parts[c * e.parts];
    for (std::int64_t p = 1; p < e.parts; ++p) all.merge(parts[c * e.parts + p]);
    mean = all.mean;
    variance = all.m2 / all.count;
    unbiased = all.m2 / (all.count > S(1) ? all.count - S(1) : S(1));
  } else {
    mean = out.running_mean.get<S>(c, 0);
    variance = out.running_var.get<S>(c, 1);
  }
  const S rstd = S(1) / static_cast<S>(sqrt(variance + static_cast<S>(out.epsilon)));
  statistics[2 * c] = mean;
  statistics[2 * c + 1] = rstd;
  out.mean.put(c, mean);
  out.rstd.put(c, rstd);
  if (!out.update || raised(reporter)) return;
  const S keep = static_cast<S>(1 - out.momentum), momentum = static_cast<S>(out.momentum);
  if (out.running_mean.data != nullptr) {
    out.running_mean.put(c, keep * out.running_mean.get<S>(c, 0) + momentum * mean);
  }
  if (out.running_var.data != nullptr) {
    out.running_var.put(c, keep * out.running_var.get<S>(c, 0) + momentum * unbiased);
  }
}

template <class T>
__global__ void __launch_bounds__(threads)
    apply_kernel(Extents e, const T* x, const Compute<T>* statistics, PerChannel scale, PerChannel shift, T* y) {
  using S = Compute<T>;
  const std::int64_t channel = blockIdx.x / e.parts, begin = blockIdx.x % e.parts * e.part;
  const std::int64_t end = begin + e.part < e.count ? begin + e.part : e.count;
  const S mean = statistics[2 * channel], rstd = statistics[2 * channel + 1];
  const S by = scale.get<S>(channel, 1), plus = shift.get<S>(channel, 0);
  for (std::int64_t i = begin + threadIdx.x; i < end; i += threads) {
    const std::int64_t at = e.offset(channel, i);
    y[at] = from_compute<T>((load(x + at) - mean) * rstd * by + plus);
  }
}

template <class S>
struct Sums {
  S dy, product;  // of dy, of dy xhat
};

template <class T>
__global__ void __launch_bounds__(threads)
    sums_kernel(Extents e, const T* dy, const T* x, PerChannel mean, PerChannel rstd, Sums<Compute<T>>* parts) {
  using S = Compute<T>;
  WEFT_SHARED(S[threads], first);
  WEFT_SHARED(S[threads], second);
  const std::int64_t channel = blockIdx.x / e.parts, begin = blockIdx.x % e.parts * e.part;
  const std::int64_t end = begin + e.part < e.count ? begin + e.part : e.count;
  const S m = mean.get<S>(channel, 0), r = rstd.get<S>(channel, 1);
  S sum = 0, product = 0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += threads) {
    const std::int64_t at = e.offset(channel, i);
    const S d = load(dy + at);
    sum += d;
    product += d * ((load(x + at) - m) * r);
  }
  first[threadIdx.x] = sum;
  second[threadIdx.x] = product;
  for (unsigned half = threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      first[threadIdx.x] += first[threadIdx.x + half];
      second[threadIdx.x] += second[threadIdx.x + half];
    }
  }
  if (threadIdx.x == 0) parts[blockIdx.x] = {first[0], second[0]};
}

template <class S>
__global__ void finish_sums_kernel(Extents e, const Sums<S>* parts, PerChannel dscale, PerChannel dshift,
                                   Sums<S>* sums) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= e.channels) return;
  Sums<S> all = parts[c * e.parts];
  for (std::int64_t p = 1; p < e.parts; ++p) {
    all.dy += parts[c * e.parts + p].dy;
    all.product += parts[c * e.parts + p].product;
  }
  dscale.put(c, all.product);
  dshift.put(c, all.dy);
  sums[c] = {all.dy / static_cast<S>(e.count), all.product / static_cast<S>(e.count)};
}

template <class T>
__global__ void __launch_bounds__(threads)
    backward_kernel(Extents e, const T* dy, const T* x, PerChannel scale, PerChannel mean, PerChannel rstd,
                    const Sums<Compute<T>>* averages, T* dx) {
  using S = Compute<T>;
  const std::int64_t channel = blockIdx.x / e.parts, begin = blockIdx.x % e.parts * e.part;
  const std::int64_t end = begin + e.part < e.count ? begin + e.part : e.count;
  const S m = mean.get<S>(channel, 0), r = rstd.get<S>(channel, 1), by = scale.get<S>(channel, 1);
  const Sums<S> average = averages[channel];
  for (std::int64_t i = begin + threadIdx.x; i < end; i += threads) {
    const std::int64_t at = e.offset(channel, i);
    const S xhat = (load(x + at) - m) * r;
    dx[at] = from_compute<T>(r * by * (load(dy + at) - average.dy - xhat * average.product));
  }
}

LaunchShape per_part(const Extents& e) { return {static_cast<unsigned>(e.parts * e.channels), threads}; }
LaunchShape per_channel(const Extents& e) { return {blocks_of(e.channels, 128), 128}; }

template <class S>
Shape words(std::int64_t n) {  // scratch is asked for in float64, so that any S is aligned
  return {static_cast<std::int64_t>((static_cast<std::size_t>(n) * sizeof(S) + 7) / 8)};
}

}  // namespace

void CudaBackend::batch_norm(const NormArgs& args, const TensorView& x, const TensorView& scale,
                             const TensorView& shift, const TensorView& running_mean, const TensorView& running_var,
                             const TensorView& y, const TensorView& mean, const TensorView& rstd) {
  const Extents e(x.shape);
  if (!x.is_contiguous()) {
    const Scratch plain(*this, x.dtype, x.shape);
    copy(x, plain);
    return batch_norm(args, plain, scale, shift, running_mean, running_var, y, mean, rstd);
  }
  if (!y.is_contiguous()) {
    const Scratch plain(*this, y.dtype, y.shape);
    batch_norm(args, x, scale, shift, running_mean, running_var, plain, mean, rstd);
    return copy(plain, y);
  }
  Channels out;
  out.mean = PerChannel(mean);
  out.rstd = PerChannel(rstd);
  out.running_mean = PerChannel(running_mean);
  out.running_var = PerChannel(running_var);
  out.epsilon = args.epsilon;
  out.momentum = args.momentum;
  out.from_batch = args.training || !wanted(running_mean) || !wanted(running_var);
  out.update = args.training;
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    using S = Compute<T>;
    const Scratch parts(*this, DType::float64, words<Moments<S>>(e.channels * e.parts));
    const Scratch statistics(*this, DType::float64, words<S>(2 * e.channels));
    auto* moments = parts.view().as<Moments<S>>();
    auto* normal = statistics.view().as<S>();
    if (out.from_batch) launch(moments_kernel<T>, per_part(e), stream(), e, x.as<T>(), moments);
    launch(finish_kernel<S>, per_channel(e), stream(), e, moments, out, reporter(), normal);
    launch(apply_kernel<T>, per_part(e), stream(), e, x.as<T>(), normal, PerChannel(scale), PerChannel(shift),
           y.as<T>());
  });
}

void CudaBackend::batch_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                                      const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                                      const TensorView& dscale, const TensorView& dshift) {
  const Extents e(x.shape);
  for (const TensorView* in : {&dy, &x}) {
    if (in->is_contiguous()) continue;
    const Scratch plain(*this, in->dtype, in->shape);
    copy(*in, plain);
    const bool is_x = in == &x;
    return batch_norm_backward(is_x ? dy : plain.view(), is_x ? plain.view() : x, scale, mean, rstd, dx, dscale,
                               dshift);
  }
  if (wanted(dx) && !dx.is_contiguous()) {
    const Scratch plain(*this, dx.dtype, dx.shape);
    batch_norm_backward(dy, x, scale, mean, rstd, plain, dscale, dshift);
    return copy(plain, dx);
  }
  dispatch_floating(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    using S = Compute<T>;
    const Scratch parts(*this, DType::float64, words<Sums<S>>(e.channels * e.parts));
    const Scratch averages(*this, DType::float64, words<Sums<S>>(e.channels));
    auto* sums = parts.view().as<Sums<S>>();
    auto* average = averages.view().as<Sums<S>>();
    launch(sums_kernel<T>, per_part(e), stream(), e, dy.as<T>(), x.as<T>(), PerChannel(mean), PerChannel(rstd), sums);
    launch(finish_sums_kernel<S>, per_channel(e), stream(), e, sums, PerChannel(dscale), PerChannel(dshift), average);
    if (!wanted(dx)) return;
    launch(backward_kernel<T>, per_part(e), stream(), e, dy.as<T>(), x.as<T>(), PerChannel(scale), PerChannel(mean),
           PerChannel(rstd), average, dx.as<T>());
  });
}

}  // namespace weft::backends::cuda
