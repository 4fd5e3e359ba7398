#include <memory>

#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft {
namespace {

std::atomic<std::uint64_t> next_storage_id{1};

}  // namespace

Storage* make_storage(backends::Backend& backend, Device device, std::size_t bytes) {
  auto storage = std::make_unique<Storage>();
  if (bytes != 0) storage->data = backend.allocate(bytes);
  storage->id = next_storage_id.fetch_add(1, std::memory_order_relaxed);
  storage->bytes = bytes;
  storage->backend = &backend;
  storage->device = device;
  return storage.release();
}

void release_storage(Storage* storage) noexcept {
  if (!drop_reference(storage->refs)) return;
  if (storage->data != nullptr) storage->backend->free(storage->data, storage->bytes);
  delete storage;
}

namespace ops {

Tensor make_tensor(backends::Backend& backend, Device device, const Shape& shape, DType dtype, const char* name,
                   CallSite at) {
  const std::int64_t count = check_shape(shape, item_size(dtype), name, at);
  auto impl = std::make_unique<TensorImpl>();
  impl->storage = make_storage(backend, device, static_cast<std::size_t>(count) * item_size(dtype));
  impl->view.data = impl->storage->data;
  impl->view.dtype = dtype;
  impl->view.shape = shape;
  impl->view.strides = contiguous_strides(shape);
  return Tensor::adopt(impl.release());
}

Tensor make_on(Device device, const Shape& shape, DType dtype, const char* name, CallSite at) {
  return make_tensor(begin(device, name, at), device, shape, dtype, name, at);
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
