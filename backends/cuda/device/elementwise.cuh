#pragma once
// Private: the one launcher of everything elementwise.
//
// A function object says what happens to a pack of V elements:
//
//   static constexpr int views, width, unroll;     its last view is the output
//   template <int V> struct Registers;             what it holds of a pack
//   template <int V> void load(walk, at, count, Registers<V>&) const;
//   template <int V> void finish(walk, at, count, unit, Registers<V>&) const;
//
// `at` is where the pack starts in each view, count <= V how many of its elements there are, unit its number in the
// order of the walk. Packs are `width` elements, as wide as 16-byte accesses make them, where all views have neighbours
// along the innermost axis or repeat one element; otherwise V is 1. All packs of a thread are loaded before the first
// is finished, so that enough bytes are under way; an output may therefore be an input, and nothing else may overlap.

#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/walk.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/element.cuh>
#include <weft/backends/cuda/device/strided.cuh>

namespace weft::backends::cuda {

inline constexpr unsigned elementwise_threads = 256;

/// Elements to a pack where the widest view has T.
template <class T>
inline constexpr int pack_width = sizeof(T) == 1 ? 8 : static_cast<int>(16 / sizeof(T));

template <class F, int V>
inline constexpr unsigned packs_to_a_thread = V == 1 ? 4 : F::unroll;

template <class F, int V>
__global__ void __launch_bounds__(elementwise_threads) elementwise_kernel(const F f, const Walk<F::views> walk) {
  constexpr unsigned unroll = packs_to_a_thread<F, V>;
  const unsigned first = blockIdx.x * (elementwise_threads * unroll) + threadIdx.x;
  std::int64_t at[unroll][F::views];
  typename F::template Registers<V> held[unroll];
#pragma unroll
  for (unsigned u = 0; u < unroll; ++u) {
    const unsigned unit = first + u * elementwise_threads;
    if (unit >= walk.units) break;
    walk.offsets(unit, at[u]);
    f.template load<V>(walk, at[u], unit + 1 == walk.units ? walk.last : V, held[u]);
  }
#pragma unroll
  for (unsigned u = 0; u < unroll; ++u) {
    const unsigned unit = first + u * elementwise_threads;
    if (unit >= walk.units) break;
    f.template finish<V>(walk, at[u], unit + 1 == walk.units ? walk.last : V, walk.first_unit + unit, held[u]);
  }
}

template <int V, class F>
void launch_elementwise(const CudaBackend& backend, const F& f, const StridedLoop<F::views>& loop) {
  const std::int64_t start[F::views] = {};
  for_walks(loop, V, start, 0, [&](const Walk<F::views>& walk) {
    const unsigned blocks = blocks_of(walk.units, elementwise_threads * packs_to_a_thread<F, V>);
    launch(elementwise_kernel<F, V>, {blocks, elementwise_threads}, backend.stream(), f, walk);
  });
}

/// `views` in the order of F; one shape for all. AxisOrder::logical where the position of an element counts.
template <class F>
void elementwise(const CudaBackend& backend, const F& f, const Shape& shape, const WalkedView (&views)[F::views],
                 AxisOrder order = AxisOrder::any) {
  const Strides* strides[F::views];
  for (int k = 0; k < F::views; ++k) strides[k] = &views[k].strides;
  const StridedLoop<F::views> loop = collapse<F::views>(shape, strides, order);
  if constexpr (F::width > 1) {
    if (in_packs(loop, views, F::width)) return launch_elementwise<F::width>(backend, f, loop);
  }
  launch_elementwise<1>(backend, f, loop);
}

/// An input: its elements, one element for the whole pack, or a number.
template <class T>
struct Source {
  const T* data = nullptr;
  Compute<T> number = {};

  template <int V, class C>
  __device__ void load(bool along, std::int64_t at, int count, C (&to)[V]) const {
    if (data == nullptr) {
#pragma unroll
      for (int j = 0; j < V; ++j) to[j] = static_cast<C>(number);
    } else if (V == 1 || along) {
      load_pack<V>(data + at, count, to);
    } else {
      const C one = static_cast<C>(cuda::load(data + at));
#pragma unroll
      for (int j = 0; j < V; ++j) to[j] = one;
    }
  }
};

template <class T>
Source<T> source_of(const TensorView& view) {
  return {view.as<const T>(), {}};
}
template <class T>
Source<T> source_of(const Argument& argument) {
  if (!argument.is_number) return source_of<T>(argument.view);
  return {nullptr, static_cast<Compute<T>>(argument.number.to<T>())};
}

}  // namespace weft::backends::cuda
