#pragma once
// weft::Tensor: an n-dimensional array on a device, with gradients when asked for.
//
//     auto x = weft::randn({64, 784}, weft::cpu());
//     auto w = weft::randn({10, 784}).requires_grad_();
//     weft::cross_entropy(weft::linear(x, w), labels).backward();
//
// A Tensor is one pointer to a reference-counted implementation. Copying it copies the pointer: both are the same
// tensor. A view (slice, transpose, ...) is a new tensor on the same storage: writing through one is seen by the other.
// The reference counts are atomic; reading one tensor from several threads is safe, writing while others use it is not.
//
// Members and operators that record gradients are defined in autograd/tensor_members.cpp, one line each, and call the
// free function of the same name (autograd/functions.h), where the formulas are documented.
//
// Every member but defined() throws StateError (tensor_undefined) on a default-constructed Tensor.

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weft/backends/op_args.h>
#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/dtype.h>
#include <weft/core/export.h>
#include <weft/core/shape.h>
#include <weft/tensor/generator.h>

namespace weft {

struct TensorImpl;
class Operand;
class Tensor;

/// What autograd/ hangs on a tensor; tensor/ only owns it.
struct WEFT_API AutogradMeta {
  virtual ~AutogradMeta();
};

/// Takes a hook of a tensor away again (Tensor::register_hook). Copies speak of the same hook; a handle that outlives
/// its tensor does nothing. Not while another thread goes through the tensor's graph.
class HookHandle {
 public:
  HookHandle() noexcept {}
  explicit HookHandle(std::weak_ptr<std::function<Tensor(const Tensor&)>> hook) noexcept : hook_(std::move(hook)) {}
  void remove() noexcept {
    if (const auto hook = hook_.lock()) *hook = nullptr;
  }

 private:
  std::weak_ptr<std::function<Tensor(const Tensor&)>> hook_;
};

/// A list of axes, empty meaning all of them. Converts from one axis and from a braced list: sum(x, 1), sum(x, {0,
/// -1}).
class Axes {
 public:
  constexpr Axes() = default;
  constexpr Axes(int axis) { push_back(axis); }  // NOLINT(google-explicit-constructor)
  constexpr Axes(std::initializer_list<int> axes) {
    for (int axis : axes) push_back(axis);
  }
  constexpr void push_back(int axis) noexcept {
    if (count_ < max_rank) axis_[count_] = axis;
    ++count_;
  }
  constexpr int size() const noexcept { return count_; }  ///< over max_rank is refused where the list is used
  constexpr bool empty() const noexcept { return count_ == 0; }
  constexpr int operator[](int i) const noexcept { return axis_[i]; }

 private:
  int axis_[max_rank] = {};
  int count_ = 0;
};

/// Bounds of slice(): start:stop:step as in Python, clamped to the extent as NumPy does; negative counts from the end.
struct Slice {
  std::optional<std::int64_t> start;
  std::optional<std::int64_t> stop;
  std::int64_t step = 1;
};

class WEFT_API Tensor {
 public:
  Tensor() noexcept {}  // not "= default": clang 14 would refuse it as a default argument within the class
  Tensor(const Tensor& other) noexcept;
  Tensor(Tensor&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
  Tensor& operator=(const Tensor& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;
  ~Tensor() {
    if (impl_ != nullptr) release();
  }

  // ---- facts
  bool defined() const noexcept { return impl_ != nullptr; }
  const Shape& shape(CallSite at = CallSite::here()) const;
  const Strides& strides(CallSite at = CallSite::here()) const;  ///< in elements
  int rank(CallSite at = CallSite::here()) const;
  std::int64_t size(int axis,
                    CallSite at = CallSite::here()) const;  ///< extent along an axis; negative counts from the end
  std::int64_t numel(CallSite at = CallSite::here()) const;
  DType dtype(CallSite at = CallSite::here()) const;
  Device device(CallSite at = CallSite::here()) const;
  bool is_contiguous(CallSite at = CallSite::here()) const;  ///< row-major without gaps
  bool is_same(const Tensor& other) const noexcept { return impl_ == other.impl_; }
  bool shares_storage(const Tensor& other) const noexcept;

  // ---- values on the host; these wait for the device
  /// The only element, as T; throws ShapeError unless numel() is 1, DTypeError unless the dtype is T's.
  template <class T>
  T item(CallSite at = CallSite::here()) const;
  double item(CallSite at = CallSite::here()) const;  ///< any dtype
  /// Every element in row-major order. T must be the dtype's type.
  template <class T>
  std::vector<T> to_vector(CallSite at = CallSite::here()) const;
  /// The first element in the device's own memory, for host backends and kernels of one's own. No copy, no check of
  /// strides. The mutable form counts as a write: values saved for a backward are invalidated.
  template <class T>
  const T* data(CallSite at = CallSite::here()) const;
  template <class T>
  T* mutable_data(CallSite at = CallSite::here());
  /// Copies numel() elements of T from host memory, row-major.
  template <class T>
  void copy_from(const T* host, CallSite at = CallSite::here());

  // ---- conversions (recorded)
  Tensor to(DType dtype, CallSite at = CallSite::here()) const;
  Tensor to(Device device, CallSite at = CallSite::here()) const;
  Tensor contiguous(CallSite at = CallSite::here()) const;  ///< itself when it is already
  Tensor clone(CallSite at = CallSite::here()) const;

  // ---- views (recorded); see autograd/functions.h
  Tensor reshape(const Shape& shape,
                 CallSite at = CallSite::here()) const;  ///< one extent may be -1; copies if it must
  Tensor flatten(int first_axis = 0, int last_axis = -1, CallSite at = CallSite::here()) const;
  Tensor transpose(int a, int b, CallSite at = CallSite::here()) const;
  Tensor t(CallSite at = CallSite::here()) const;  ///< a matrix transposed
  Tensor permute(const Axes& order, CallSite at = CallSite::here()) const;
  Tensor expand(const Shape& shape, CallSite at = CallSite::here()) const;  ///< -1 keeps an extent
  Tensor unsqueeze(int axis, CallSite at = CallSite::here()) const;
  Tensor squeeze(const Axes& axes = {}, CallSite at = CallSite::here()) const;
  Tensor view(const Shape& shape, CallSite at = CallSite::here()) const;  ///< as reshape, but refused if it must copy
  Tensor slice(int axis, Slice bounds, CallSite at = CallSite::here()) const;
  Tensor narrow(int axis, std::int64_t start, std::int64_t length, CallSite at = CallSite::here()) const;
  Tensor select(int axis, std::int64_t index, CallSite at = CallSite::here()) const;  ///< removes the axis
  Tensor operator[](std::int64_t index) const;                                        ///< select(0, index)
  std::vector<Tensor> split(std::int64_t size, int axis = 0, CallSite at = CallSite::here()) const;
  std::vector<Tensor> split(const std::vector<std::int64_t>& sizes, int axis = 0, CallSite at = CallSite::here()) const;
  std::vector<Tensor> chunk(std::int64_t chunks, int axis = 0, CallSite at = CallSite::here()) const;

  // ---- rearranged and indexed (recorded); see autograd/functions.h
  Tensor repeat(const Shape& repeats, CallSite at = CallSite::here()) const;
  Tensor roll(const Dims& shifts, const Axes& axes, CallSite at = CallSite::here()) const;
  Tensor roll(std::int64_t shift, CallSite at = CallSite::here()) const;
  Tensor flip(const Axes& axes = {}, CallSite at = CallSite::here()) const;
  Tensor tril(std::int64_t diagonal = 0, CallSite at = CallSite::here()) const;
  Tensor triu(std::int64_t diagonal = 0, CallSite at = CallSite::here()) const;
  Tensor index_select(int axis, const Tensor& index, CallSite at = CallSite::here()) const;
  Tensor gather(int axis, const Tensor& index, CallSite at = CallSite::here()) const;
  Tensor scatter_add(int axis, const Tensor& index, const Tensor& source, CallSite at = CallSite::here()) const;
  Tensor masked_fill(const Tensor& mask, const Operand& value) const;

  // ---- arithmetic by name (recorded)
  Tensor sum(const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor mean(const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor max(const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor min(const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor prod(const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor var(const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false,
             CallSite at = CallSite::here()) const;
  Tensor std(const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false,
             CallSite at = CallSite::here()) const;
  Tensor norm(double p = 2, const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor logsumexp(const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor any(const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor all(const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor argmax(std::optional<int> axis = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor argmin(std::optional<int> axis = {}, bool keepdim = false, CallSite at = CallSite::here()) const;
  Tensor cumsum(int axis, CallSite at = CallSite::here()) const;
  Tensor exp(CallSite at = CallSite::here()) const;
  Tensor expm1(CallSite at = CallSite::here()) const;
  Tensor log(CallSite at = CallSite::here()) const;
  Tensor log1p(CallSite at = CallSite::here()) const;
  Tensor sqrt(CallSite at = CallSite::here()) const;
  Tensor rsqrt(CallSite at = CallSite::here()) const;
  Tensor square(CallSite at = CallSite::here()) const;
  Tensor pow(const Operand& exponent) const;
  Tensor abs(CallSite at = CallSite::here()) const;
  Tensor sign(CallSite at = CallSite::here()) const;
  Tensor sin(CallSite at = CallSite::here()) const;
  Tensor cos(CallSite at = CallSite::here()) const;
  Tensor erf(CallSite at = CallSite::here()) const;
  Tensor floor(CallSite at = CallSite::here()) const;
  Tensor ceil(CallSite at = CallSite::here()) const;
  Tensor round(CallSite at = CallSite::here()) const;
  Tensor clamp(std::optional<backends::Number> min, std::optional<backends::Number> max = {},
               CallSite at = CallSite::here()) const;
  Tensor isnan(CallSite at = CallSite::here()) const;
  Tensor isfinite(CallSite at = CallSite::here()) const;
  Tensor tanh(CallSite at = CallSite::here()) const;
  Tensor sigmoid(CallSite at = CallSite::here()) const;
  Tensor relu(CallSite at = CallSite::here()) const;
  Tensor matmul(const Tensor& other, CallSite at = CallSite::here()) const;
  Tensor softmax(int axis, CallSite at = CallSite::here()) const;
  Tensor log_softmax(int axis, CallSite at = CallSite::here()) const;

  // ---- in place: never recorded. With gradients enabled they throw AutogradError (in_place_recorded) if this tensor
  // or an argument records gradients; the message names the out-of-place form. They raise the storage's version.
  Tensor& add_(const Operand& other);
  Tensor& sub_(const Operand& other);
  Tensor& mul_(const Operand& other);
  Tensor& div_(const Operand& other);
  Tensor& operator+=(const Operand& other);
  Tensor& operator-=(const Operand& other);
  Tensor& operator*=(const Operand& other);
  Tensor& operator/=(const Operand& other);
  Tensor& copy_(const Tensor& source, CallSite at = CallSite::here());  ///< broadcasts, casts, crosses devices
  Tensor& fill_(backends::Number value, CallSite at = CallSite::here());
  Tensor& zero_(CallSite at = CallSite::here());
  Tensor& neg_(CallSite at = CallSite::here());
  Tensor& abs_(CallSite at = CallSite::here());
  Tensor& exp_(CallSite at = CallSite::here());
  Tensor& log_(CallSite at = CallSite::here());
  Tensor& sqrt_(CallSite at = CallSite::here());
  Tensor& tanh_(CallSite at = CallSite::here());
  Tensor& sigmoid_(CallSite at = CallSite::here());
  Tensor& relu_(CallSite at = CallSite::here());
  Tensor& clamp_(std::optional<backends::Number> low, std::optional<backends::Number> high = {},
                 CallSite at = CallSite::here());  ///< no bound: open at that side; low > high: ValueError
  Tensor& masked_fill_(const Tensor& mask, backends::Number value, CallSite at = CallSite::here());
  /// New numbers for every element: one draw of the generator, the stream of rand() and randn().
  Tensor& uniform_(double low = 0, double high = 1, Generator& generator = default_generator(),
                   CallSite at = CallSite::here());
  Tensor& normal_(double mean = 0, double standard_deviation = 1, Generator& generator = default_generator(),
                  CallSite at = CallSite::here());
  Tensor& bernoulli_(double p = 0.5, Generator& generator = default_generator(), CallSite at = CallSite::here());

  // ---- gradients
  bool requires_grad() const;  ///< a leaf that was asked to, or the result of recorded operations on one
  bool is_leaf() const;
  Tensor& requires_grad_(bool on = true, CallSite at = CallSite::here());
  Tensor grad(CallSite at = CallSite::here()) const;  ///< undefined until a backward reached this leaf
  void set_grad(const Tensor& gradient, CallSite at = CallSite::here());
  void zero_grad(CallSite at = CallSite::here());       ///< drops the gradient
  Tensor detach(CallSite at = CallSite::here()) const;  ///< same storage, no history
  /// d(this)/d(leaf) is added to every leaf's grad(). `gradient` is needed unless this has one element. See
  /// autograd/engine.
  void backward(const Tensor& gradient = {}, bool retain_graph = false, bool create_graph = false,
                CallSite at = CallSite::here()) const;
  /// Called with the gradient of this tensor when a backward computes it; a defined return value replaces it. Hooks run
  /// in the order they were registered, until remove() of the handle.
  HookHandle register_hook(std::function<Tensor(const Tensor&)> hook, CallSite at = CallSite::here());
  std::uint64_t version() const;  ///< raised by every in-place write to the storage

  // ---- for weft's own rooms
  static Tensor adopt(TensorImpl* impl) noexcept {  ///< takes over one reference
    Tensor t;
    t.impl_ = impl;
    return t;
  }
  TensorImpl* impl() const noexcept { return impl_; }

 private:
  void release() noexcept;
  TensorImpl* impl_ = nullptr;
};

/// What an operator takes: a tensor or a number, with the place in the user's source where it was written.
class Operand {
 public:
  Operand(const Tensor& tensor, CallSite at = CallSite::here()) noexcept  // NOLINT(google-explicit-constructor)
      : tensor_(&tensor), at_(at) {}
  template <class T>
  requires(std::integral<T> || std::floating_point<T>) Operand(T number, CallSite at = CallSite::here())
  noexcept  // NOLINT(google-explicit-constructor)
      : number_(number), at_(at) {}

  bool is_number() const noexcept { return tensor_ == nullptr; }
  const Tensor& tensor() const noexcept { return *tensor_; }
  backends::Number number() const noexcept { return number_; }
  CallSite at() const noexcept { return at_; }

 private:
  const Tensor* tensor_ = nullptr;  // outlives the full expression, as any reference argument does
  backends::Number number_;
  CallSite at_;
};

WEFT_API Tensor operator+(const Operand& a, const Operand& b);
WEFT_API Tensor operator-(const Operand& a, const Operand& b);
WEFT_API Tensor operator*(const Operand& a, const Operand& b);
WEFT_API Tensor operator/(const Operand& a, const Operand& b);
WEFT_API Tensor operator-(const Operand& a);
// Elementwise, as in NumPy: the results are bool tensors.
WEFT_API Tensor operator==(const Operand& a, const Operand& b);
WEFT_API Tensor operator!=(const Operand& a, const Operand& b);
WEFT_API Tensor operator<(const Operand& a, const Operand& b);
WEFT_API Tensor operator<=(const Operand& a, const Operand& b);
WEFT_API Tensor operator>(const Operand& a, const Operand& b);
WEFT_API Tensor operator>=(const Operand& a, const Operand& b);
// Of bool tensors: and, or, not. (&& and || are not overloaded: they could not stop at the first operand.)
WEFT_API Tensor operator&(const Operand& a, const Operand& b);
WEFT_API Tensor operator|(const Operand& a, const Operand& b);
WEFT_API Tensor operator~(const Operand& a);
WEFT_API Tensor operator!(const Operand& a);

/// Values (large tensors abbreviated), shape, dtype and device, as NumPy and PyTorch lay them out.
WEFT_API std::string to_string(const Tensor& tensor);
WEFT_API std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace weft
