#pragma once

#include <string>

#include <weft/tensor/tensor.h>

namespace weft {

/// A tensor in a file of several, or in a state dict.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

}  // namespace weft
