#pragma once
// What a model or an optimiser remembers, as names and tensors in a fixed order.

#include <string_view>
#include <vector>

#include <weft/core/export.h>
#include <weft/tensor/safetensors.h>
#include <weft/tensor/tensor.h>

namespace weft::nn {

/// Names and tensors in order of registration; the names are PyTorch's ("0.weight", "layers.2.bias"). What
/// save_safetensors() takes and load_safetensors().tensors gives.
using StateDict = std::vector<NamedTensor>;

/// The tensor of that name, or an undefined one.
WEFT_API Tensor find(const StateDict& state, std::string_view name);

}  // namespace weft::nn
