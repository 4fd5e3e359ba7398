#include <algorithm>
#include <cstdint>
#include <utility>

#include <weft/autograd/functions.h>
#include <weft/autograd/grad_mode.h>
#include <weft/core/error.h>
#include <weft/nn/module.h>

namespace weft::nn {

namespace {

template <class Function>
using Hooks = std::vector<std::pair<std::uint64_t, Function>>;

}  // namespace

struct ModuleHooks {
  std::uint64_t next = 1;
  Hooks<std::function<Tensor(Module&, const Tensor&)>> before;
  Hooks<std::function<Tensor(Module&, const Tensor&, const Tensor&)>> after;
  Hooks<std::function<Tensor(const Tensor&)>> output_gradient;
  Hooks<std::function<Tensor(const Tensor&, const Tensor&)>> input_gradient;
};

namespace {

/// The id under which `hook` was added to the list that `member` names.
template <class Function>
std::uint64_t add(std::shared_ptr<ModuleHooks>& hooks, Hooks<Function> ModuleHooks::*member, Function hook,
                  const char* op, CallSite at) {
  if (!hook) throw ValueError(ErrorCode::value_invalid, op, "the hook is empty", at);
  if (hooks == nullptr) hooks = std::make_shared<ModuleHooks>();
  (*hooks.*member).emplace_back(hooks->next, std::move(hook));
  return hooks->next++;
}

template <class Function>
void erase(Hooks<Function>& hooks, std::uint64_t id) {
  hooks.erase(std::remove_if(hooks.begin(), hooks.end(), [id](const auto& entry) { return entry.first == id; }),
              hooks.end());
}

}  // namespace

bool Module::has_hooks(const Module& module) noexcept {
  const ModuleHooks* hooks = module.hooks_.get();
  return hooks != nullptr && !(hooks->before.empty() && hooks->after.empty() && hooks->output_gradient.empty() &&
                               hooks->input_gradient.empty());
}

void HookHandle::remove() noexcept {
  if (const std::shared_ptr<ModuleHooks> hooks = hooks_.lock()) {
    erase(hooks->before, id_);
    erase(hooks->after, id_);
    erase(hooks->output_gradient, id_);
    erase(hooks->input_gradient, id_);
  }
  hooks_.reset();
}

HookHandle Module::add_pre_hook(std::function<Tensor(Module&, const Tensor&)> hook, CallSite at) {
  const std::uint64_t id = add(hooks_, &ModuleHooks::before, std::move(hook), "register_forward_pre_hook", at);
  return {hooks_, id};
}
HookHandle Module::add_hook(std::function<Tensor(Module&, const Tensor&, const Tensor&)> hook, CallSite at) {
  const std::uint64_t id = add(hooks_, &ModuleHooks::after, std::move(hook), "register_forward_hook", at);
  return {hooks_, id};
}
HookHandle Module::add_backward_pre_hook(std::function<Tensor(const Tensor&)> hook, CallSite at) {
  const std::uint64_t id =
      add(hooks_, &ModuleHooks::output_gradient, std::move(hook), "register_full_backward_pre_hook", at);
  return {hooks_, id};
}
HookHandle Module::add_backward_hook(std::function<Tensor(const Tensor&, const Tensor&)> hook, CallSite at) {
  const std::uint64_t id =
      add(hooks_, &ModuleHooks::input_gradient, std::move(hook), "register_full_backward_hook", at);
  return {hooks_, id};
}

// The lists are copied first: a hook may remove itself. Gradients are caught at views of argument and result made for
// this call alone, so that other uses of the same tensors do not count.
Tensor Module::call_with_hooks(const Tensor& x, CallSite at) {
  const ModuleHooks hooks = *hooks_;
  Tensor argument = x;
  for (const auto& entry : hooks.before) {
    Tensor replacement = entry.second(*this, argument);
    if (replacement.defined()) argument = std::move(replacement);
  }
  const bool watched = grad_enabled() && (!hooks.output_gradient.empty() || !hooks.input_gradient.empty());
  const bool argument_records = watched && argument.defined() && argument.requires_grad();
  if (argument_records && !hooks.input_gradient.empty()) argument = reshape(argument, argument.shape(), at);

  Tensor y = forward(argument);
  for (const auto& entry : hooks.after) {
    Tensor replacement = entry.second(*this, argument, y);
    if (replacement.defined()) y = std::move(replacement);
  }
  if (!watched || !y.defined() || !y.requires_grad()) return y;

  y = reshape(y, y.shape(), at);
  for (const auto& entry : hooks.output_gradient) y.register_hook(entry.second, at);
  if (hooks.input_gradient.empty()) return y;
  const auto arrived = std::make_shared<Tensor>();  // the gradient of the result, until that of the argument is known
  y.register_hook(
      [arrived, argument_records, all = hooks.input_gradient](const Tensor& gradient) {
        if (argument_records) {
          *arrived = gradient;
        } else {
          for (const auto& entry : all) entry.second(Tensor(), gradient);
        }
        return Tensor();
      },
      at);
  if (argument_records) {
    argument.register_hook(
        [arrived, all = hooks.input_gradient](const Tensor& gradient) {
          Tensor result;
          for (const auto& entry : all) {
            Tensor replacement = entry.second(result.defined() ? result : gradient, *arrived);
            if (replacement.defined()) result = std::move(replacement);
          }
          *arrived = Tensor();
          return result;
        },
        at);
  }
  return y;
}

}  // namespace weft::nn
