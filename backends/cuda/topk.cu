#include <bit>
#include <utility>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/device/walk.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/sort.h>
#include <weft/backends/cuda/device/element.cuh>

// Elements become integers whose order is the one asked for, and are sorted with their positions. Where few are wanted
// of long lines, tiles are sorted and only their first entries go on, until a line fits into one tile.

namespace weft::backends::cuda {
namespace {

using composed::Scratch;

constexpr unsigned topk_threads = 256;
constexpr std::int64_t most_entries = std::int64_t{1} << 28;  // sorted at a time

/// An integer in the order of the values: all NaN are one, above infinity; so are both zeros.
template <class T>
__device__ inline std::uint64_t ordered(T value) {
  using C = Compute<T>;
  const C x = to_compute(value);
  if constexpr (std::is_floating_point_v<C>) {
    using Bits = std::conditional_t<sizeof(C) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits sign = Bits{1} << (sizeof(C) * 8 - 1);
    if (x != x) return static_cast<Bits>(~Bits{0});
    const Bits bits = x == C(0) ? Bits{0} : std::bit_cast<Bits>(x);
    return (bits & sign) != 0 ? static_cast<Bits>(~bits) : static_cast<Bits>(bits | sign);
  } else if constexpr (std::is_signed_v<C>) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(x)) ^ (std::uint64_t{1} << 63);
  } else {
    return static_cast<std::uint64_t>(x);
  }
}

/// Entry i of line l is element i, or after_all behind the line's end.
template <class T>
__global__ void __launch_bounds__(topk_threads)
    keys_kernel(bool largest, const T* in, std::int64_t step, std::int64_t length, int log_padded, SortKey* keys,
                std::int64_t all, const Walk<3> lines) {
  const std::int64_t entry = static_cast<std::int64_t>(blockIdx.x) * topk_threads + threadIdx.x;
  if (entry >= all) return;
  const std::int64_t line = entry >> log_padded, i = entry - (line << log_padded);
  if (i >= length) {
    keys[entry] = after_all;
    return;
  }
  std::int64_t at[3];
  lines.offsets(static_cast<std::uint32_t>(line), at);
  const std::uint64_t key = ordered(in[at[0] + i * step]);
  keys[entry] = {largest ? ~key : key, static_cast<std::uint32_t>(i), 0};
}

template <class T>
__global__ void __launch_bounds__(topk_threads)
    results_kernel(const SortKey* keys, int log_padded, const T* in, std::int64_t in_step, T* values,
                   std::int64_t values_step, std::int64_t* indices, std::int64_t indices_step, std::int64_t k,
                   const Walk<3> lines) {
  const std::int64_t number = static_cast<std::int64_t>(blockIdx.x) * topk_threads + threadIdx.x;
  const std::int64_t line = number / k, i = number - line * k;
  if (line >= lines.units) return;
  std::int64_t at[3];
  lines.offsets(static_cast<std::uint32_t>(line), at);
  const std::int64_t position = keys[(line << log_padded) + i].position;
  values[at[1] + i * values_step] = in[at[0] + position * in_step];
  indices[at[2] + i * indices_step] = position;
}

int log_of(std::int64_t n) {
  int log = 0;
  while ((std::int64_t{1} << log) < n) ++log;
  return log;
}

template <class T>
void run(CudaBackend& backend, bool largest, const TensorView& in, int axis, const TensorView& values,
         const TensorView& indices, const Walk<3>& lines) {
  const std::int64_t length = in.shape[axis], k = values.shape[axis], count = lines.units;
  const auto memory = [&](std::int64_t entries) {
    return Scratch(backend, DType::uint8, {entries * static_cast<std::int64_t>(sizeof(SortKey))});
  };
  const auto at = [](const Scratch& scratch) { return scratch.view().as<SortKey>(); };
  int log_padded = log_of(length);
  const std::int64_t all = count << log_padded;
  const Scratch first = memory(all);
  SortKey* keys = at(first);
  launch(keys_kernel<T>, {blocks_of(all, topk_threads), topk_threads}, backend.stream(), largest, in.as<const T>(),
         in.strides[axis], length, log_padded, keys, all, lines);
  const int log_keep = log_of(k), log_tile = log_of(sort_tile);
  const auto finish = [&] {
    launch(results_kernel<T>, {blocks_of(count * k, topk_threads), topk_threads}, backend.stream(), keys, log_padded,
           in.as<const T>(), in.strides[axis], values.as<T>(), values.strides[axis], indices.as<std::int64_t>(),
           indices.strides[axis], k, lines);
  };
  if (log_padded <= log_tile || log_keep > log_tile - 2) {
    sort_lines(backend, keys, count, std::int64_t{1} << log_padded);
    return finish();
  }
  // from one array to the other and back; each pass leaves a quarter or less
  const Scratch second = memory(all >> (log_tile - log_keep));
  SortKey* other = at(second);
  while (log_padded > log_tile) {
    const std::int64_t tiles = (count << log_padded) / sort_tile;
    sort_tiles(backend, keys, other, tiles, std::int64_t{1} << log_keep);
    log_padded -= log_tile - log_keep;
    std::swap(keys, other);
  }
  sort_lines(backend, keys, count, std::int64_t{1} << log_padded);
  finish();
}

}  // namespace

void CudaBackend::topk(const TensorView& in, int axis, bool largest, const TensorView& values,
                       const TensorView& indices) {
  Shape shape = in.shape;
  shape[axis] = 1;
  const StridedLoop<3> loop = collapse<3>(shape, {&in.strides, &values.strides, &indices.strides}, AxisOrder::logical);
  std::int64_t outer = 1;
  int widest = -1;  // the axis to cut where there is more than can be sorted at a time
  for (int i = 0; i < in.rank(); ++i) {
    if (i == axis) continue;
    outer *= in.shape[i];
    if (widest < 0 || in.shape[i] > in.shape[widest]) widest = i;
  }
  const std::int64_t padded = std::int64_t{1} << log_of(in.shape[axis]);
  if (outer > 1 && outer * padded > most_entries) {
    const std::int64_t half = in.shape[widest] / 2;
    for (const std::int64_t begin : {std::int64_t{0}, half}) {
      const auto part = [&](TensorView view) {
        view.data = view.as<char>() + begin * view.strides[widest] * static_cast<std::int64_t>(item_size(view.dtype));
        view.shape[widest] = begin == 0 ? half : view.shape[widest] - half;
        return view;
      };
      topk(part(in), axis, largest, part(values), part(indices));
    }
    return;
  }
  dispatch(in.dtype, [&](auto type) {
    run<typename decltype(type)::type>(*this, largest, in, axis, values, indices, walk_of(loop, 1));
  });
}

}  // namespace weft::backends::cuda
