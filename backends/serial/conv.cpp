#include <weft/backends/serial/not_built.h>
#include <weft/backends/serial/serial_backend.h>

namespace weft::backends::serial {

void SerialBackend::conv(Pass, const ConvGeometry&, const TensorView&, const TensorView&, const TensorView&) {
  not_built("conv", "convolution");
}

}  // namespace weft::backends::serial
