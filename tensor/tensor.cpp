#include <weft/tensor/tensor.h>

#include <cstring>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/tensor_impl.h>

// Lifetime, facts and values on the host. What records gradients is defined in autograd/tensor_members.cpp.

namespace weft {

AutogradMeta::~AutogradMeta() = default;

TensorImpl::~TensorImpl() {
  if (storage != nullptr) release_storage(storage);
}

// ---- lifetime

Tensor::Tensor(const Tensor& other) noexcept : impl_(other.impl_) {
  if (impl_ != nullptr) impl_->refs.fetch_add(1, std::memory_order_relaxed);
}

Tensor& Tensor::operator=(const Tensor& other) noexcept {
  Tensor copy(other);
  std::swap(impl_, copy.impl_);
  return *this;
}

Tensor& Tensor::operator=(Tensor&& other) noexcept {
  Tensor moved(std::move(other));
  std::swap(impl_, moved.impl_);
  return *this;
}

void Tensor::release() noexcept {
  if (drop_reference(impl_->refs)) delete impl_;
}

bool Tensor::shares_storage(const Tensor& other) const noexcept {
  return impl_ != nullptr && other.impl_ != nullptr && impl_->storage == other.impl_->storage;
}

// ---- facts

namespace {

const TensorImpl& checked(const Tensor& tensor, const char* name, CallSite at) {
  ops::check_defined(tensor, name, "this tensor", at);
  return *tensor.impl();
}

void check_type(DType dtype, DType asked, const char* name, CallSite at) {
  if (dtype == asked) return;
  throw DTypeError(ErrorCode::dtype_mismatch, name,
                   message("asked for ", asked, ", but the tensor is ", dtype, "; convert it first: .to(weft::DType::",
                           asked == DType::boolean ? "boolean" : weft::name(asked), ")"),
                   at);
}

}  // namespace

const Shape& Tensor::shape(CallSite at) const { return checked(*this, "shape", at).view.shape; }
const Strides& Tensor::strides(CallSite at) const { return checked(*this, "strides", at).view.strides; }
int Tensor::rank(CallSite at) const { return checked(*this, "rank", at).view.rank(); }
std::int64_t Tensor::numel(CallSite at) const { return checked(*this, "numel", at).view.numel(); }
DType Tensor::dtype(CallSite at) const { return checked(*this, "dtype", at).view.dtype; }
Device Tensor::device(CallSite at) const { return checked(*this, "device", at).storage->device; }
bool Tensor::is_contiguous(CallSite at) const {
  const backends::TensorView& view = checked(*this, "is_contiguous", at).view;
  return view.is_contiguous() || view.numel() == 0;
}

std::int64_t Tensor::size(int axis, CallSite at) const {
  const Shape& extents = checked(*this, "size", at).view.shape;
  return extents[normalize_axis(axis, extents.rank(), "size", at)];
}

// ---- values

namespace {

// Copies the elements in row-major order to host memory that has room for them.
void copy_to_host(const Tensor& x, void* host, const char* name, CallSite at) {
  const TraceSpan span(name, "host copy");
  const Tensor dense = ops::contiguous(x, name, at);
  if (!ops::has_elements(dense)) return;
  const backends::TensorView view = view_of(dense);
  ops::begin(dense, name, at).copy_out(host, view.data, static_cast<std::size_t>(view.numel()) * item_size(view.dtype));
}

void check_one_element(const TensorImpl& impl, CallSite at) {
  if (impl.view.numel() == 1) return;
  throw ShapeError(ErrorCode::shape_invalid, "item",
                   message("needs exactly one element; the tensor is ", impl.view.shape, " with ", impl.view.numel(),
                           "; use to_vector() for several"),
                   at);
}

template <class T>
T read_one(const Tensor& x, CallSite at) {
  const TraceSpan span("item", "host copy");
  const TensorImpl& impl = *x.impl();
  if constexpr (std::is_same_v<T, bool>) {
    std::uint8_t byte = 0;
    ops::begin(x, "item", at).copy_out(&byte, impl.view.data, 1);
    return byte != 0;
  } else {
    T value{};
    ops::begin(x, "item", at).copy_out(&value, impl.view.data, sizeof(T));
    return value;
  }
}

template <class T>
double read_as_double(const Tensor& x, CallSite at) {
  const T value = read_one<T>(x, at);
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<double>(value);
  } else {
    return static_cast<double>(static_cast<float>(value));
  }
}

}  // namespace

double Tensor::item(CallSite at) const {
  const TensorImpl& impl = checked(*this, "item", at);
  check_one_element(impl, at);
  switch (impl.view.dtype) {
    case DType::float32:
      return read_as_double<float>(*this, at);
    case DType::float64:
      return read_as_double<double>(*this, at);
    case DType::float16:
      return read_as_double<float16>(*this, at);
    case DType::bfloat16:
      return read_as_double<bfloat16>(*this, at);
    case DType::int64:
      return read_as_double<std::int64_t>(*this, at);
    case DType::int32:
      return read_as_double<std::int32_t>(*this, at);
    case DType::uint8:
      return read_as_double<std::uint8_t>(*this, at);
    case DType::boolean:
      return read_as_double<bool>(*this, at);
  }
  return 0;
}

template <class T>
T Tensor::item(CallSite at) const {
  const TensorImpl& impl = checked(*this, "item", at);
  check_one_element(impl, at);
  check_type(impl.view.dtype, dtype_of<T>, "item", at);
  return read_one<T>(*this, at);
}

template <class T>
std::vector<T> Tensor::to_vector(CallSite at) const {
  const TensorImpl& impl = checked(*this, "to_vector", at);
  check_type(impl.view.dtype, dtype_of<T>, "to_vector", at);
  const auto count = static_cast<std::size_t>(impl.view.numel());
  if constexpr (std::is_same_v<T, bool>) {  // vector<bool> packs bits; a byte in a tensor may be more than 1
    std::vector<std::uint8_t> bytes(count);
    copy_to_host(*this, bytes.data(), "to_vector", at);
    std::vector<bool> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = bytes[i] != 0;
    return values;
  } else {
    std::vector<T> values(count);
    copy_to_host(*this, values.data(), "to_vector", at);
    return values;
  }
}

template <class T>
const T* Tensor::data(CallSite at) const {
  const TensorImpl& impl = checked(*this, "data", at);
  check_type(impl.view.dtype, dtype_of<T>, "data", at);
  return impl.view.as<const T>();
}

template <class T>
T* Tensor::mutable_data(CallSite at) {
  const TensorImpl& impl = checked(*this, "mutable_data", at);
  check_type(impl.view.dtype, dtype_of<T>, "mutable_data", at);
  ops::bump_version(*this);
  return impl.view.as<T>();
}

template <class T>
void Tensor::copy_from(const T* host, CallSite at) {
  const TensorImpl& impl = checked(*this, "copy_from", at);
  check_type(impl.view.dtype, dtype_of<T>, "copy_from", at);
  ops::check_writable(*this, "copy_from", at);
  if (!ops::has_elements(*this)) return;
  if (host == nullptr) {
    throw ValueError(ErrorCode::value_invalid, "copy_from",
                     message("host is null, but ", impl.view.numel(), " elements are to be copied"), at);
  }
  const TraceSpan span("copy_from", "host copy");
  const std::size_t bytes = static_cast<std::size_t>(impl.view.numel()) * sizeof(T);
  backends::Backend& backend = ops::begin(*this, "copy_from", at);
  if (impl.view.is_contiguous()) {
    backend.copy_in(impl.view.data, host, bytes);
  } else {
    const Tensor dense = ops::make_like(backend, *this, impl.view.shape, impl.view.dtype, "copy_from", at);
    backend.copy_in(dense.impl()->view.data, host, bytes);
    backend.copy(view_of(dense), view_of(*this));
  }
  ops::bump_version(*this);
}

#define WEFT_INSTANTIATE(T)                                     \
  template T Tensor::item<T>(CallSite) const;                   \
  template std::vector<T> Tensor::to_vector<T>(CallSite) const; \
  template const T* Tensor::data<T>(CallSite) const;            \
  template T* Tensor::mutable_data<T>(CallSite);                \
  template void Tensor::copy_from<T>(const T*, CallSite);
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
