#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {

void SerialBackend::arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) {
  const FlushSubnormals flush;
  const std::int64_t extent = in.shape[axis], step = in.strides[axis];
  const bool largest = op == ArgReduceOp::argmax;
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const T* from = in.as<T>();
    std::int64_t* to = out.as<std::int64_t>();
    walk(out.shape, {&in.strides, &out.strides}, [&](const std::int64_t* at) {
      const T* line = from + at[0];
      std::int64_t best = 0;
      for (std::int64_t i = 1; i < extent; ++i) {
        const auto x = load(line + best * step), y = load(line + i * step);
        if (x == x && (y != y || (largest ? y > x : y < x))) best = i;
      }
      to[at[1]] = best;
    });
  });
}

}  // namespace weft::backends::serial
