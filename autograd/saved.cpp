// Values saved for the way back, and the hooks that may pack them.

#include <weft/autograd/record.h>
#include <weft/autograd/saved_tensor_hooks.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {
namespace {

constinit thread_local SavedTensorHooks* innermost_hooks = nullptr;

// No hook is asked while one packs.
class HooksAside {
 public:
  HooksAside() noexcept : hooks_(std::exchange(innermost_hooks, nullptr)) {}
  ~HooksAside() { innermost_hooks = hooks_; }
  HooksAside(const HooksAside&) = delete;
  HooksAside& operator=(const HooksAside&) = delete;

 private:
  SavedTensorHooks* hooks_;
};

}  // namespace

SavedTensorHooks::SavedTensorHooks(Pack pack, CallSite at) : pack_(std::move(pack)), outer_(innermost_hooks) {
  if (!pack_) throw ValueError(ErrorCode::value_invalid, "SavedTensorHooks", "the pack function is empty", at);
  innermost_hooks = this;
}

SavedTensorHooks::~SavedTensorHooks() { innermost_hooks = outer_; }

namespace autograd {

bool saved_hooks_active() noexcept { return innermost_hooks != nullptr; }

struct Saved::Packed {
  SavedTensorHooks::Unpack unpack;
  NodePtr history;  // of an argument; null where it had none
  Shape shape;
  DType dtype;
  Device device;
  std::uint64_t storage;
};

Saved::Saved(const Tensor& tensor, bool is_output) : is_output_(is_output) {
  if (!tensor.defined()) return;
  const TensorImpl& impl = *tensor.impl();
  version_ = impl.storage->version.load(std::memory_order_relaxed);
  if (innermost_hooks == nullptr) {
    tensor_ = is_output ? without_history(tensor) : tensor;
    return;
  }
  auto packed = std::make_shared<Packed>();
  packed->shape = impl.view.shape;
  packed->dtype = impl.view.dtype;
  packed->device = impl.storage->device;
  packed->storage = impl.storage->id;
  if (Node* node = is_output ? nullptr : target_of(tensor)) {
    keep(node);
    packed->history.reset(node);
  }
  {
    const NoGrad off;
    const SavedTensorHooks::Pack& pack = innermost_hooks->pack_;
    const HooksAside aside;
    packed->unpack = pack(without_history(tensor));
  }
  if (!packed->unpack) {
    throw ValueError(ErrorCode::value_invalid, "SavedTensorHooks", "pack returned an empty function");
  }
  packed_ = std::move(packed);
}

void Saved::check_version(std::uint64_t now, const Shape& shape, const char* name, CallSite at,
                          CallSite backward) const {
  if (now == version_) return;
  throw AutogradError(
      ErrorCode::version_conflict, "backward",
      message("a value saved by ", call_text(name, at),
              " was overwritten before the backward that needs it: ", is_output_ ? "its result " : "its argument ",
              shape, " had version ", version_, " and now has version ", now, "; write out of place, or to a clone()"),
      backward);
}

Tensor Saved::value(const char* name, CallSite at, CallSite backward) const {
  if (packed_ == nullptr) {
    if (!tensor_.defined()) return {};
    check_version(tensor_.impl()->storage->version.load(std::memory_order_relaxed), tensor_.shape(), name, at,
                  backward);
    return tensor_;
  }
  const Tensor unpacked = packed_->unpack();
  const auto refuse = [&](const std::string& got) {
    throw AutogradError(ErrorCode::saved_mismatch, "backward",
                        message("a value saved by ", call_text(name, at), " came back as ", got, "; expected ",
                                packed_->shape, ' ', packed_->dtype, " on ", packed_->device),
                        backward);
  };
  if (!unpacked.defined()) refuse("an undefined tensor");
  if (unpacked.shape() != packed_->shape || unpacked.dtype() != packed_->dtype ||
      unpacked.device() != packed_->device) {
    refuse(message(unpacked.shape(), ' ', unpacked.dtype(), " on ", unpacked.device()));
  }
  const Storage& storage = *unpacked.impl()->storage;
  if (storage.id == packed_->storage) {
    check_version(storage.version.load(std::memory_order_relaxed), packed_->shape, name, at, backward);
  }
  Tensor value = without_history(unpacked);
  if (Node* node = packed_->history.get()) {
    keep(node);
    value.impl()->meta = std::make_unique<GradMeta>(NodePtr(node));
  }
  return value;
}

}  // namespace autograd
}  // namespace weft
