#pragma once
// Private: what a Tensor points at. Used by tensor/ and autograd/ only.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include <weft/backends/backend.h>
#include <weft/backends/tensor_view.h>
#include <weft/tensor/tensor.h>

namespace weft {

/// One allocation of a backend. version counts in-place writes; id is never reused, and 0 where the
/// contents change without a version (stamp.storage in tensor_view.h).
struct Storage {
  std::atomic<std::uint32_t> refs{1};
  std::atomic<std::uint64_t> version{0};
  std::uint64_t id = 0;
  void* data = nullptr;  ///< null where there are no bytes
  std::size_t bytes = 0;
  backends::Backend* backend = nullptr;  ///< the registry's, for calls on the contents
  backends::Backend* owner = nullptr;    ///< who gave the memory and takes it back: backend, or a tape that recorded
  Device device;
  /// Set where `data` is no backend's but came from from_blob(): called in place of owner->free(). May be empty: the
  /// memory is somebody else's to free.
  std::unique_ptr<std::function<void(void*)>> release;
};

struct TensorImpl {
  TensorImpl() = default;
  TensorImpl(const TensorImpl&) = delete;
  TensorImpl& operator=(const TensorImpl&) = delete;
  ~TensorImpl();

  std::atomic<std::uint32_t> refs{1};
  Storage* storage = nullptr;          // this object holds one reference
  backends::TensorView view;           // stamp is filled in by view_of(), it changes with every write
  std::unique_ptr<AutogradMeta> meta;  // null until autograd needs it
};

/// `owner` is what backends::active(backend) is now.
Storage* make_storage(backends::Backend& backend, backends::Backend& owner, Device device, std::size_t bytes);
void release_storage(Storage* storage) noexcept;

/// True when this was the last reference. A count of one is nobody else's to change, so no locked instruction is needed
/// for the common case.
inline bool drop_reference(std::atomic<std::uint32_t>& refs) noexcept {
  return refs.load(std::memory_order_acquire) == 1 || refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

/// The tensor as a backend sees it now.
inline backends::TensorView view_of(const Tensor& tensor) {
  const TensorImpl& impl = *tensor.impl();
  backends::TensorView view = impl.view;
  view.stamp = {impl.storage->id, impl.storage->version.load(std::memory_order_relaxed)};
  return view;
}

}  // namespace weft
