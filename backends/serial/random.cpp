#include <weft/backends/serial/not_built.h>
#include <weft/backends/serial/serial_backend.h>

namespace weft::backends::serial {

void SerialBackend::random(RandomKind, const RandomKey&, const TensorView&) { not_built("random", "randomness"); }

}  // namespace weft::backends::serial
