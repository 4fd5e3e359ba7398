#include <algorithm>

#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/runs.h>
#include <weft/backends/cpu/scratch.h>

// What goes along one axis: arg_reduce, scan, topk. Lines are independent and go to the threads; within a line the
// order is that of the positions.

namespace weft::backends::cpu {
namespace {

/// f(offsets) for the start of every line along `axis`, in parallel.
template <int N, class F>
void over_lines(const TensorView& in, int axis, const Strides* const (&strides)[N], F f) {
  Shape lines = in.shape;
  lines[axis] = 1;
  const auto loop = collapse(lines, strides);
  std::int64_t inner[N];
  for (int k = 0; k < N; ++k) inner[k] = loop.inner_stride(k);
  const std::int64_t grain = 1 + costly_grain / in.shape[axis];
  parallel_runs(loop, grain, [&](const std::int64_t* offset, std::int64_t n) {
    std::int64_t at[N];
    for (std::int64_t i = 0; i < n; ++i) {
      for (int k = 0; k < N; ++k) at[k] = offset[k] + i * inner[k];
      f(static_cast<const std::int64_t*>(at));
    }
  });
}

}  // namespace

void CpuBackend::arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) {
  const std::int64_t extent = in.shape[axis], step = in.strides[axis];
  const bool largest = op == ArgReduceOp::argmax;
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    over_lines(in, axis, {&in.strides, &out.strides}, [&](const std::int64_t* at) {
      const T* line = in.as<const T>() + at[0];
      auto best = load(line);
      std::int64_t where = 0;
      for (std::int64_t i = 1; i < extent && best == best; ++i) {  // the first NaN ends the search
        const auto x = load(line + i * step);
        if (x != x || (largest ? x > best : x < best)) {
          best = x;
          where = i;
        }
      }
      out.as<std::int64_t>()[at[1]] = where;
    });
  });
}

void CpuBackend::scan(ScanOp, const TensorView& in, int axis, const TensorView& out) {
  const std::int64_t extent = in.shape[axis], is = in.strides[axis], os = out.strides[axis];
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    using Sum = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;
    over_lines(in, axis, {&in.strides, &out.strides}, [&](const std::int64_t* at) {
      const T* from = in.as<const T>() + at[0];
      Sum* to = out.as<Sum>() + at[1];
      Compute<Sum> total = 0;
      for (std::int64_t i = 0; i < extent; ++i) {
        const auto value = static_cast<Compute<Sum>>(load(from + i * is));
        total = wrapping(total, value, [](auto p, auto q) { return p + q; });
        store(to + i * os, total);
      }
    });
  });
}

void CpuBackend::topk(const TensorView& in, int axis, bool largest, const TensorView& values,
                      const TensorView& indices) {
  const std::int64_t extent = in.shape[axis], step = in.strides[axis], k = values.shape[axis];
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    over_lines(in, axis, {&in.strides, &values.strides, &indices.strides}, [&](const std::int64_t* at) {
      const T* line = in.as<const T>() + at[0];
      const Scratch<std::int64_t> order(extent);
      for (std::int64_t i = 0; i < extent; ++i) order.data()[i] = i;
      const auto before = [&](std::int64_t i, std::int64_t j) {  // a strict order: NaN over all, ties by position
        const auto x = load(line + i * step), y = load(line + j * step);
        const bool x_nan = x != x, y_nan = y != y;
        const bool x_over_y = x_nan ? !y_nan : !y_nan && x > y;
        const bool y_over_x = y_nan ? !x_nan : !x_nan && y > x;
        if (x_over_y || y_over_x) return largest ? x_over_y : y_over_x;
        return i < j;
      };
      std::partial_sort(order.data(), order.data() + k, order.data() + extent, before);
      for (std::int64_t i = 0; i < k; ++i) {
        values.as<T>()[at[1] + i * values.strides[axis]] = line[order.data()[i] * step];
        indices.as<std::int64_t>()[at[2] + i * indices.strides[axis]] = order.data()[i];
      }
    });
  });
}

}  // namespace weft::backends::cpu
