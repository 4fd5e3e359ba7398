#pragma once
// Private: making results. A tensor without elements has a storage without memory.

#include <cstdint>

#include <weft/backends/backend.h>
#include <weft/tensor/tensor_impl.h>

namespace weft::ops {

/// A row-major tensor on the device of `like`, uninitialised; the shape is checked (ShapeError). `active` is what
/// begin() returned: the memory comes from there.
Tensor make_like(backends::Backend& active, const Tensor& like, const Shape& shape, DType dtype, const char* name,
                 CallSite at);

/// The same on a device no tensor stands for yet: begin() and make_like() in one.
Tensor make_on(Device device, const Shape& shape, DType dtype, const char* name, CallSite at);

/// serial and cpu keep their tensors in memory the host can read: no detour through a staging buffer.
inline bool in_host_memory(Device device) noexcept {
  return device.kind == BackendKind::serial || device.kind == BackendKind::cpu;
}

inline bool has_elements(const Tensor& x) noexcept { return x.impl()->view.numel() != 0; }

/// The view repeated to `shape`, which it can be broadcast to: stride 0 on the axes that repeat.
backends::TensorView broadcast_view(const backends::TensorView& view, const Shape& shape) noexcept;

/// The memory of a row-major view, seen with another shape of the same element count.
inline backends::TensorView with_shape(backends::TensorView view, const Shape& shape) noexcept {
  view.shape = shape;
  view.strides = contiguous_strides(shape);
  return view;
}

}  // namespace weft::ops
