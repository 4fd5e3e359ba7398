#include <memory>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {

Tensor clone(const Tensor& x, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  const backends::TensorView& in = x.impl()->view;
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, in.shape, in.dtype, name, at);
  if (has_elements(out)) backend.copy(view_of(x), view_of(out));
  return out;
}

Tensor contiguous(const Tensor& x, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const backends::TensorView& in = x.impl()->view;
  if (in.is_contiguous() || in.numel() == 0) return x;
  return clone(x, name, at);
}

Tensor cast(const Tensor& x, DType dtype, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, x.impl()->view.shape, dtype, name, at);
  if (has_elements(out)) backend.copy(view_of(x), view_of(out));
  return out;
}

Tensor to_device(const Tensor& x, Device device, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  const Device from = x.impl()->storage->device;
  if (from == device) return clone(x, name, at);
  const DType dtype = x.impl()->view.dtype;
  Tensor out = make_on(device, x.impl()->view.shape, dtype, name, at);
  if (!has_elements(out)) return out;
  const Tensor dense = contiguous(x, name, at);
  const void* source = dense.impl()->view.data;
  void* target = out.impl()->view.data;
  const std::size_t bytes = static_cast<std::size_t>(out.impl()->view.numel()) * item_size(dtype);
  if (in_host_memory(from)) {
    begin(out, name, at).copy_in(target, source, bytes);
  } else if (in_host_memory(device)) {
    begin(dense, name, at).copy_out(target, source, bytes);
  } else {
    const std::unique_ptr<std::byte[]> staging(new std::byte[bytes]);
    begin(dense, name, at).copy_out(staging.get(), source, bytes);
    begin(out, name, at).copy_in(target, staging.get(), bytes);
  }
  return out;
}

Tensor cat(std::span<const Tensor> tensors, int axis, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  if (tensors.empty()) {
    throw ValueError(ErrorCode::value_invalid, name, "the list of tensors is empty", at);
  }
  for (const Tensor& part : tensors) check_defined(part, name, "one of the tensors", at);
  const Tensor& first = tensors.front();
  const backends::TensorView& model = first.impl()->view;
  const int place = normalize_axis(axis, model.rank(), name, at);
  Shape shape = model.shape;
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    const std::string argument = message("tensor ", i);
    check_same_device(first, tensors[i], name, at, "tensor 0", argument.c_str());
    check_same_dtype(first, tensors[i], name, at, "tensor 0", argument.c_str());
    const Shape& other = tensors[i].impl()->view.shape;
    bool fits = other.rank() == model.rank();
    for (int k = 0; k < model.rank() && fits; ++k) fits = k == place || other[k] == model.shape[k];
    if (!fits) {
      throw ShapeError(ErrorCode::shape_mismatch, name,
                       message("tensor 0 is ", model.shape, ", tensor ", i, " is ", other,
                               "; they may differ along axis ", place, " only"),
                       at);
    }
    if (__builtin_add_overflow(shape[place], other[place], &shape[place])) {
      throw ShapeError(ErrorCode::shape_overflow, name, "the result has more elements than 2^63 - 1", at);
    }
  }
  backends::Backend& backend = begin(first, name, at);
  Tensor out = make_like(backend, first, shape, model.dtype, name, at);
  backends::TensorView target = view_of(out);
  const std::int64_t row = target.strides[place] * static_cast<std::int64_t>(item_size(model.dtype));
  for (const Tensor& part : tensors) {
    if (!has_elements(part)) continue;
    target.shape = part.impl()->view.shape;
    backend.copy(view_of(part), target);
    target.data = target.as<std::byte>() + row * target.shape[place];
  }
  return out;
}

}  // namespace weft::ops
