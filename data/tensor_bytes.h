#pragma once
// Private: the memory of host tensors, whatever their dtype.

#include <cstddef>

#include <weft/core/device.h>
#include <weft/tensor/tensor.h>

namespace weft {

inline bool is_host(Device device) { return device.kind == BackendKind::cpu || device.kind == BackendKind::serial; }

/// The first byte; the non-const form counts as a write.
std::byte* mutable_bytes_of(Tensor& t);
const std::byte* bytes_of(const Tensor& t);

}  // namespace weft
