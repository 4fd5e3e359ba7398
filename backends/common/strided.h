#pragma once
// Private: loops over views of any strides, reduced to as few axes as possible and an innermost one to hand to a
// kernel.

#include <cstdint>

#include <weft/core/shape.h>

namespace weft::backends {

/// N views walked together; strides in elements of each view. The last axis is the innermost; rank is at least 1.
template <int N>
struct StridedLoop {
  int rank = 0;
  std::int64_t extent[max_rank] = {};
  std::int64_t stride[N][max_rank] = {};

  std::int64_t numel() const noexcept {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= extent[i];
    return n;
  }
  std::int64_t inner() const noexcept { return extent[rank - 1]; }
  std::int64_t inner_stride(int view) const noexcept { return stride[view][rank - 1]; }
};

enum class AxisOrder {
  any,     ///< axes are sorted so that the last view is walked from large strides to small: for elementwise work
  logical  ///< row-major order stays: where the position counts
};

/// Drops axes of extent 1, sorts (AxisOrder::any), and joins neighbouring axes that all views walk as one.
template <int N>
StridedLoop<N> collapse(const Shape& shape, const Strides* const (&strides)[N], AxisOrder order = AxisOrder::any) {
  StridedLoop<N> loop;
  const auto magnitude = [](std::int64_t s) { return s < 0 ? -s : s; };
  int axes[max_rank];
  int count = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    int at = count++;
    if (order == AxisOrder::any) {  // insertion sort, stable
      const std::int64_t mine = magnitude((*strides[N - 1])[i]);
      while (at > 0 && magnitude((*strides[N - 1])[axes[at - 1]]) < mine) {
        axes[at] = axes[at - 1];
        --at;
      }
    }
    axes[at] = i;
  }
  for (int a = 0; a < count; ++a) {
    const int axis = axes[a];
    bool joins = loop.rank > 0;
    for (int k = 0; k < N && joins; ++k) {
      joins = loop.stride[k][loop.rank - 1] == (*strides[k])[axis] * shape[axis];
    }
    if (!joins) {
      loop.extent[loop.rank++] = 1;
    }
    loop.extent[loop.rank - 1] *= shape[axis];
    for (int k = 0; k < N; ++k) loop.stride[k][loop.rank - 1] = (*strides[k])[axis];
  }
  if (loop.rank == 0) {
    loop.rank = 1;
    loop.extent[0] = 1;
    for (int k = 0; k < N; ++k) loop.stride[k][0] = 1;
  }
  return loop;
}

/// Calls f(offsets, n) for the innermost runs that make up elements [begin, end) of the loop; offsets[k] is where the
/// run starts in view k.
template <int N, class F>
void for_runs(const StridedLoop<N>& loop, std::int64_t begin, std::int64_t end, F f) {
  const int last = loop.rank - 1;
  std::int64_t index[max_rank];
  std::int64_t rest = begin;
  for (int i = last; i >= 0; --i) {
    index[i] = rest % loop.extent[i];
    rest /= loop.extent[i];
  }
  std::int64_t offset[N];
  for (int k = 0; k < N; ++k) {
    offset[k] = 0;
    for (int i = 0; i <= last; ++i) offset[k] += index[i] * loop.stride[k][i];
  }
  for (std::int64_t at = begin; at < end;) {
    const std::int64_t left = loop.extent[last] - index[last];
    const std::int64_t n = left < end - at ? left : end - at;
    f(static_cast<const std::int64_t*>(offset), n);
    at += n;
    if (at >= end) return;
    for (int k = 0; k < N; ++k) offset[k] -= index[last] * loop.stride[k][last];
    index[last] = 0;
    for (int i = last - 1; i >= 0; --i) {
      for (int k = 0; k < N; ++k) offset[k] += loop.stride[k][i];
      if (++index[i] < loop.extent[i]) break;
      for (int k = 0; k < N; ++k) offset[k] -= loop.stride[k][i] * loop.extent[i];
      index[i] = 0;
    }
  }
}

/// A reduction as alternating groups of kept and reduced axes, from the shapes alone: the order of a sum must not
/// depend on strides. Axes of extent 1 are dropped; neighbours of the same kind are one group.
struct ReducePlan {
  int groups = 0;
  bool reduced[max_rank] = {};
  std::int64_t extent[max_rank] = {};
  int first_axis[max_rank] = {};  ///< the axes [first_axis, end_axis) of the input make up the group
  int end_axis[max_rank] = {};

  int reduced_groups() const noexcept {
    int n = 0;
    for (int g = 0; g < groups; ++g) n += reduced[g] ? 1 : 0;
    return n;
  }
};

/// in's axes are reduced where out has extent 1 and in has not.
inline ReducePlan reduce_plan(const Shape& in, const Shape& out) {
  ReducePlan plan;
  for (int i = 0; i < in.rank(); ++i) {
    if (in[i] == 1) continue;
    const bool reduced = out[i] != in[i];
    if (plan.groups == 0 || plan.reduced[plan.groups - 1] != reduced) {
      plan.reduced[plan.groups] = reduced;
      plan.extent[plan.groups] = 1;
      plan.first_axis[plan.groups] = i;
      ++plan.groups;
    }
    plan.extent[plan.groups - 1] *= in[i];
    plan.end_axis[plan.groups - 1] = i + 1;
  }
  return plan;
}

}  // namespace weft::backends
