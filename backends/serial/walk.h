#pragma once
// Visits every element of a shape in row-major order, one index after the other, and hands over where it lies in each
// of several views: walk(shape, {&a.strides, &b.strides}, [&](const std::int64_t* at) { pa[at[0]] = pb[at[1]]; }).

#include <cstdint>

#include <weft/core/shape.h>

namespace weft::backends::serial {

template <int N, class F>
void walk(const Shape& shape, const Strides* const (&strides)[N], F f) {
  const int rank = shape.rank();
  for (std::int64_t extent : shape) {
    if (extent == 0) return;
  }
  std::int64_t at[N] = {};
  if (rank == 0) return f(static_cast<const std::int64_t*>(at));
  std::int64_t index[max_rank] = {};
  const int last = rank - 1;
  for (;;) {
    std::int64_t here[N];
    for (int k = 0; k < N; ++k) here[k] = at[k];
    for (std::int64_t i = 0; i < shape[last]; ++i) {
      f(static_cast<const std::int64_t*>(here));
      for (int k = 0; k < N; ++k) here[k] += (*strides[k])[last];
    }
    int axis = last - 1;
    for (; axis >= 0; --axis) {
      for (int k = 0; k < N; ++k) at[k] += (*strides[k])[axis];
      if (++index[axis] < shape[axis]) break;
      for (int k = 0; k < N; ++k) at[k] -= (*strides[k])[axis] * shape[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

}  // namespace weft::backends::serial
