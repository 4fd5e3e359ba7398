#include <weft/tensor/host_bytes.h>

#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft {

HostBytes host_bytes(const Tensor& tensor, const char* op, CallSite at) {
  HostBytes host;
  host.keep = ops::contiguous(tensor, op, at);
  const backends::TensorView& view = host.keep.impl()->view;
  const std::size_t count = static_cast<std::size_t>(view.numel()) * item_size(view.dtype);
  if (count == 0) return host;
  backends::Backend& backend = ops::begin(host.keep, op, at);
  if (ops::in_host_memory(host.keep.impl()->storage->device)) {
    backend.synchronise();
    host.bytes = {view.as<const std::byte>(), count};
  } else {
    host.copy.reset(new std::byte[count]);
    backend.copy_out(host.copy.get(), view.data, count);
    host.keep = {};
    host.bytes = {host.copy.get(), count};
  }
  return host;
}

}  // namespace weft
