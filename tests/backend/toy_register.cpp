#include <weft/backends/registry.h>

#include "backend/toy_backend.h"

namespace weft::contract_test {

Device register_toy() {
  static const Device device = backends::register_backend("toy", [] { return std::make_unique<ToyBackend>(); });
  return device;
}

}  // namespace weft::contract_test
