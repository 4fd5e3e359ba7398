#include <algorithm>

#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/scratch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {

void SerialBackend::topk(const TensorView& in, int axis, bool largest, const TensorView& values,
                         const TensorView& indices) {
  const FlushSubnormals flush;
  const std::int64_t extent = in.shape[axis], step = in.strides[axis], k = values.shape[axis];
  Shape lines = in.shape;
  lines[axis] = 1;
  const Scratch<std::int64_t> order(extent);
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    walk(lines, {&in.strides, &values.strides, &indices.strides}, [&](const std::int64_t* at) {
      const T* line = in.as<const T>() + at[0];
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

}  // namespace weft::backends::serial
