#pragma once
// An operation of one's own, with its gradient.
//
//     struct Cube : weft::Function<Cube> {
//       static constexpr const char* name = "cube";  // for messages
//
//       static weft::Tensor forward(weft::FunctionContext& ctx, const weft::Tensor& x) {
//         ctx.save_for_backward({x});
//         return x * x * x;
//       }
//       static std::vector<weft::Tensor> backward(weft::FunctionContext& ctx, const std::vector<weft::Tensor>& dy) {
//         const weft::Tensor x = ctx.saved_tensors()[0];
//         return {3 * dy[0] * x * x};
//       }
//     };
//     weft::Tensor y = Cube::apply(x);
//
// forward() takes the context and whatever apply() is given: tensors, lists of tensors (std::vector<Tensor>), and
// values of any other type. It returns a Tensor or a std::vector<Tensor>, and runs with gradients off: what it calls is
// not recorded, and it may compute outside weft altogether. It must not write to its arguments.
//
// backward() is given the gradient of every result and returns one gradient for every argument of forward() after the
// context, in order: a list of tensors counts with its elements, and an argument that is no tensor, or whose gradient
// is not needed (needs_input_grad()), gets an undefined Tensor. A gradient has the argument's shape, or one the
// argument was broadcast to (it is then summed), its dtype and its device. AutogradError (gradient_mismatch) otherwise.
//
// Second derivatives: where the backward is itself recorded (create_graph), backward() runs with gradients on, and what
// it computes with weft's functions from dy and saved_tensors() is differentiated again. A backward() that is not made
// of such functions says `static constexpr bool once_differentiable = true;`: it always runs with gradients off, and
// going through its result a second time throws AutogradError (differentiated_once) instead of giving a wrong number.
//
// A result that is one of the arguments is handed out as a new tensor on the same storage. Results of dtypes without
// gradients (int64, bool, ...) record none. What forward() or backward() throw passes through.
//
// Threads: forward and backward run on the thread that calls apply() and the backward. One context belongs to one call.

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/tensor/tensor.h>

namespace weft {

namespace function_detail {

class CustomCall;

template <class T>
inline constexpr char type_tag = 0;  // its address stands for T

}  // namespace function_detail

/// What forward() leaves for backward(). Lives as long as the graph keeps its call.
class WEFT_API FunctionContext {
 public:
  FunctionContext(const FunctionContext&) = delete;
  FunctionContext& operator=(const FunctionContext&) = delete;

  // ---- in forward()

  /// Arguments, results, or anything else backward() needs; undefined tensors stay so. Replaces what was saved before.
  /// Second derivatives go through arguments and results; another tensor is a constant to them.
  /// Saved tensors must not be written to until the backward: it throws AutogradError (version_conflict).
  void save_for_backward(std::vector<Tensor> tensors) { to_save_ = std::move(tensors); }
  /// A value of any copyable type that is no tensor, for kept<T>(). Replaces what was kept before.
  template <class T>
  void keep(T value) {
    kept_ = std::make_shared<T>(std::move(value));
    kept_type_ = &function_detail::type_tag<T>;
  }
  /// Results of the running forward() that have no gradient.
  void mark_non_differentiable(std::vector<Tensor> results) { non_differentiable_ = std::move(results); }
  /// Whether a result that got no gradient is given to backward() as zeros (the default) or as an undefined Tensor.
  void set_materialize_grads(bool on) noexcept { materialize_ = on; }

  // ---- in backward()

  /// In the order they were saved. AutogradError: version_conflict when one was overwritten; StateError outside of
  /// backward().
  std::vector<Tensor> saved_tensors() const;

  // ---- in both

  template <class T>
  const T& kept() const {
    if (kept_type_ != &function_detail::type_tag<T>) refuse_kept();
    return *static_cast<const T*>(kept_.get());
  }
  /// Whether the gradient of argument i of forward() is wanted, counted as backward() counts them; false past the end.
  bool needs_input_grad(std::size_t i) const noexcept { return i < needed_.size() && needed_[i] != 0; }
  /// Where the user called apply(); for passing on to functions.
  CallSite call_site() const noexcept { return at_; }

 private:
  friend class function_detail::CustomCall;
  FunctionContext(const char* name, CallSite at) noexcept : name_(name), at_(at) {}
  [[noreturn]] void refuse_kept() const;

  const char* name_;
  CallSite at_;
  std::vector<Tensor> to_save_;
  std::vector<Tensor> non_differentiable_;
  std::shared_ptr<const void> kept_;
  const char* kept_type_ = nullptr;
  std::vector<char> needed_;
  std::vector<char> is_tensor_;
  bool materialize_ = true;
  const function_detail::CustomCall* call_ = nullptr;  // while backward() runs
};

namespace function_detail {

using Forward = std::function<std::vector<Tensor>(FunctionContext&)>;
using Backward = std::vector<Tensor> (*)(FunctionContext&, const std::vector<Tensor>&);

/// Runs forward and records the call. `arguments`: one place per gradient, null where there is no tensor.
WEFT_API std::vector<Tensor> apply(const char* name, Backward backward, bool once_differentiable,
                                   const std::vector<const Tensor*>& arguments, const Forward& forward, CallSite at);

template <class T>
void add_places(std::vector<const Tensor*>& places, const T& argument) {
  if constexpr (std::is_same_v<T, Tensor>) {
    places.push_back(&argument);
  } else if constexpr (std::is_same_v<T, std::vector<Tensor>>) {
    for (const Tensor& x : argument) places.push_back(&x);
  } else {
    places.push_back(nullptr);
  }
}

/// A first argument that is a tensor, with the place in the user's source where apply() was written.
struct First {
  First(const Tensor& x, CallSite where = CallSite::here()) noexcept  // NOLINT(google-explicit-constructor)
      : tensor(x), at(where) {}
  const Tensor& tensor;
  CallSite at;
};

}  // namespace function_detail

template <class Derived>
class Function {
 public:
  /// Errors name the line of this call.
  template <class... Rest>
  static auto apply(const function_detail::First& first, const Rest&... rest) {
    return call(first.at, first.tensor, rest...);
  }
  /// For functions whose first argument is no tensor; errors name no line.
  template <class Head, class... Rest>
  requires(!std::convertible_to<const Head&, function_detail::First>) static auto apply(const Head& head,
                                                                                        const Rest&... rest) {
    return call(CallSite{}, head, rest...);
  }

 private:
  template <class... Arguments>
  static auto call(CallSite at, const Arguments&... arguments) {
    using Result = decltype(Derived::forward(std::declval<FunctionContext&>(), arguments...));
    static_assert(std::is_same_v<Result, Tensor> || std::is_same_v<Result, std::vector<Tensor>>,
                  "forward() returns a Tensor or a std::vector<Tensor>");
    const char* name = "custom function";
    if constexpr (requires { Derived::name; }) name = Derived::name;
    bool once = false;
    if constexpr (requires { Derived::once_differentiable; }) once = Derived::once_differentiable;
    std::vector<const Tensor*> places;
    (function_detail::add_places(places, arguments), ...);
    const auto forward = [&](FunctionContext& ctx) -> std::vector<Tensor> {
      if constexpr (std::is_same_v<Result, Tensor>) {
        return {Derived::forward(ctx, arguments...)};
      } else {
        return Derived::forward(ctx, arguments...);
      }
    };
    std::vector<Tensor> results = function_detail::apply(name, &Derived::backward, once, places, forward, at);
    if constexpr (std::is_same_v<Result, Tensor>) {
      return Tensor(std::move(results[0]));
    } else {
      return results;
    }
  }
};

}  // namespace weft
