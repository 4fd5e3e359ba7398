#include <memory>

#include <weft/backends/registry.h>
#include <weft/backends/tape.h>
#include <weft/tensor/make.h>
#include <weft/tensor/tensor_impl.h>

namespace weft {
namespace {

std::atomic<std::uint64_t> next_storage_id{1};

}  // namespace

Storage* make_storage(backends::Backend& backend, backends::Backend& owner, Device device, std::size_t bytes) {
  auto storage = std::make_unique<Storage>();
  if (bytes != 0) storage->data = owner.allocate(bytes);
  // What a tape gave is written by every replay: nothing a backend derived from it may be kept.
  storage->id = &owner == &backend ? next_storage_id.fetch_add(1, std::memory_order_relaxed) : 0;
  storage->bytes = bytes;
  storage->backend = &backend;
  storage->owner = &owner;
  storage->device = device;
  return storage.release();
}

void release_storage(Storage* storage) noexcept {
  if (!drop_reference(storage->refs)) return;
  if (storage->release != nullptr) {
    if (*storage->release) (*storage->release)(storage->data);
  } else if (storage->data != nullptr) {
    // What the recording thread lets go of may be named by a recorded call: its tape has to hear of it.
    backends::Tape* tape = backends::active_tape();
    backends::Backend* to = tape != nullptr && &tape->target() == storage->owner ? tape : storage->owner;
    to->free(storage->data, storage->bytes);
  }
  delete storage;
}

namespace ops {
namespace {

Tensor make(backends::Backend& backend, backends::Backend& active, Device device, const Shape& shape, DType dtype,
            const char* name, CallSite at) {
  const std::int64_t count = check_shape(shape, item_size(dtype), name, at);
  // A tape keeps the memory of what is made while it records; an observer looks on and goes before the tensor does.
  backends::Backend& owner = backends::active_tape() != nullptr ? active : backend;
  auto impl = std::make_unique<TensorImpl>();
  impl->storage = make_storage(backend, owner, device, static_cast<std::size_t>(count) * item_size(dtype));
  impl->view.data = impl->storage->data;
  impl->view.dtype = dtype;
  impl->view.shape = shape;
  impl->view.strides = contiguous_strides(shape);
  return Tensor::adopt(impl.release());
}

}  // namespace

Tensor make_like(backends::Backend& active, const Tensor& like, const Shape& shape, DType dtype, const char* name,
                 CallSite at) {
  const Storage& storage = *like.impl()->storage;
  return make(*storage.backend, active, storage.device, shape, dtype, name, at);
}

Tensor make_on(Device device, const Shape& shape, DType dtype, const char* name, CallSite at) {
  check_shape(shape, item_size(dtype), name, at);  // before a backend is loaded for it
  backends::Backend& backend = backends::backend_for(device, at);
  backends::Backend& active = backends::active(backend);
  active.tag({name, at.file, at.line});
  return make(backend, active, device, shape, dtype, name, at);
}

backends::TensorView broadcast_view(const backends::TensorView& view, const Shape& shape) noexcept {
  backends::TensorView out = view;
  out.shape = shape;
  out.strides = Strides::filled(shape.rank(), 0);
  const int lead = shape.rank() - view.rank();
  for (int i = 0; i < view.rank(); ++i) {
    out.strides[lead + i] = view.shape[i] == shape[lead + i] ? view.strides[i] : 0;
  }
  return out;
}

}  // namespace ops
}  // namespace weft
