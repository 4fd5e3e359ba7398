#include <weft/tensor/generator.h>

namespace weft {

Generator& default_generator() noexcept {
  static Generator& generator = *new Generator();
  return generator;
}

void manual_seed(std::uint64_t seed) noexcept { default_generator().manual_seed(seed); }

}  // namespace weft
