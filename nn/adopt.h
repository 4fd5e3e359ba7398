#pragma once
// Private: exchanging the memory behind a parameter.

#include <weft/tensor/tensor.h>

namespace weft::nn {

/// Gives `target` the storage and view of `source`: afterwards every handle to the parameter sees the new memory.
void adopt_storage(const Tensor& target, const Tensor& source) noexcept;

}  // namespace weft::nn
