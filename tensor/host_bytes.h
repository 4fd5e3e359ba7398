#pragma once
// Private: a tensor's bytes in row-major order, in memory the host can read, for what writes files.

#include <cstddef>
#include <memory>
#include <span>

#include <weft/tensor/tensor.h>

namespace weft {

struct HostBytes {
  Tensor keep;  ///< the tensor whose memory `bytes` is, where it is no copy
  std::unique_ptr<std::byte[]> copy;
  std::span<const std::byte> bytes;
};

/// Waits for the device. A row-major tensor on a backend of the host is not copied.
HostBytes host_bytes(const Tensor& tensor, const char* op, CallSite at);

}  // namespace weft
