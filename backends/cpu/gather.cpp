#include <cstring>

#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/index_check.h>
#include <weft/backends/cpu/runs.h>
#include <weft/backends/cpu/scratch.h>

namespace weft::backends::cpu {
namespace {

/// The strides of all axes but the one that is indexed: where a line starts, not where in the line to look.
Strides without(const Strides& strides, int axis) {
  Strides others = strides;
  others[axis] = 0;
  return others;
}

/// `n` indices from `start` on along `axis`.
TensorView slice(TensorView view, int axis, std::int64_t start, std::int64_t n) {
  view.data = address(view.data, view.dtype, start * view.strides[axis]);
  view.shape[axis] = n;
  return view;
}

/// Adds where[..] += from[..] in row-major order, so that elements with the same index are added in the order of i.
template <class From, class To, class I>
void add_at(const TensorView& from, const TensorView& index, const Strides& lines, std::int64_t step, To* to) {
  const auto loop = collapse(from.shape, {&from.strides, &index.strides, &lines}, AxisOrder::logical);
  const std::int64_t fs = loop.inner_stride(0), is = loop.inner_stride(1), ls = loop.inner_stride(2);
  const From* values = from.as<const From>();
  const I* indices = index.as<const I>();
  for_runs(loop, 0, loop.numel(), [&](const std::int64_t* offset, std::int64_t n) {
    const From* p = values + offset[0];
    const I* q = indices + offset[1];
    To* base = to + offset[2];
    const auto add = [](auto a, auto b) { return a + b; };
    if (is == 0) {  // a run of one row
      To* target = base + static_cast<std::int64_t>(*q) * step;
      for (std::int64_t i = 0; i < n; ++i) {
        target[i * ls] = wrapping(target[i * ls], static_cast<To>(load(p + i * fs)), add);
      }
    } else {
      for (std::int64_t i = 0; i < n; ++i) {
        To* target = base + i * ls + static_cast<std::int64_t>(q[i * is]) * step;
        *target = wrapping(*target, static_cast<To>(load(p + i * fs)), add);
      }
    }
  });
}

/// In parallel along the longest axis that is not indexed: every element of `to` belongs to one chunk.
template <class From, class To, class I>
void add_rows(const TensorView& from, int axis, const TensorView& index, const Strides& to_strides, To* to) {
  int split = -1;
  for (int i = 0; i < from.rank(); ++i) {
    if (i != axis && (split < 0 || from.shape[i] > from.shape[split])) split = i;
  }
  const Strides lines = without(to_strides, axis);
  const std::int64_t step = to_strides[axis];
  if (split < 0) return add_at<From, To, I>(from, index, lines, step, to);
  const std::int64_t each = from.numel() / from.shape[split];
  parallel_for(from.shape[split], 1 + cheap_grain / (2 * each), [&](std::int64_t begin, std::int64_t end) {
    add_at<From, To, I>(slice(from, split, begin, end - begin), slice(index, split, begin, end - begin), lines, step,
                        to + begin * to_strides[split]);
  });
}

}  // namespace

void CpuBackend::gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) {
  check_indices(index, in.shape[axis], "gather");
  const Strides lines = without(in.strides, axis);
  const std::int64_t step = in.strides[axis];
  const auto loop = collapse(out.shape, {&lines, &index.strides, &out.strides});
  const std::int64_t ls = loop.inner_stride(0), is = loop.inner_stride(1), os = loop.inner_stride(2);
  dispatch_index(index.dtype, [&](auto index_type) {
    using I = typename decltype(index_type)::type;
    dispatch_size(out.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      parallel_runs(loop, cheap_grain, [&](const std::int64_t* offset, std::int64_t n) {
        const T* p = in.as<const T>() + offset[0];
        const I* q = index.as<const I>() + offset[1];
        T* to = out.as<T>() + offset[2];
        if (is == 0) {  // a run of one row
          const T* row = p + static_cast<std::int64_t>(*q) * step;
          if (ls == 1 && os == 1) {
            std::memcpy(to, row, static_cast<std::size_t>(n) * sizeof(T));
          } else {
            for (std::int64_t i = 0; i < n; ++i) to[i * os] = row[i * ls];
          }
        } else {
          for (std::int64_t i = 0; i < n; ++i) to[i * os] = p[i * ls + static_cast<std::int64_t>(q[i * is]) * step];
        }
      });
    });
  });
}

void CpuBackend::scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) {
  if (inout.dtype == DType::boolean) refuse_dtype("scatter_add", inout.dtype);
  check_indices(index, inout.shape[axis], "scatter_add");
  dispatch_index(index.dtype, [&](auto index_type) {
    using I = typename decltype(index_type)::type;
    dispatch(inout.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      if constexpr (is_half<T>) {  // many small terms on one element: summed in float32, rounded once
        const Scratch<float> sums(inout.numel());
        const TensorView wide = contiguous_view(sums.data(), DType::float32, inout.shape);
        copy(inout, wide);
        add_rows<T, float, I>(from, axis, index, wide.strides, sums.data());
        copy(wide, inout);
      } else if constexpr (!std::is_same_v<T, bool>) {
        add_rows<T, T, I>(from, axis, index, inout.strides, inout.as<T>());
      }
    });
  });
}

}  // namespace weft::backends::cpu
