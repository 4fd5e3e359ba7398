#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/index_check.h>
#include <weft/backends/serial/scratch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {
namespace {

/// The strides of all axes but the one that is indexed: where a line starts, not where in the line to look.
Strides without(const Strides& strides, int axis) {
  Strides others = strides;
  others[axis] = 0;
  return others;
}

/// Adds where[..] += from[..] in row-major order, so that elements with the same index are added in the order of i.
template <class From, class To, class I>
void add_at(const TensorView& from, const TensorView& index, const Strides& lines, std::int64_t step, To* to) {
  walk(from.shape, {&from.strides, &index.strides, &lines}, [&](const std::int64_t* at) {
    To* target = to + at[2] + static_cast<std::int64_t>(index.as<const I>()[at[1]]) * step;
    const To value = static_cast<To>(load(from.as<const From>() + at[0]));
    *target = wrapping(*target, value, [](auto p, auto q) { return p + q; });
  });
}

}  // namespace

void SerialBackend::gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) {
  check_indices(index, in.shape[axis], "gather");
  const FlushSubnormals flush;
  const Strides lines = without(in.strides, axis);
  const std::int64_t step = in.strides[axis];
  dispatch_index(index.dtype, [&](auto index_type) {
    using I = typename decltype(index_type)::type;
    dispatch(out.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      walk(out.shape, {&lines, &index.strides, &out.strides}, [&](const std::int64_t* at) {
        const std::int64_t i = index.as<const I>()[at[1]];
        out.as<T>()[at[2]] = in.as<const T>()[at[0] + i * step];
      });
    });
  });
}

void SerialBackend::scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) {
  if (inout.dtype == DType::boolean) refuse_dtype("scatter_add", inout.dtype);
  check_indices(index, inout.shape[axis], "scatter_add");
  const FlushSubnormals flush;
  dispatch_index(index.dtype, [&](auto index_type) {
    using I = typename decltype(index_type)::type;
    dispatch(inout.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      if constexpr (is_half<T>) {  // many small terms on one element: summed in float32, rounded once
        const Scratch<float> sums(inout.numel());
        const Strides dense = contiguous_strides(inout.shape);
        walk(inout.shape, {&inout.strides, &dense},
             [&](const std::int64_t* at) { sums.data()[at[1]] = load(inout.as<const T>() + at[0]); });
        add_at<T, float, I>(from, index, without(dense, axis), dense[axis], sums.data());
        walk(inout.shape, {&inout.strides, &dense},
             [&](const std::int64_t* at) { store(inout.as<T>() + at[0], sums.data()[at[1]]); });
      } else if constexpr (!std::is_same_v<T, bool>) {
        add_at<T, T, I>(from, index, without(inout.strides, axis), inout.strides[axis], inout.as<T>());
      }
    });
  });
}

}  // namespace weft::backends::serial
