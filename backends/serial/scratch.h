#pragma once
// Host memory for the length of a scope, from the allocator the tensors come from.

#include <cstdint>

#include <weft/core/host_memory.h>

namespace weft::backends::serial {

template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)), data_(static_cast<T*>(host_allocate(bytes_))) {}
  ~Scratch() { host_free(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const noexcept { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

}  // namespace weft::backends::serial
