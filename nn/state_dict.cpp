#include <weft/nn/state_dict.h>

namespace weft::nn {

Tensor find(const StateDict& state, std::string_view name) {
  for (const auto& [key, tensor] : state) {
    if (key == name) return tensor;
  }
  return {};
}

}  // namespace weft::nn
