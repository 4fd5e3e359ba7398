#include <algorithm>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/device/walk.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/state.h>
#include <weft/core/dtype_support.h>
#include <weft/backends/cuda/device/reduce.cuh>
#include <weft/backends/cuda/device/store_total.cuh>

// Two patterns, chosen by the shape alone:
//
//   rows     the last axis is reduced: a part of a warp, or a block, goes along the elements of one result in packs of
//   V columns  the last axis stays: neighbouring threads have neighbouring results, and go down the reduced axes
//
// Which element is joined with which follows from the extent of the reduced axes (and, for columns, from the extents
// behind them): not from strides, the number of results or the device. Long ones are cut into chunks of a fixed length,
// whose results a second launch joins in the same way.

namespace weft::backends::cuda {
namespace {

using composed::Scratch;

constexpr std::int64_t chunk = 32768;  // elements of one result that a block goes along
constexpr unsigned column_threads = 512;
constexpr std::int64_t most_per_thread = 64;  // rows a thread goes down before they are cut into slices

template <class T>
inline constexpr int reduce_width = sizeof(T) == 1 ? 8 : static_cast<int>(16 / sizeof(T));

struct Rows {
  std::uint32_t rows;
  std::uint32_t packs;   ///< of one row
  std::int32_t last;     ///< elements in a row's last pack
  std::uint32_t chunks;  ///< of one row
  std::uint32_t chunk_packs;
  std::int32_t group;  ///< threads to a chunk: 1 .. 32, or the whole block
  bool packed;         ///< `along` counts packs; otherwise single elements
};

template <class T>
__global__ void __launch_bounds__(reduce_threads) rows_kernel(ReduceOp op, const T* in, void* out, DType out_dtype,
                                                              const Rows s, const Walk<2> kept, const Walk<1> along) {
  using A = Total<T>;
  constexpr int V = reduce_width<T>;
  WEFT_SHARED(A[32], shared);
  const unsigned groups = reduce_threads / static_cast<unsigned>(s.group);
  const unsigned number = blockIdx.x * groups + threadIdx.x / static_cast<unsigned>(s.group);
  const unsigned lane = threadIdx.x % static_cast<unsigned>(s.group);
  const bool works = number < s.rows * s.chunks;  // the others go along: the tree needs every lane
  const std::uint32_t row = number / s.chunks, part = number - row * s.chunks;
  std::int64_t at[2] = {};
  A total[V];
#pragma unroll
  for (int j = 0; j < V; ++j) total[j] = start_of<A>(op);
  if (works) {
    kept.offsets(row, at);
    const T* line = in + at[0];
    const std::uint32_t begin = part * s.chunk_packs;
    const std::uint32_t end = s.packs - begin < s.chunk_packs ? s.packs : begin + s.chunk_packs;
    const unsigned group = static_cast<unsigned>(s.group);
    std::uint32_t pack = begin + lane;
    if (s.packed) {  // several packs under way at a time; the last one of a row may be short and is left to the rest
      constexpr unsigned ahead = 4;
      const std::uint32_t full = end == s.packs ? end - 1 : end;
      for (; pack + (ahead - 1) * group < full; pack += ahead * group) {
        A x[ahead][V];
#pragma unroll
        for (unsigned u = 0; u < ahead; ++u) load_pack<V>(line + along.offset(pack + u * group), V, x[u]);
#pragma unroll
        for (unsigned u = 0; u < ahead; ++u) join_packs(op, total, x[u]);
      }
    }
    for (; pack < end; pack += group) {
      const int count = pack + 1 == s.packs ? s.last : V;
      A x[V] = {};
      if (s.packed) {
        load_pack<V>(line + along.offset(pack), count, x);
      } else {
#pragma unroll
        for (int j = 0; j < V; ++j) {
          if (j < count) x[j] = static_cast<A>(load(line + along.offset(pack * V + static_cast<unsigned>(j))));
        }
      }
      if (count < V) {
#pragma unroll
        for (int j = 0; j < V; ++j) {
          if (j >= count) x[j] = start_of<A>(op);
        }
      }
      join_packs(op, total, x);
    }
  }
#pragma unroll
  for (int j = 1; j < V; ++j) total[0] = join(op, total[0], total[j]);
  const A all = across_group(total[0], s.group, shared, [op](A a, A b) { return join(op, a, b); });
  if (works && lane == 0) store_total(out, out_dtype, s.chunks == 1 ? at[1] : number, all);
}

struct Columns {
  std::uint32_t results;
  std::uint32_t rows;        ///< elements of one result
  std::uint32_t slice_rows;  ///< of which blockIdx.y takes so many
  std::uint32_t across;      ///< threads side by side: a power of two, at most 32
  bool sliced;
};

template <class T>
__global__ void __launch_bounds__(column_threads)
    columns_kernel(ReduceOp op, const T* in, void* out, DType out_dtype, const Columns s, const Walk<2> kept,
                   const Walk<1> down) {
  using A = Total<T>;
  WEFT_SHARED(A[column_threads], shared);
  const std::uint32_t x = threadIdx.x % s.across, y = threadIdx.x / s.across, height = column_threads / s.across;
  const std::uint32_t result = blockIdx.x * s.across + x;
  const std::uint32_t begin = blockIdx.y * s.slice_rows;
  const std::uint32_t end = s.rows - begin < s.slice_rows ? s.rows : begin + s.slice_rows;
  std::int64_t at[2] = {};
  A total = start_of<A>(op);
  if (result < s.results) {
    kept.offsets(result, at);
    const T* column = in + at[0];
    constexpr unsigned ahead = 8;
    for (std::uint32_t row = begin + y; row < end; row += ahead * height) {
      A value[ahead];
#pragma unroll
      for (unsigned u = 0; u < ahead; ++u) {
        const std::uint32_t r = row + u * height;
        value[u] = r < end ? static_cast<A>(load(column + down.offset(r))) : start_of<A>(op);
      }
#pragma unroll
      for (unsigned u = 0; u < ahead; ++u) {
        A one[1] = {total};
        const A next[1] = {value[u]};
        join_packs(op, one, next);
        total = one[0];
      }
    }
  }
  shared[threadIdx.x] = total;
  for (std::uint32_t half = height / 2; half > 0; half /= 2) {
    __syncthreads();
    if (y < half) shared[threadIdx.x] = join(op, shared[threadIdx.x], shared[threadIdx.x + half * s.across]);
  }
  if (y != 0 || result >= s.results) return;
  const std::int64_t to = s.sliced ? static_cast<std::int64_t>(blockIdx.y) * s.results + result : at[1];
  store_total(out, out_dtype, to, shared[x]);
}

std::uint32_t power_of_two(std::int64_t n, std::uint32_t most) {
  std::uint32_t p = 1;
  while (p < most && p < n) p *= 2;
  return p;
}

/// The axes of `in` that stay and those that are reduced, each with as few as the strides allow, in logical order.
struct Split {
  StridedLoop<2> kept;
  StridedLoop<1> along;
  std::int64_t results = 1, elements = 1;
  std::int64_t inner = 1;  ///< results behind the last reduced axis
};

Split split_axes(const TensorView& in, const TensorView& out) {
  Split split;
  Shape kept, along;
  Strides kept_in, kept_out, along_in;
  for (int i = 0; i < in.rank(); ++i) {
    if (in.shape[i] == 1) continue;
    if (out.shape[i] == in.shape[i]) {
      kept.push_back(in.shape[i]);
      kept_in.push_back(in.strides[i]);
      kept_out.push_back(out.strides[i]);
      split.inner *= in.shape[i];
    } else {
      along.push_back(in.shape[i]);
      along_in.push_back(in.strides[i]);
      split.inner = 1;
    }
  }
  split.kept = collapse<2>(kept, {&kept_in, &kept_out}, AxisOrder::logical);
  split.along = collapse<1>(along, {&along_in}, AxisOrder::logical);
  split.results = kept.numel();
  split.elements = along.numel();
  return split;
}

/// Whether every pack of a result's elements starts at a multiple of its size.
bool rows_in_packs(const TensorView& in, const Split& split, int width) {
  const std::int64_t item = static_cast<std::int64_t>(item_size(in.dtype));
  if (!in_packs(split.along, {WalkedView(in)}, width)) return false;
  const std::int64_t bytes = width * item < 16 ? width * item : 16;
  for (int axis = 0; axis < split.kept.rank; ++axis) {
    if (split.kept.extent[axis] != 1 && split.kept.stride[0][axis] * item % bytes != 0) return false;
  }
  return true;
}

/// A view of `axis` from `first`, `n` long.
TensorView part_of(TensorView view, int axis, std::int64_t first, std::int64_t n) {
  view.data = view.as<char>() + first * view.strides[axis] * static_cast<std::int64_t>(item_size(view.dtype));
  view.shape[axis] = n;
  return view;
}

template <class T>
void reduce_columns(CudaBackend& backend, ReduceOp op, const TensorView& in, const TensorView& out,
                    const Split& split) {
  using A = Total<T>;
  const std::uint32_t across = power_of_two(split.inner, 32), height = column_threads / across;
  const std::int64_t whole = most_per_thread * height;
  const std::int64_t slice =
      split.elements <= whole ? split.elements : std::max<std::int64_t>(whole / 2, (split.elements + 65534) / 65535);
  const unsigned slices = static_cast<unsigned>((split.elements + slice - 1) / slice);
  const Columns s = {static_cast<std::uint32_t>(split.results), static_cast<std::uint32_t>(split.elements),
                     static_cast<std::uint32_t>(slice), across, slices > 1};
  const LaunchShape shape = {dim3(blocks_of(split.results, across), slices), column_threads};
  const auto kept = walk_of(split.kept, 1);
  const auto down = walk_of(split.along, 1);
  if (slices == 1) {
    return launch(columns_kernel<T>, shape, backend.stream(), op, in.as<const T>(), out.data, out.dtype, s, kept, down);
  }
  const Scratch partial(backend, dtype_of<A>, {slices, split.results});
  launch(columns_kernel<T>, shape, backend.stream(), op, in.as<const T>(), partial.view().data, dtype_of<A>, s, kept,
         down);
  // [slices, results] -> out, whose kept axes are walked in the same order
  Split rest;
  rest.kept = split.kept;
  std::int64_t step = 1;
  for (int axis = rest.kept.rank - 1; axis >= 0; --axis) {
    rest.kept.stride[0][axis] = step;
    step *= rest.kept.extent[axis];
  }
  rest.along.rank = 1;
  rest.along.extent[0] = slices;
  rest.along.stride[0][0] = split.results;
  rest.results = split.results;
  rest.elements = slices;
  rest.inner = split.inner;
  reduce_columns<A>(backend, op, partial, out, rest);
}

template <class T>
void reduce_rows(CudaBackend& backend, ReduceOp op, const TensorView& in, const TensorView& out, const Split& split) {
  using A = Total<T>;
  constexpr int V = reduce_width<T>;
  const bool packed = rows_in_packs(in, split, V);
  if (!packed && split.along.rank > 1 && split.elements > most_units) {
    const Scratch dense(backend, in.dtype, in.shape);
    backend.copy(in, dense);
    return reduce_rows<T>(backend, op, dense, out, split_axes(dense, out));
  }
  Rows s;
  const std::int64_t packs = (split.elements + V - 1) / V;
  s.rows = static_cast<std::uint32_t>(split.results);
  s.packs = static_cast<std::uint32_t>(packs);
  s.last = static_cast<std::int32_t>((split.elements - 1) % V + 1);
  s.chunk_packs = split.elements > 2 * chunk ? static_cast<std::uint32_t>(chunk / V) : s.packs;
  s.chunks = static_cast<std::uint32_t>((packs + s.chunk_packs - 1) / s.chunk_packs);
  s.group =
      packs > 256 ? static_cast<std::int32_t>(reduce_threads) : static_cast<std::int32_t>(power_of_two(packs, 32));
  s.packed = packed;
  const unsigned groups = reduce_threads / static_cast<unsigned>(s.group);
  const LaunchShape shape = {blocks_of(split.results * s.chunks, groups), reduce_threads};
  const auto kept = walk_of(split.kept, 1);
  const auto along = walk_of(split.along, packed ? V : 1);
  if (s.chunks == 1) {
    return launch(rows_kernel<T>, shape, backend.stream(), op, in.as<const T>(), out.data, out.dtype, s, kept, along);
  }
  const Scratch partial(backend, dtype_of<A>, {split.results, s.chunks});
  launch(rows_kernel<T>, shape, backend.stream(), op, in.as<const T>(), partial.view().data, dtype_of<A>, s, kept,
         along);
  Split rest;
  rest.kept = split.kept;
  std::int64_t step = s.chunks;
  for (int axis = rest.kept.rank - 1; axis >= 0; --axis) {
    rest.kept.stride[0][axis] = step;
    step *= rest.kept.extent[axis];
  }
  rest.along.rank = 1;
  rest.along.extent[0] = s.chunks;
  rest.along.stride[0][0] = 1;
  rest.results = split.results;
  rest.elements = s.chunks;
  reduce_rows<A>(backend, op, partial, out, rest);
}

}  // namespace

void CudaBackend::reduce(ReduceOp op, const TensorView& in, const TensorView& out) {
  if (!supports(op, in.dtype)) refuse_dtype(weft::name(op), in.dtype);
  if (const auto rung = state_.reduce_kernel.load(std::memory_order_relaxed);
      rung != ladder::ReduceKernel::automatic && op == ReduceOp::sum && in.dtype == DType::float32 &&
      ladder::sum(*this, rung, in, out)) {
    return;
  }
  const Split split = split_axes(in, out);
  if (split.results > most_units) {  // as many results at a time as 32-bit numbers are enough for
    for (int axis = 0; axis < in.rank(); ++axis) {
      if (in.shape[axis] < 2 || out.shape[axis] != in.shape[axis]) continue;
      const std::int64_t half = in.shape[axis] / 2, rest = in.shape[axis] - half;
      reduce(op, part_of(in, axis, 0, half), part_of(out, axis, 0, half));
      return reduce(op, part_of(in, axis, half, rest), part_of(out, axis, half, rest));
    }
  }
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if (split.elements == 1 || split.inner == 1) {
      reduce_rows<T>(*this, op, in, out, split);
    } else {
      reduce_columns<T>(*this, op, in, out, split);
    }
  });
}

}  // namespace weft::backends::cuda
