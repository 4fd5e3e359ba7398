#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/dtype_support.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {

void SerialBackend::scan(ScanOp, const TensorView& in, int axis, const TensorView& out) {
  const FlushSubnormals flush;
  Shape lines = in.shape;
  lines[axis] = 1;
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    using Sum = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;
    walk(lines, {&in.strides, &out.strides}, [&](const std::int64_t* at) {
      Compute<Sum> total = 0;
      for (std::int64_t i = 0; i < in.shape[axis]; ++i) {
        const auto value = static_cast<Compute<Sum>>(load(in.as<const T>() + at[0] + i * in.strides[axis]));
        total = wrapping(total, value, [](auto p, auto q) { return p + q; });
        store(out.as<Sum>() + at[1] + i * out.strides[axis], total);
      }
    });
  });
}

}  // namespace weft::backends::serial
