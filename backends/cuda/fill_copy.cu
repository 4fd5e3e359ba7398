#include <bit>

#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/device/elementwise.cuh>

// Copies within a dtype move bits; casts have one kernel to a target dtype, the source's is a run-time switch, taken
// once for a pack. A copy that reads along one axis and writes along another goes through tiles in shared memory.

namespace weft::backends::cuda {
namespace {

template <class B>
struct Fill {
  static constexpr int views = 1, width = pack_width<B>, unroll = 2;
  B value;
  B* out;

  template <int V>
  struct Registers {};
  template <int V>
  __device__ void load(const Walk<1>&, const std::int64_t (&)[1], int, Registers<V>&) const {}
  template <int V>
  __device__ void finish(const Walk<1>&, const std::int64_t (&at)[1], int count, std::int64_t, Registers<V>&) const {
    B all[V];
#pragma unroll
    for (int j = 0; j < V; ++j) all[j] = value;
    store_pack<V>(out + at[0], count, all);
  }
};

template <class B>
struct Move {
  static constexpr int views = 2, width = pack_width<B>, unroll = 2;
  Source<B> in;
  B* out;

  template <int V>
  struct Registers {
    B x[V];
  };
  template <int V>
  __device__ void load(const Walk<2>& walk, const std::int64_t (&at)[2], int count, Registers<V>& r) const {
    in.template load<V>(walk.along[0], at[0], count, r.x);
  }
  template <int V>
  __device__ void finish(const Walk<2>&, const std::int64_t (&at)[2], int count, std::int64_t, Registers<V>& r) const {
    store_pack<V>(out + at[1], count, r.x);
  }
};

/// As Number::to, for a float of either width.
template <class To, class From>
__device__ inline To saturate(From value) {
  if (!(value == value)) return To{0};
  constexpr To lowest = std::is_signed_v<To> ? static_cast<To>(To{1} << (sizeof(To) * 8 - 1)) : To{0};
  constexpr To highest = static_cast<To>(~lowest);
  if (value <= static_cast<From>(lowest)) return lowest;
  if (value >= static_cast<From>(highest)) return highest;
  return static_cast<To>(value);
}

/// From what an element is loaded as to what one is stored from: floats saturate and NaN becomes 0, integers keep the
/// low bits, to bool is != 0; 16-bit types are rounded from float32, of which a double is made first.
template <class To, class From>
__device__ inline Compute<To> cast(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (is_whole<To> && std::is_floating_point_v<From>) {
    return saturate<To>(value);
  } else {
    return static_cast<Compute<To>>(value);
  }
}

template <class To>
struct Cast {
  static constexpr int views = 2, width = pack_width<To> < 4 ? 4 : pack_width<To>, unroll = 1;
  const void* in;
  DType from;
  To* out;

  template <int V>
  struct Registers {
    Compute<To> x[V];
  };

  template <class From, int V>
  __device__ void load_as(const Walk<2>& walk, const std::int64_t (&at)[2], int count, Registers<V>& r) const {
    Compute<From> x[V];
    Source<From>{static_cast<const From*>(in), {}}.template load<V>(walk.along[0], at[0], count, x);
#pragma unroll
    for (int j = 0; j < V; ++j) r.x[j] = cast<To>(x[j]);
  }

  template <int V>
  __device__ void load(const Walk<2>& walk, const std::int64_t (&at)[2], int count, Registers<V>& r) const {
    switch (from) {
      case DType::float32:
        return load_as<float>(walk, at, count, r);
      case DType::float64:
        return load_as<double>(walk, at, count, r);
      case DType::float16:
        return load_as<float16>(walk, at, count, r);
      case DType::bfloat16:
        return load_as<bfloat16>(walk, at, count, r);
      case DType::int64:
        return load_as<std::int64_t>(walk, at, count, r);
      case DType::int32:
        return load_as<std::int32_t>(walk, at, count, r);
      case DType::uint8:
        return load_as<std::uint8_t>(walk, at, count, r);
      case DType::boolean:
        return load_as<bool>(walk, at, count, r);
    }
  }
  template <int V>
  __device__ void finish(const Walk<2>&, const std::int64_t (&at)[2], int count, std::int64_t, Registers<V>& r) const {
    store_pack<V>(out + at[1], count, r.x);
  }
};

// ---- transposes

inline constexpr int tile = 32, tile_rows = 8;

/// `along_in` and `along_out` are the axes whose neighbours lie side by side in either view; the other axes are the
/// batch's. One block moves one tile, read along one axis and written along the other.
struct Tiles {
  std::int64_t rows, columns;  ///< extents of along_in and along_out
  std::int64_t in_step;        ///< from one column to the next in `in`
  std::int64_t out_step;       ///< from one row to the next in `out`
  std::uint32_t rows_of_tiles, columns_of_tiles;
  std::uint32_t blocks;
};

template <class B>
__global__ void __launch_bounds__(tile* tile_rows)
    transpose_kernel(const B* in, B* out, const Tiles t, const Walk<2> batch) {
  WEFT_SHARED(B[tile][tile + 1], held);
  std::uint32_t rest = blockIdx.x;
  const std::uint32_t column_tile = rest % t.columns_of_tiles;
  rest /= t.columns_of_tiles;
  const std::uint32_t row_tile = rest % t.rows_of_tiles;
  std::int64_t at[2];
  batch.offsets(rest / t.rows_of_tiles, at);
  const std::int64_t row = static_cast<std::int64_t>(row_tile) * tile,
                     column = static_cast<std::int64_t>(column_tile) * tile;
  const int x = static_cast<int>(threadIdx.x % tile), y = static_cast<int>(threadIdx.x / tile);
#pragma unroll
  for (int j = y; j < tile; j += tile_rows) {
    if (row + x < t.rows && column + j < t.columns) held[j][x] = in[at[0] + (row + x) + (column + j) * t.in_step];
  }
  __syncthreads();
#pragma unroll
  for (int j = y; j < tile; j += tile_rows) {
    if (row + j < t.rows && column + x < t.columns) out[at[1] + (row + j) * t.out_step + (column + x)] = held[x][j];
  }
}

/// Whether a copy reads along one axis and writes along another, both long enough for tiles; then it is done.
template <class B>
bool transposed(const CudaBackend& backend, const TensorView& in, const TensorView& out) {
  const StridedLoop<2> loop = collapse<2>(out.shape, {&in.strides, &out.strides});
  const int last = loop.rank - 1;
  if (loop.rank < 2 || loop.stride[1][last] != 1 || loop.stride[0][last] == 1 || loop.extent[last] < tile / 2)
    return false;
  for (int axis = 0; axis < last; ++axis) {
    if (loop.stride[0][axis] != 1 || loop.extent[axis] < tile / 2) continue;
    StridedLoop<2> batch;
    for (int other = 0; other < last; ++other) {
      if (other == axis) continue;
      batch.extent[batch.rank] = loop.extent[other];
      for (int k = 0; k < 2; ++k) batch.stride[k][batch.rank] = loop.stride[k][other];
      ++batch.rank;
    }
    if (batch.rank == 0) {
      batch.rank = 1;
      batch.extent[0] = 1;
    }
    const std::int64_t row_tiles = (loop.extent[axis] + tile - 1) / tile,
                       column_tiles = (loop.extent[last] + tile - 1) / tile;
    const std::int64_t blocks = row_tiles * column_tiles * batch.numel();
    if (blocks > most_units) return false;
    const Tiles tiles = {loop.extent[axis],
                         loop.extent[last],
                         loop.stride[0][last],
                         loop.stride[1][axis],
                         static_cast<std::uint32_t>(row_tiles),
                         static_cast<std::uint32_t>(column_tiles),
                         static_cast<std::uint32_t>(blocks)};
    launch(transpose_kernel<B>, {static_cast<unsigned>(blocks), static_cast<unsigned>(tile * tile_rows)},
           backend.stream(), in.as<const B>(), out.as<B>(), tiles, walk_of(batch, 1));
    return true;
  }
  return false;
}

}  // namespace

void CudaBackend::fill(const TensorView& out, Number value) {
  dispatch(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const T filling = value.to<T>();
    dispatch_bits(out.dtype, [&](auto bits_type) {
      using B = typename decltype(bits_type)::type;
      if constexpr (sizeof(B) == sizeof(T)) {
        elementwise(*this, Fill<B>{std::bit_cast<B>(filling), out.as<B>()}, out.shape, {out});
      }
    });
  });
}

void CudaBackend::copy(const TensorView& in, const TensorView& out) {
  if (in.dtype == out.dtype && in.dtype != DType::boolean) {
    return dispatch_bits(out.dtype, [&](auto type) {
      using B = typename decltype(type)::type;
      if (transposed<B>(*this, in, out)) return;
      elementwise(*this, Move<B>{source_of<B>(in), out.as<B>()}, out.shape, {in, out});
    });
  }
  dispatch(out.dtype, [&](auto type) {
    using To = typename decltype(type)::type;
    elementwise(*this, Cast<To>{in.data, in.dtype, out.as<To>()}, out.shape, {in, out});
  });
}

}  // namespace weft::backends::cuda
