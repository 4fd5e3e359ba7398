#include <weft/tensor/creation.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

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

Tensor eye(std::int64_t n, TensorOptions options, CallSite at) {
  Tensor out = filled({n, n}, 0, options, "eye", at);
  if (n > 0) {
    backends::TensorView diagonal = view_of(out);
    diagonal.shape = {n};
    diagonal.strides = {n + 1};
    ops::begin(out, "eye", at).fill(diagonal, 1);
  }
  return out;
}

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
