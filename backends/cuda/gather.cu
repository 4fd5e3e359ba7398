#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/sort.h>
#include <weft/backends/cuda/device/elementwise.cuh>
#include <weft/backends/cuda/device/report.cuh>

// gather is elementwise over `out`: where one index serves a run of neighbours (rows: embedding, index_select), in
// packs. scatter_add goes two ways, to the same bits: a thread down each line, in the order of the indices; or, where
// lines are long and few, the indices are sorted and each place of `inout` adds up what belongs to it, again in order.
// Both look at every index in a launch of their own first, and write nothing while an error is pending.

namespace weft::backends::cuda {
namespace {

using composed::Scratch;

struct Index {
  const void* data;
  bool wide;  ///< int64, else int32

  explicit Index(const TensorView& view) : data(view.data), wide(view.dtype == DType::int64) {}
  __device__ std::int64_t operator[](std::int64_t at) const {
    if (wide) return static_cast<const std::int64_t*>(data)[at];
    return static_cast<const std::int32_t*>(data)[at];
  }
};

/// The strides of all axes but the one that is indexed: where a line starts, not where in the line to look.
Strides without(const Strides& strides, int axis) {
  Strides others = strides;
  others[axis] = 0;
  return others;
}

template <class B>
struct Gather {
  static constexpr int views = 3, width = pack_width<B>, unroll = 2;
  Source<B> in;
  Index index;
  B* out;
  std::int64_t step, limit;
  Reporter reporter;

  template <int V>
  struct Registers {
    B x[V];
  };
  template <int V>
  __device__ void load(const Walk<3>& walk, const std::int64_t (&at)[3], int count, Registers<V>& r) const {
    const std::int64_t i = index[at[1]];
    if (i < 0 || i >= limit) {
      report(reporter, Complaint::index, i, limit, at[1]);
#pragma unroll
      for (int j = 0; j < V; ++j) r.x[j] = B{};
      return;
    }
    in.template load<V>(walk.along[0], at[0] + i * step, count, r.x);
  }
  template <int V>
  __device__ void finish(const Walk<3>&, const std::int64_t (&at)[3], int count, std::int64_t, Registers<V>& r) const {
    store_pack<V>(out + at[2], count, r.x);
  }
};

// ---- scatter_add

inline constexpr unsigned scatter_threads = 256;

__global__ void __launch_bounds__(scatter_threads)
    check_kernel(const Index index, std::int64_t limit, const Reporter reporter, const Walk<1> walk) {
  const std::uint32_t entry = blockIdx.x * scatter_threads + threadIdx.x;
  if (entry >= walk.units) return;
  const std::int64_t at = walk.offset(entry), value = index[at];
  if (value < 0 || value >= limit) report(reporter, Complaint::index, value, limit, at);
}

template <class T>
struct Lines {
  const T* from;
  T* inout;
  std::int64_t from_step, index_step, inout_step;
  std::int64_t length;
};

/// A thread adds a line up in the order of its indices. For 16-bit types only where a line has one: sums are rounded
/// once.
template <class T>
__global__ void __launch_bounds__(scatter_threads)
    scatter_lines_kernel(const Lines<T> v, const Index index, const Reporter reporter, const Walk<3> lines) {
  const std::uint32_t line = blockIdx.x * scatter_threads + threadIdx.x;
  if (line >= lines.units || raised(reporter)) return;
  std::int64_t at[3];
  lines.offsets(line, at);
  for (std::int64_t i = 0; i < v.length; ++i) {
    T* target = v.inout + at[2] + index[at[1] + i * v.index_step] * v.inout_step;
    store(target, plus(load(target), load(v.from + at[0] + i * v.from_step)));
  }
}

/// How entries (the different indices, in logical order) turn into places of `inout`, and back: an entry is
/// (before, i, behind) with i along the axis.
struct Places {
  std::int64_t length;  ///< along the axis, of the indices
  std::int64_t limit;   ///< along the axis, of `inout`
  std::int64_t behind;  ///< different entries behind the axis
};

__global__ void __launch_bounds__(scatter_threads)
    scatter_keys_kernel(const Index index, const Places p, SortKey* keys, std::int64_t all, const Reporter reporter,
                        const Walk<1> walk) {
  const std::int64_t entry = static_cast<std::int64_t>(blockIdx.x) * scatter_threads + threadIdx.x;
  if (entry >= all) return;
  if (entry >= walk.units) {
    keys[entry] = after_all;
    return;
  }
  const std::int64_t at = walk.offset(static_cast<std::uint32_t>(entry)), value = index[at];
  if (value < 0 || value >= p.limit) {
    report(reporter, Complaint::index, value, p.limit, at);
    keys[entry] = after_all;
    return;
  }
  const std::int64_t rest = entry / p.behind, behind = entry - rest * p.behind, before = rest / p.length;
  keys[entry] = {static_cast<std::uint64_t>((before * p.limit + value) * p.behind + behind),
                 static_cast<std::uint32_t>(entry), 0};
}

/// (entry, column): the thread of a place's first entry adds the others to it. `across` threads share an entry.
template <class T>
__global__ void __launch_bounds__(scatter_threads)
    scatter_sorted_kernel(const SortKey* keys, std::uint32_t entries, const T* from, T* inout, std::uint32_t columns,
                          std::uint32_t across, std::uint32_t column_blocks, const Reporter reporter,
                          const Walk<1> entry_walk, const Walk<1> place_walk, const Walk<2> column_walk) {
  if (raised(reporter)) return;
  const std::uint32_t number = blockIdx.x / column_blocks, column_block = blockIdx.x - number * column_blocks;
  const std::uint32_t entry = number * (scatter_threads / across) + threadIdx.x / across;
  const std::uint32_t column = column_block * across + threadIdx.x % across;
  if (entry >= entries || column >= columns) return;
  const std::uint64_t place = keys[entry].key;
  if (entry > 0 && keys[entry - 1].key == place) return;
  std::int64_t at[2];
  column_walk.offsets(column, at);
  T* target = inout + place_walk.offset(static_cast<std::uint32_t>(place)) + at[1];
  Compute<T> total = load(target);
  for (std::uint32_t e = entry; e < entries; ++e) {
    const SortKey key = keys[e];
    if (key.key != place) break;
    total = plus(total, load(from + entry_walk.offset(key.position) + at[0]));
  }
  store(target, total);
}

/// One view's strides on the axes that are wanted.
struct Axes {
  Shape shape;
  Strides strides;
  void add(std::int64_t extent, std::int64_t stride) {
    shape.push_back(extent);
    strides.push_back(stride);
  }
  Walk<1> walk() const { return walk_of(collapse<1>(shape, {&strides}, AxisOrder::logical), 1); }
};

bool sort_pays(const TensorView& from, int axis) {
  const std::int64_t length = from.shape[axis], lines = from.numel() / length;
  if (length == 1) return false;
  const bool half = from.dtype == DType::float16 || from.dtype == DType::bfloat16;
  return half || (length > 64 && lines < 16384);
}

/// The indices as they differ: an axis along which they only repeat is a column.
struct Sorted {
  Axes index, from, place;
  Shape columns;
  Strides from_columns, inout_columns;
  Places places = {1, 1, 1};
  std::int64_t entries = 1, column_count = 1, place_count = 1;

  Sorted(const TensorView& source, int axis, const TensorView& indices, const TensorView& inout) {
    places.length = source.shape[axis];
    places.limit = inout.shape[axis];
    for (int i = 0; i < source.rank(); ++i) {
      const std::int64_t extent = source.shape[i];
      if (i != axis && (indices.strides[i] == 0 || extent == 1)) {
        columns.push_back(extent);
        from_columns.push_back(source.strides[i]);
        inout_columns.push_back(inout.strides[i]);
        column_count *= extent;
        continue;
      }
      index.add(extent, indices.strides[i]);
      from.add(extent, source.strides[i]);
      place.add(i == axis ? places.limit : extent, inout.strides[i]);
      entries *= extent;
      place_count *= i == axis ? places.limit : extent;
      if (i > axis) places.behind *= extent;
    }
  }
  bool fits() const {
    return entries <= most_units / 4 && place_count <= most_units && column_count <= most_units &&
           entries * column_count <= (std::int64_t{1} << 38);
  }
};

template <class T>
void scatter_sorted(CudaBackend& backend, const TensorView& from, const TensorView& index, const TensorView& inout,
                    const Sorted& s) {
  std::int64_t padded = 1;
  while (padded < s.entries) padded *= 2;
  const Scratch memory(backend, DType::uint8, {padded * static_cast<std::int64_t>(sizeof(SortKey))});
  SortKey* keys = memory.view().as<SortKey>();
  launch(scatter_keys_kernel, {blocks_of(padded, scatter_threads), scatter_threads}, backend.stream(), Index(index),
         s.places, keys, padded, backend.reporter(), s.index.walk());
  sort_lines(backend, keys, 1, padded);
  std::uint32_t across = 1;
  while (across < scatter_threads && across < s.column_count) across *= 2;
  const std::int64_t column_blocks = (s.column_count + across - 1) / across;
  const std::int64_t entry_blocks = (s.entries * across + scatter_threads - 1) / scatter_threads;
  launch(scatter_sorted_kernel<T>, {static_cast<unsigned>(entry_blocks * column_blocks), scatter_threads},
         backend.stream(), keys, s.entries, from.as<const T>(), inout.as<T>(), s.column_count, across, column_blocks,
         backend.reporter(), s.from.walk(), s.place.walk(),
         walk_of(collapse<2>(s.columns, {&s.from_columns, &s.inout_columns}, AxisOrder::logical), 1));
}

template <class T>
void scatter_lines(CudaBackend& backend, const TensorView& from, int axis, const TensorView& index,
                   const TensorView& inout) {
  Axes different;
  for (int i = 0; i < index.rank(); ++i) {
    if (index.strides[i] != 0) different.add(index.shape[i], index.strides[i]);
  }
  const std::int64_t origin[1] = {};
  for_walks(collapse<1>(different.shape, {&different.strides}, AxisOrder::logical), 1, origin, 0,
            [&](const Walk<1>& walk) {
              launch(check_kernel, {blocks_of(walk.units, scatter_threads), scatter_threads}, backend.stream(),
                     Index(index), inout.shape[axis], backend.reporter(), walk);
            });
  Shape shape = from.shape;
  shape[axis] = 1;
  const Lines<T> v = {from.as<const T>(),  inout.as<T>(),       from.strides[axis],
                      index.strides[axis], inout.strides[axis], from.shape[axis]};
  const std::int64_t start[3] = {};
  for_walks(collapse<3>(shape, {&from.strides, &index.strides, &inout.strides}), 1, start, 0,
            [&](const Walk<3>& lines) {
              launch(scatter_lines_kernel<T>, {blocks_of(lines.units, scatter_threads), scatter_threads},
                     backend.stream(), v, Index(index), backend.reporter(), lines);
            });
}

}  // namespace

void CudaBackend::gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) {
  const WalkedView views[3] = {{in, without(in.strides, axis)}, index, out};
  dispatch_bits(out.dtype, [&](auto type) {
    using B = typename decltype(type)::type;
    const Gather<B> f = {source_of<B>(in), Index(index), out.as<B>(), in.strides[axis], in.shape[axis], reporter()};
    const StridedLoop<3> loop = collapse<3>(out.shape, {&views[0].strides, &views[1].strides, &views[2].strides});
    const std::int64_t bytes = static_cast<std::int64_t>(f.width * sizeof(B));
    const bool steps_in_packs =
        in.strides[axis] * static_cast<std::int64_t>(sizeof(B)) % (bytes < 16 ? bytes : 16) == 0;
    if (loop.inner_stride(1) == 0 && steps_in_packs && in_packs(loop, views, f.width)) {
      return launch_elementwise<Gather<B>::width>(*this, f, loop);
    }
    launch_elementwise<1>(*this, f, loop);
  });
}

void CudaBackend::scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) {
  if (inout.dtype == DType::boolean) refuse_dtype("scatter_add", inout.dtype);
  dispatch_numbers(inout.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if (sort_pays(from, axis)) {
      const Sorted s(from, axis, index, inout);
      if (s.fits()) return scatter_sorted<T>(*this, from, index, inout, s);
    }
    if constexpr (is_half<T>) {
      if (from.shape[axis] > 1) {  // summed in float32, rounded once
        composed::Output wide(*this, inout, DType::float32, true);
        const composed::Input source(*this, from, DType::float32);
        scatter_add(source, axis, index, wide);
        return wide.finish();
      }
    }
    scatter_lines<T>(*this, from, axis, index, inout);
  });
}

}  // namespace weft::backends::cuda
