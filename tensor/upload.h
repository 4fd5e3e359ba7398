#pragma once
// Private: tensors on their way from background threads to a device with queues of its own. A thread copies what it
// made into pinned memory, and from there on a queue that nothing else is on, while the consumer's is at work: when a
// batch is delivered it lies on the device.

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <weft/backends/backend.h>
#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/tensor/tensor.h>

namespace weft {

/// Used by all workers at once; each upload holds one of the ring's places, so there are no more than workers.
class Uploader {
 public:
  /// Null where a copy gains nothing from it: a host device, or one without queues.
  static std::unique_ptr<Uploader> to(Device device, CallSite at);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  /// Puts copies on the device in the place of the host's tensors among these, and waits for them. Undefined ones and
  /// those that lie there already are left alone; where one is on a third device, all are.
  void upload(std::span<Tensor* const> tensors);

 private:
  struct Place {  // of the ring
    backends::Stream* queue = nullptr;
    void* pinned = nullptr;
    std::size_t bytes = 0;
  };
  class Held;

  Uploader(Device device, backends::Backend& backend) : device_(device), backend_(backend) {}
  Place take();
  void give(const Place& place);

  const Device device_;
  backends::Backend& backend_;
  std::mutex mutex_;
  std::vector<Place> idle_;
};

/// What could be allocated on the device now, in bytes, as its backend estimates it.
std::size_t free_bytes(Device device, CallSite at);

}  // namespace weft
