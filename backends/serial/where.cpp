#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/operand.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {

void SerialBackend::where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) {
  const FlushSubnormals flush;
  const bool* chosen = condition.as<bool>();
  dispatch(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const OperandOf<T> yes(a), no(b);
    T* to = out.as<T>();
    walk(out.shape, {&condition.strides, &yes.strides, &no.strides, &out.strides},
         [&](const std::int64_t* at) { to[at[3]] = load(chosen + at[0]) ? yes.data[at[1]] : no.data[at[2]]; });
  });
}

}  // namespace weft::backends::serial
