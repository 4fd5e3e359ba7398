#include <weft/tensor/creation.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include <weft/backends/registry.h>
#include <weft/backends/tape.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/by_type.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft {
namespace {

using backends::Number;

Tensor filled(const Shape& shape, Number value, TensorOptions options, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  Tensor out = ops::make_on(options.device, shape, options.dtype, name, at);
  if (ops::has_elements(out)) ops::begin(out, name, at).fill(view_of(out), value);
  return out;
}

// Host values of T into a new tensor; host is row-major and has the shape's element count.
template <class T>
Tensor copied(const T* host, const Shape& shape, Device device, const char* name, CallSite at) {
  const TraceSpan span(name, "host copy");
  Tensor out = ops::make_on(device, shape, dtype_of<T>, name, at);
  if (!ops::has_elements(out)) return out;
  if (host == nullptr) {
    throw ValueError(ErrorCode::value_invalid, name, message("data is null, but the shape is ", shape), at);
  }
  ops::begin(out, name, at)
      .copy_in(out.impl()->view.data, host, static_cast<std::size_t>(out.impl()->view.numel()) * sizeof(T));
  return out;
}

// Elements value(0), value(1), ... in the dtype asked for, made on the host piece by piece.
template <class F>
Tensor generated(std::int64_t count, TensorOptions options, const char* name, CallSite at, F value) {
  Tensor out = ops::make_on(options.device, {count}, options.dtype, name, at);
  if (count == 0) return out;
  constexpr std::int64_t piece = 1 << 16;
  by_type(options.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const std::unique_ptr<T[]> host(new T[static_cast<std::size_t>(std::min(piece, count))]);
    T* target = out.impl()->view.as<T>();
    for (std::int64_t first = 0; first < count; first += piece) {
      const std::int64_t n = std::min(piece, count - first);
      for (std::int64_t i = 0; i < n; ++i) host[static_cast<std::size_t>(i)] = value(first + i).template to<T>();
      ops::begin(out, name, at).copy_in(target + first, host.get(), static_cast<std::size_t>(n) * sizeof(T));
    }
  });
  return out;
}

}  // namespace

Tensor empty(const Shape& shape, TensorOptions options, CallSite at) {
  return ops::make_on(options.device, shape, options.dtype, "empty", at);
}
Tensor zeros(const Shape& shape, TensorOptions options, CallSite at) { return filled(shape, 0, options, "zeros", at); }
Tensor ones(const Shape& shape, TensorOptions options, CallSite at) { return filled(shape, 1, options, "ones", at); }
Tensor full(const Shape& shape, Number value, TensorOptions options, CallSite at) {
  return filled(shape, value, options, "full", at);
}
Tensor scalar(Number value, TensorOptions options, CallSite at) { return filled({}, value, options, "scalar", at); }

Tensor eye(std::int64_t rows, std::int64_t columns, TensorOptions options, CallSite at) {
  Tensor out = filled({rows, columns}, 0, options, "eye", at);
  if (ops::has_elements(out)) {
    backends::TensorView diagonal = view_of(out);
    diagonal.shape = {std::min(rows, columns)};
    diagonal.strides = {columns + 1};
    ops::begin(out, "eye", at).fill(diagonal, 1);
  }
  return out;
}
Tensor eye(std::int64_t n, TensorOptions options, CallSite at) { return eye(n, n, options, at); }

Tensor arange(double start, double stop, double step, TensorOptions options, CallSite at) {
  if (!std::isfinite(start) || !std::isfinite(stop) || !std::isfinite(step)) {
    throw ValueError(ErrorCode::value_out_of_range, "arange",
                     message("start ", start, ", stop ", stop, ", step ", step, ": all must be finite"), at);
  }
  if (step == 0 || (stop - start) / step < 0) {
    throw ValueError(ErrorCode::value_out_of_range, "arange",
                     message("step ", step, " does not lead from ", start, " to ", stop,
                             step == 0 ? ": it must not be 0" : ": it has the wrong sign"),
                     at);
  }
  const double count = std::ceil((stop - start) / step);
  if (!(count < 0x1p63)) {
    throw ShapeError(ErrorCode::shape_overflow, "arange",
                     message(start, " to ", stop, " in steps of ", step, " has more elements than 2^63 - 1"), at);
  }
  const auto n = static_cast<std::int64_t>(count);
  return generated(n, options, "arange", at,
                   [=](std::int64_t i) { return Number(start + static_cast<double>(i) * step); });
}

Tensor arange(double stop, TensorOptions options, CallSite at) { return arange(0, stop, 1, options, at); }

Tensor linspace(double start, double stop, std::int64_t count, TensorOptions options, CallSite at) {
  if (!std::isfinite(start) || !std::isfinite(stop) || !std::isfinite(stop - start)) {
    throw ValueError(ErrorCode::value_out_of_range, "linspace",
                     message("start ", start, ", stop ", stop, ": both and their difference must be finite"), at);
  }
  if (count < 0) {
    throw ValueError(ErrorCode::value_out_of_range, "linspace", message("count is ", count, "; expected 0 or more"),
                     at);
  }
  const double step = count > 1 ? (stop - start) / static_cast<double>(count - 1) : 0;
  return generated(count, options, "linspace", at, [=](std::int64_t i) {
    return Number(i < count - i ? start + static_cast<double>(i) * step
                                : stop - static_cast<double>(count - 1 - i) * step);
  });
}

Tensor empty_like(const Tensor& other, CallSite at) {
  ops::check_defined(other, "empty_like", "other", at);
  return ops::make_like(ops::begin(other, "empty_like", at), other, other.shape(), other.dtype(), "empty_like", at);
}

namespace {

Tensor filled_like(const Tensor& other, Number value, const char* name, CallSite at) {
  ops::check_defined(other, name, "other", at);
  backends::Backend& backend = ops::begin(other, name, at);
  Tensor out = ops::make_like(backend, other, other.impl()->view.shape, other.impl()->view.dtype, name, at);
  if (ops::has_elements(out)) backend.fill(view_of(out), value);
  return out;
}

}  // namespace

Tensor zeros_like(const Tensor& other, CallSite at) { return filled_like(other, 0, "zeros_like", at); }
Tensor ones_like(const Tensor& other, CallSite at) { return filled_like(other, 1, "ones_like", at); }
Tensor full_like(const Tensor& other, Number value, CallSite at) { return filled_like(other, value, "full_like", at); }

Tensor from_blob(void* data, const Shape& shape, TensorOptions options, std::function<void(void*)> deleter,
                 CallSite at) {
  constexpr const char* name = "from_blob";
  const std::int64_t count = check_shape(shape, item_size(options.dtype), name, at);
  if (!ops::in_host_memory(options.device)) {
    throw DeviceError(ErrorCode::device_mismatch, name,
                      message("memory of the host is not memory of ", options.device,
                              "; copy it there with from_data(), or name weft::cpu() or weft::serial()"),
                      at);
  }
  if (data == nullptr && count != 0) {
    throw ValueError(ErrorCode::value_invalid, name, message("data is null, but the shape is ", shape), at);
  }
  if (reinterpret_cast<std::uintptr_t>(data) % item_size(options.dtype) != 0) {
    throw ValueError(ErrorCode::value_invalid, name,
                     message("data is not aligned to the ", item_size(options.dtype), " bytes of a ", options.dtype,
                             "; copy it with from_data()"),
                     at);
  }
  if (backends::active_tape() != nullptr) {
    throw StateError(ErrorCode::read_only, name,
                     "inside a captured step the memory could be gone at the replay; make the tensor before", at);
  }
  backends::Backend& backend = backends::backend_for(options.device, at);
  auto release = std::make_unique<std::function<void(void*)>>();
  auto impl = std::make_unique<TensorImpl>();
  impl->storage = make_storage(backend, backend, options.device, 0);
  impl->storage->data = data;
  impl->storage->bytes = static_cast<std::size_t>(count) * item_size(options.dtype);
  impl->view = backends::contiguous_view(data, options.dtype, shape);
  *release = std::move(deleter);
  impl->storage->release = std::move(release);
  return Tensor::adopt(impl.release());
}

template <class T>
Tensor from_data(const T* data, const Shape& shape, Device device, CallSite at) {
  return copied(data, shape, device, "from_data", at);
}

template <class T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape, Device device, CallSite at) {
  const std::int64_t count = check_shape(shape, sizeof(T), "from_vector", at);
  if (static_cast<std::size_t>(count) != values.size()) {
    throw ShapeError(
        ErrorCode::shape_mismatch, "from_vector",
        message("the vector has ", values.size(), " values, the shape ", shape, " has ", count, " elements"), at);
  }
  if constexpr (std::is_same_v<T, bool>) {  // vector<bool> has no array inside
    const std::unique_ptr<bool[]> host(new bool[values.size()]);
    std::copy(values.begin(), values.end(), host.get());
    return copied<bool>(host.get(), shape, device, "from_vector", at);
  } else {
    return copied(values.data(), shape, device, "from_vector", at);
  }
}

Tensor tensor(std::initializer_list<double> values, TensorOptions options, CallSite at) {
  return generated(static_cast<std::int64_t>(values.size()), options, "tensor", at,
                   [&](std::int64_t i) { return Number(values.begin()[i]); });
}

#define WEFT_INSTANTIATE(T)                                                        \
  template WEFT_API Tensor from_data<T>(const T*, const Shape&, Device, CallSite); \
  template WEFT_API Tensor from_vector<T>(const std::vector<T>&, const Shape&, Device, CallSite);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
WEFT_INSTANTIATE(float16)
WEFT_INSTANTIATE(bfloat16)
WEFT_INSTANTIATE(std::int64_t)
WEFT_INSTANTIATE(std::int32_t)
WEFT_INSTANTIATE(std::uint8_t)
WEFT_INSTANTIATE(bool)
#undef WEFT_INSTANTIATE

}  // namespace weft
