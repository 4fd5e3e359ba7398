#pragma once
// The base of every layer and every model.
//
//     struct Net : weft::nn::Module {
//       weft::nn::Ptr<weft::nn::Linear> fc1 = register_module("fc1", weft::nn::Linear(784, 512));
//       weft::nn::Ptr<weft::nn::Linear> fc2 = register_module("fc2", weft::nn::Linear(512, 10));
//       weft::Tensor forward(const weft::Tensor& x) override { return fc2(fc1(x).relu()); }
//     };
//
//     Net net;
//     net.to(weft::cuda());
//     auto logits = net(images);
//
// A module owns named parameters, buffers and further modules. Names join with dots as in PyTorch: the weight above is
// "fc1.weight". A parameter is a Tensor that records gradients; a buffer is state that is saved but not trained.
//
// Call modules through operator(), not forward(): an error thrown inside then names the layer it came from and the line
// of the call. Not thread-safe while training: parameters, gradients and the training flag are plain state. Calling one
// module from several threads is safe in eval mode with gradients disabled, as long as nobody changes it.

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/dtype.h>
#include <weft/core/export.h>
#include <weft/nn/state_dict.h>
#include <weft/tensor/tensor.h>

namespace weft::nn {

class Module;

/// A std::shared_ptr to a module that is called like the module: fc1(x) for (*fc1)(x).
template <class M>
class Ptr : public std::shared_ptr<M> {
 public:
  using std::shared_ptr<M>::shared_ptr;
  Ptr(std::shared_ptr<M> module) noexcept  // NOLINT(google-explicit-constructor)
      : std::shared_ptr<M>(std::move(module)) {}

  Tensor operator()(const Tensor& x, CallSite at = CallSite::here()) const { return (**this)(x, at); }
};

/// std::make_shared for modules: make<Linear>(784, 512).
template <class M, class... Args>
Ptr<M> make(Args&&... args) {
  return std::make_shared<M>(std::forward<Args>(args)...);
}

class WEFT_API Module {
 public:
  Module() noexcept {}
  virtual ~Module();
  Module(Module&&) noexcept;  ///< the registered names move along; parameters stay the same tensors
  Module& operator=(Module&&) = delete;
  Module(const Module&) = delete;  // a copy would silently share its parameters
  Module& operator=(const Module&) = delete;

  /// What the module computes. The default throws StateError (not_built): a module with other arguments declares its
  /// own function.
  virtual Tensor forward(const Tensor& x);

  /// forward(x). An Error thrown inside keeps its type and code; its message gains the path of the innermost module
  /// that was called, e.g. layer "encoder.0" (Linear(784, 512)).
  Tensor operator()(const Tensor& x, CallSite at = CallSite::here());

  /// One line for messages and printing: "Linear(784, 512)". The default is "Module".
  virtual std::string describe() const;

  // ---- registration. A name is not empty, holds no dot, and is new in this module: else ValueError (value_invalid).

  /// The same tensor, asked to record gradients. An undefined tensor is not registered (a layer without bias).
  Tensor register_parameter(std::string_view name, const Tensor& parameter, CallSite at = CallSite::here());
  /// Saved with the model and moved by to(), never trained.
  Tensor register_buffer(std::string_view name, const Tensor& buffer, CallSite at = CallSite::here());
  /// Throws StateError (tensor_undefined) for null, ValueError where the module would contain itself.
  template <class M>
  Ptr<M> register_module(std::string_view name, std::shared_ptr<M> module, CallSite at = CallSite::here()) {
    add_child(name, module, at);
    return module;
  }
  template <class M>
  requires(!std::is_reference_v<M> &&
           std::derived_from<M, Module>) Ptr<M> register_module(std::string_view name, M&& module,
                                                                CallSite at = CallSite::here()) {
    return register_module(name, std::make_shared<M>(std::move(module)), at);
  }

  // ---- what is registered, here and below: own entries first, then each child's, in order of registration. A tensor
  // or module reached twice (tied weights) is listed once, under its first name.
  std::vector<Tensor> parameters() const;
  StateDict named_parameters() const;
  std::vector<Tensor> buffers() const;
  StateDict named_buffers() const;
  const std::vector<std::pair<std::string, std::shared_ptr<Module>>>& named_children() const noexcept {  ///< one level
    return children_;
  }
  /// This module under the name "", then everything below it.
  std::vector<std::pair<std::string, Module*>> named_modules();
  std::vector<std::pair<std::string, const Module*>> named_modules() const;
  std::int64_t num_parameters() const;  ///< elements, tied ones counted once

  // ---- mode, here and below
  Module& train(bool on = true);
  Module& eval() { return train(false); }
  bool is_training() const noexcept { return training_; }

  // ---- conversions, here and below. Each parameter stays the same Tensor (optimisers and tied weights keep working);
  // its storage is replaced and its gradient dropped. Strong guarantee: on a throw nothing has changed.
  Module& to(Device device, CallSite at = CallSite::here());
  /// Floating parameters and buffers only; others keep their dtype. A dtype that is not floating: DTypeError.
  Module& to(DType dtype, CallSite at = CallSite::here());
  Module& to(Device device, DType dtype, CallSite at = CallSite::here());

  void zero_grad(CallSite at = CallSite::here());  ///< drops every gradient
  Module& requires_grad_(bool on = true, CallSite at = CallSite::here());

  // ---- state

  /// Parameters and buffers under every name they have; the tensors are the module's own, not copies.
  StateDict state_dict() const;
  /// Copies the values in, to whichever device the parameters live on. Everything that does not fit (names that are
  /// missing or unexpected, shapes, dtypes) is listed in one StateError (state_mismatch), and then nothing has changed.
  /// strict = false lets missing and unexpected names pass.
  void load_state_dict(const StateDict& state, bool strict = true, CallSite at = CallSite::here());

 protected:
  /// Where the user called the module that is now running on this thread; for passing on to functions.
  static CallSite call_site() noexcept;

 private:
  void add_child(std::string_view name, std::shared_ptr<Module> module, CallSite at);
  void check_name(std::string_view name, const char* what, CallSite at) const;
  void move_to(const Device* device, const DType* dtype, CallSite at);

  StateDict parameters_;
  StateDict buffers_;
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> children_;
  bool training_ = true;
};

/// A module of any type, for lists of them: converts from a module (moved in) and from a shared pointer to one.
class AnyModule {
 public:
  template <class M>
  requires(std::derived_from<M, Module>) AnyModule(std::shared_ptr<M> module)
  noexcept  // NOLINT(google-explicit-constructor)
      : module_(std::move(module)) {}
  template <class M>
  requires(std::derived_from<M, Module>) AnyModule(Ptr<M> module)
  noexcept  // NOLINT(google-explicit-constructor)
      : module_(std::move(module)) {}
  template <class M>
  requires(!std::is_reference_v<M> && std::derived_from<M, Module>)
      AnyModule(M&& module)  // NOLINT(google-explicit-constructor)
      : module_(std::make_shared<M>(std::move(module))) {}

  const std::shared_ptr<Module>& get() const noexcept { return module_; }

 private:
  std::shared_ptr<Module> module_;
};

/// The tree of modules, one line each, as PyTorch prints it.
WEFT_API std::string to_string(const Module& module);

}  // namespace weft::nn
