#include <weft/tensor/upload.h>

#include <cstring>

#include <weft/backends/registry.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/tensor_impl.h>

namespace weft {
namespace {

constexpr const char* op = "DataLoader";

std::size_t size_of(const Tensor& x) { return static_cast<std::size_t>(x.numel()) * item_size(x.dtype()); }
std::size_t room_for(const Tensor& x) { return (size_of(x) + 63) / 64 * 64; }

}  // namespace

/// One place for the length of an upload, and its queue for this thread.
class Uploader::Held {
 public:
  explicit Held(Uploader& owner) : owner_(owner), place(owner.take()) { owner.backend_.use_stream(place.queue); }
  ~Held() {
    owner_.backend_.use_stream(nullptr);
    owner_.give(place);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  Uploader& owner_;

 public:
  Place place;
};

std::unique_ptr<Uploader> Uploader::to(Device device, CallSite at) {
  if (ops::in_host_memory(device)) return nullptr;
  backends::Backend& backend = backends::backend_for(device, at);
  if (!backend.facts().streams) return nullptr;
  return std::unique_ptr<Uploader>(new Uploader(device, backend));
}

Uploader::~Uploader() {
  for (const Place& place : idle_) {
    if (place.pinned != nullptr) backend_.free_pinned(place.pinned, place.bytes);
    backend_.drop_stream(place.queue);
  }
}

Uploader::Place Uploader::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      const Place place = idle_.back();
      idle_.pop_back();
      return place;
    }
    idle_.reserve(idle_.size() + 16);  // what give() needs must not fail
  }
  Place place;
  place.queue = backend_.make_stream();
  return place;
}

void Uploader::give(const Place& place) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(place);
}

void Uploader::upload(std::span<Tensor* const> tensors) {
  std::size_t bytes = 0;
  for (Tensor* x : tensors) {
    if (!x->defined() || x->device() == device_) continue;
    if (!ops::in_host_memory(x->device())) return;  // a collate's own affair: the consumer's copy deals with it
    *x = ops::contiguous(*x, op, {});
    bytes += room_for(*x);
  }
  Held held(*this);
  if (held.place.bytes < bytes) {
    if (held.place.pinned != nullptr) backend_.free_pinned(held.place.pinned, held.place.bytes);
    held.place.pinned = nullptr;
    held.place.bytes = 0;
    held.place.pinned = backend_.allocate_pinned(bytes);
    held.place.bytes = bytes;
  }
  struct Copy {
    void* to;
    const std::byte* from;
    std::size_t bytes;
  };
  std::vector<Copy> copies;
  std::vector<Tensor> there;
  auto* from = static_cast<std::byte*>(held.place.pinned);
  for (const Tensor* x : tensors) {
    there.emplace_back();
    if (!x->defined() || x->device() == device_) continue;
    there.back() = empty(x->shape(), {device_, x->dtype()}, {});
    if (x->numel() == 0) continue;
    std::memcpy(from, view_of(*x).data, size_of(*x));
    copies.push_back({view_of(there.back()).data, from, size_of(*x)});
    from += room_for(*x);
  }
  // copy_in() from pinned memory waits for this queue, the other copies included. synchronise() would also take an
  // error of the consumer's queue away before everything behind it has seen it.
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const Copy& c = copies[i];
    i + 1 < copies.size() ? backend_.copy_in_async(c.to, c.from, c.bytes) : backend_.copy_in(c.to, c.from, c.bytes);
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (there[i].defined()) *tensors[i] = there[i];
  }
}

std::size_t free_bytes(Device device, CallSite at) { return backends::backend_for(device, at).facts().free_bytes; }

}  // namespace weft
