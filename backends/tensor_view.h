#pragma once
// What crosses the door between tensor/ and a backend: a non-owning description of elements in the backend's memory.
// Trivially copyable; a kernel takes it by value, a tape stores it.

#include <cstdint>
#include <type_traits>

#include <weft/core/dtype.h>
#include <weft/core/shape.h>

namespace weft::backends {

/// Identifies the contents of a storage, so that a backend may keep what it derived from them (packed weights). storage
/// 0 means "never cache": recorded calls, and views whose contents change without a version.
struct Stamp {
  std::uint64_t storage = 0;
  std::uint64_t version = 0;
};

struct TensorView {
  void* data = nullptr;  ///< the first element in logical order; null means "not wanted" where an output is optional
  DType dtype = DType::float32;
  Shape shape;
  Strides strides;  ///< in elements; 0 on broadcast axes
  Stamp stamp;

  int rank() const noexcept { return shape.rank(); }
  std::int64_t numel() const noexcept { return shape.numel(); }
  template <class T>
  T* as() const noexcept {
    return static_cast<T*>(data);
  }
  bool is_contiguous() const noexcept {
    std::int64_t step = 1;
    for (int i = shape.rank() - 1; i >= 0; --i) {
      if (shape[i] != 1 && strides[i] != step) return false;
      step *= shape[i];
    }
    return true;
  }
};

/// A row-major view of `data`.
inline TensorView contiguous_view(void* data, DType dtype, const Shape& shape) {
  return {data, dtype, shape, contiguous_strides(shape), {}};
}

static_assert(std::is_trivially_copyable_v<TensorView>);

}  // namespace weft::backends
