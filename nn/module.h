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
// Call modules through operator(), not forward(): hooks run, and an error thrown inside names the layer it came from
// and the line of the call. Not thread-safe while training: parameters, gradients and the training flag are plain
// state. Calling one module from several threads is safe in eval mode with gradients disabled, as long as nobody
// changes it.
//
// For clone() to copy a module of one's own, it says in one line how to make another one:
//
//       std::shared_ptr<weft::nn::Module> fresh() const override { return std::make_shared<Net>(); }

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
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

/// How the names of a foreign file become a module's own: a function, or prefixes and what stands for them.
///
///     model.load_state_dict(file.tensors, true, {{"features.", "body."}, {"classifier.", "head."}});
class WEFT_API KeyMap {
 public:
  KeyMap() = default;  ///< names stay as they are
  /// The first prefix that a name begins with is replaced; a name with none of them stays.
  KeyMap(std::initializer_list<std::pair<std::string, std::string>> prefixes);
  /// rename(name) gives the new name; an empty one leaves the tensor out.
  template <class F>
  requires(std::is_invocable_r_v<std::string, F, const std::string&>)
      KeyMap(F rename)  // NOLINT(google-explicit-constructor)
      : rename_(std::move(rename)) {}

  std::string operator()(const std::string& name) const { return rename_ ? rename_(name) : name; }

 private:
  std::function<std::string(const std::string&)> rename_;
};

/// What load_state_dict(.., strict = false) passed over, by the module's own names.
struct LoadedKeys {
  std::vector<std::string> missing;     ///< of the module, not in the state: unchanged
  std::vector<std::string> unexpected;  ///< in the state, not of the module: unused
};

struct ModuleHooks;

/// What register_forward_hook() and its like return. Dropping it leaves the hook where it is.
class WEFT_API HookHandle {
 public:
  HookHandle() noexcept {}
  /// The hook no longer runs. Nothing happens the second time, or where the module is gone.
  void remove() noexcept;

 private:
  friend class Module;
  HookHandle(std::weak_ptr<ModuleHooks> hooks, std::uint64_t id) noexcept : hooks_(std::move(hooks)), id_(id) {}
  std::weak_ptr<ModuleHooks> hooks_;
  std::uint64_t id_ = 0;
};

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

  /// Puts another module into the place of the child of that name and returns it. ValueError (value_invalid) where
  /// there is none. A member that holds the old one keeps it: assign the result to it.
  template <class M>
  Ptr<M> replace_module(std::string_view name, std::shared_ptr<M> module, CallSite at = CallSite::here()) {
    replace_child(name, module, at);
    return module;
  }
  template <class M>
  requires(!std::is_reference_v<M> &&
           std::derived_from<M, Module>) Ptr<M> replace_module(std::string_view name, M&& module,
                                                               CallSite at = CallSite::here()) {
    return replace_module(name, std::make_shared<M>(std::move(module)), at);
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
  /// missing or unexpected, shapes, dtypes, two names that `keys` makes one) is listed in one StateError
  /// (state_mismatch), and then nothing has changed. strict = false lets missing and unexpected names pass and returns
  /// them.
  LoadedKeys load_state_dict(const StateDict& state, bool strict = true, CallSite at = CallSite::here());
  LoadedKeys load_state_dict(const StateDict& state, bool strict, const KeyMap& keys, CallSite at = CallSite::here());

  /// A copy that shares nothing: parameters and buffers with their values, dtypes and devices, modes, and which
  /// parameters record gradients; what shares a tensor within the module does so within the copy. Hooks and gradients
  /// are not copied, nor is anything that is not registered and that fresh() does not pass on. The default generator is
  /// left as it was. nn::clone(module) returns the type itself.
  /// Throws StateError: not_built for a module without fresh(), state_mismatch where what fresh() makes has not the
  /// same parts (listed).
  std::shared_ptr<Module> clone(CallSite at = CallSite::here()) const;

  // ---- hooks: functions called around every call of this module through operator(const Tensor&). In order of
  // registration. Those that may return a Tensor replace what they were given, unless it is undefined; a function that
  // returns nothing only looks.

  /// hook(module, x) before forward; its result is what forward gets.
  template <class F>
  HookHandle register_forward_pre_hook(F hook, CallSite at = CallSite::here()) {
    return add_pre_hook(returning<F, Module&, const Tensor&>(std::move(hook)), at);
  }
  /// hook(module, x, y) after forward; its result is what the call returns.
  template <class F>
  HookHandle register_forward_hook(F hook, CallSite at = CallSite::here()) {
    return add_hook(returning<F, Module&, const Tensor&, const Tensor&>(std::move(hook)), at);
  }
  /// hook(grad_output) when a backward reaches the result of a recorded call; its result goes back through the module.
  template <class F>
  HookHandle register_full_backward_pre_hook(F hook, CallSite at = CallSite::here()) {
    return add_backward_pre_hook(returning<F, const Tensor&>(std::move(hook)), at);
  }
  /// hook(grad_input, grad_output) when a backward has gone through a recorded call; its result replaces grad_input.
  /// Where the argument records no gradient, grad_input is undefined and the result unused.
  template <class F>
  HookHandle register_full_backward_hook(F hook, CallSite at = CallSite::here()) {
    return add_backward_hook(returning<F, const Tensor&, const Tensor&>(std::move(hook)), at);
  }

 protected:
  /// Where the user called the module that is now running on this thread; for passing on to functions.
  static CallSite call_site() noexcept;

  /// For containers that let one function do the work of several modules: `forward` in the place of module.forward(),
  /// with the same naming of the layer in errors. Hooks are not called.
  static Tensor call_instead(const Module& module, const std::function<Tensor()>& forward, CallSite at);
  /// Whether functions are called around calls of `module`.
  static bool has_hooks(const Module& module) noexcept;

  /// Another module with the same parts, its values do not matter: what clone() starts from. The default throws.
  virtual std::shared_ptr<Module> fresh() const;
  /// fresh() of another module, for containers.
  static std::shared_ptr<Module> fresh_of(const Module& module);

 private:
  void add_child(std::string_view name, std::shared_ptr<Module> module, CallSite at);
  void replace_child(std::string_view name, std::shared_ptr<Module> module, CallSite at);
  void check_child(std::string_view name, const Module* module, const char* what, CallSite at) const;
  Tensor call_with_hooks(const Tensor& x, CallSite at);
  std::shared_ptr<Module> copy(CallSite at) const;

  /// The function as one that returns a tensor.
  template <class F, class... Arguments>
  static std::function<Tensor(Arguments...)> returning(F hook) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, Arguments...>>) {
      return [hook = std::move(hook)](Arguments... arguments) mutable {
        hook(arguments...);
        return Tensor();
      };
    } else {
      return hook;
    }
  }
  HookHandle add_pre_hook(std::function<Tensor(Module&, const Tensor&)> hook, CallSite at);
  HookHandle add_hook(std::function<Tensor(Module&, const Tensor&, const Tensor&)> hook, CallSite at);
  HookHandle add_backward_pre_hook(std::function<Tensor(const Tensor&)> hook, CallSite at);
  HookHandle add_backward_hook(std::function<Tensor(const Tensor&, const Tensor&)> hook, CallSite at);
  void check_name(std::string_view name, const char* what, CallSite at) const;
  void move_to(const Device* device, const DType* dtype, CallSite at);

  StateDict parameters_;
  StateDict buffers_;
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> children_;
  std::shared_ptr<ModuleHooks> hooks_;  // null until the first one
  bool training_ = true;
};

/// module.clone() as the type it is.
template <class M>
requires(std::derived_from<M, Module>) Ptr<M> clone(const M& module, CallSite at = CallSite::here()) {
  return std::static_pointer_cast<M>(static_cast<const Module&>(module).clone(at));
}

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
