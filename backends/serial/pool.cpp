#include <weft/backends/serial/not_built.h>
#include <weft/backends/serial/serial_backend.h>

namespace weft::backends::serial {

void SerialBackend::pool(const PoolGeometry&, const TensorView&, const TensorView&, const TensorView&) {
  not_built("pool", "pooling");
}

void SerialBackend::pool_backward(const PoolGeometry&, const TensorView&, const TensorView&, const TensorView&,
                                  const TensorView&, const TensorView&) {
  not_built("pool_backward", "pooling");
}

}  // namespace weft::backends::serial
