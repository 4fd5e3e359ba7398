#pragma once
// Private, host: from shapes and strides to the Walk a kernel follows.

#include <cstdint>

#include <weft/backends/common/strided.h>
#include <weft/backends/op_args.h>
#include <weft/backends/cuda/device/strided.cuh>

namespace weft::backends::cuda {

/// What the choice between packs and single elements looks at. A number has null data.
struct WalkedView {
  WalkedView(const TensorView& view)  // NOLINT(google-explicit-constructor)
      : data(view.data), item(static_cast<std::int64_t>(item_size(view.dtype))), strides(view.strides) {}
  WalkedView(const TensorView& view, const Strides& other) : WalkedView(view) { strides = other; }
  WalkedView(const Argument& argument)  // NOLINT(google-explicit-constructor)
      : WalkedView(argument.view) {
    if (argument.is_number) {
      data = nullptr;
      strides = Strides::filled(max_rank, 0);
    }
  }

  const void* data;
  std::int64_t item;
  Strides strides;
};

inline constexpr std::int64_t most_units = std::int64_t{1} << 30;  // what Divider and 32-bit thread numbers allow

/// Whether every view can be read and written in packs of `width`, or repeats one element along the innermost axis.
template <int N>
bool in_packs(const StridedLoop<N>& loop, const WalkedView (&views)[N], int width) {
  const int inner = loop.rank - 1;
  if (loop.stride[N - 1][inner] != 1 || (loop.rank > 1 && loop.extent[inner] % width != 0)) return false;
  for (int k = 0; k < N; ++k) {
    const std::int64_t step = loop.stride[k][inner];
    if (step == 0 || views[k].data == nullptr) continue;
    if (step != 1) return false;
    const std::int64_t bytes = width * views[k].item < 16 ? width * views[k].item : 16;
    if (static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(views[k].data) %
                                  static_cast<std::uintptr_t>(bytes)) != 0)
      return false;
    for (int axis = 0; axis < inner; ++axis) {
      if (loop.stride[k][axis] * views[k].item % bytes != 0) return false;
    }
  }
  return true;
}

template <int N>
Walk<N> walk_of(const StridedLoop<N>& loop, int width) {
  Walk<N> walk;
  walk.rank = loop.rank;
  const int inner = loop.rank - 1;
  std::int64_t units = 1;
  for (int axis = 0; axis <= inner; ++axis) {
    const std::int64_t extent = axis == inner ? (loop.extent[axis] + width - 1) / width : loop.extent[axis];
    walk.extent[axis] = Divider(static_cast<std::uint32_t>(extent));
    units *= extent;
    for (int k = 0; k < N; ++k) walk.stride[k][axis] = loop.stride[k][axis] * (axis == inner ? width : 1);
  }
  for (int k = 0; k < N; ++k) walk.along[k] = loop.stride[k][inner] != 0;
  walk.units = static_cast<std::uint32_t>(units);
  walk.last = static_cast<std::int32_t>((loop.extent[inner] - 1) % width + 1);
  return walk;
}

/// Calls f(walk) for the loop, cut into pieces that 32-bit numbers of units are enough for.
template <int N, class F>
void for_walks(StridedLoop<N> loop, int width, const std::int64_t (&start)[N], std::int64_t first_unit, const F& f) {
  std::int64_t units = (loop.extent[loop.rank - 1] + width - 1) / width;
  for (int axis = 0; axis + 1 < loop.rank; ++axis) units *= loop.extent[axis];
  if (units <= most_units) {
    Walk<N> walk = walk_of(loop, width);
    for (int k = 0; k < N; ++k) walk.start[k] = start[k];
    walk.first_unit = first_unit;
    return f(walk);
  }
  const std::int64_t whole = loop.extent[0];
  const std::int64_t half = loop.rank > 1 ? whole / 2 : whole / width / 2 * width;
  StridedLoop<N> part = loop;
  part.extent[0] = half;
  if (loop.rank > 1 && half == 0) {  // an axis of extent 1 cannot be cut: the next one is
    for (int axis = 0; axis + 1 < loop.rank; ++axis) {
      part.extent[axis] = loop.extent[axis + 1];
      for (int k = 0; k < N; ++k) part.stride[k][axis] = loop.stride[k][axis + 1];
    }
    --part.rank;
    return for_walks(part, width, start, first_unit, f);
  }
  for_walks(part, width, start, first_unit, f);
  std::int64_t next[N];
  for (int k = 0; k < N; ++k) next[k] = start[k] + half * loop.stride[k][0];
  part.extent[0] = whole - half;
  const std::int64_t done = loop.rank > 1 ? units / whole * half : half / width;
  for_walks(part, width, next, first_unit + done, f);
}

}  // namespace weft::backends::cuda
