#pragma once
// Private: host memory for the length of a scope, from the allocator the tensors come from. 64-byte aligned.

#include <cstddef>
#include <cstdint>

#include <weft/core/host_memory.h>

namespace weft::backends::cpu {

template <class T>
class Scratch {
 public:
  Scratch() = default;  ///< nothing yet
  explicit Scratch(std::int64_t count) { get(count); }
  ~Scratch() { host_free(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const noexcept { return data_; }
  /// Room for `count` elements; what was there before is gone.
  T* get(std::int64_t count) {
    host_free(data_, bytes_);
    data_ = nullptr;
    bytes_ = static_cast<std::size_t>(count) * sizeof(T);
    return data_ = static_cast<T*>(host_allocate(bytes_));
  }

 private:
  std::size_t bytes_ = 0;
  T* data_ = nullptr;
};

}  // namespace weft::backends::cpu
