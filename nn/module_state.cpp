#include <algorithm>
#include <string_view>
#include <unordered_set>

#include <weft/autograd/grad_mode.h>
#include <weft/autograd/node.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/adopt.h>
#include <weft/nn/mismatch.h>
#include <weft/nn/module.h>
#include <weft/nn/pending.h>
#include <weft/nn/walk.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/tensor_impl.h>

namespace weft::nn {

// The leaf stays, with its hooks; a graph recorded before the change no longer fits it, and its backward says so: by
// the version, which goes on from the old one, or by dtype and device.
void adopt_storage(const Tensor& target, const Tensor& source) noexcept {
  TensorImpl& to = *target.impl();
  TensorImpl& from = *source.impl();
  const auto version = to.storage->version.load(std::memory_order_relaxed) + 1;
  std::swap(to.storage, from.storage);
  std::swap(to.view, from.view);
  to.storage->version.store(version, std::memory_order_relaxed);
  if (to.meta == nullptr) return;
  autograd::Node& node = *autograd::node_of(target);
  if (!node.is_leaf) {  // a buffer that was computed with gradients: its history ends here
    to.meta.reset();
    return;
  }
  node.dtype = to.view.dtype;
  node.device = to.storage->device;
  static_cast<autograd::Leaf&>(node).grad = Tensor();
}

void Module::move_to(const Device* device, const DType* dtype, CallSite at) {
  if (dtype != nullptr && !is_floating(*dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, "Module::to",
                     message("parameters are floating: to(", *dtype, ") would leave them without gradients"), at);
  }
  const NoGrad off;
  const std::vector<Tensor> trained = parameters();
  std::vector<Tensor> all = trained;
  for (const Tensor& buffer : buffers()) {
    const auto same = [&](const Tensor& t) { return t.is_same(buffer); };
    if (std::none_of(trained.begin(), trained.end(), same)) all.push_back(buffer);
  }
  std::vector<std::pair<Tensor, Tensor>> moves;
  for (const Tensor& tensor : all) {
    const bool casts = dtype != nullptr && is_floating(tensor.dtype(at)) && tensor.dtype(at) != *dtype;
    const bool moves_over = device != nullptr && tensor.device(at) != *device;
    if (!casts && !moves_over) continue;
    Tensor moved = casts ? ops::cast(tensor, *dtype, "Module::to", at) : tensor;
    if (moves_over) moved = ops::to_device(moved, *device, "Module::to", at);
    if (!moved.is_contiguous()) moved = ops::clone(moved, "Module::to", at);
    moves.emplace_back(tensor, std::move(moved));
  }
  for (auto& [tensor, moved] : moves) adopt_storage(tensor, moved);
}

Module& Module::to(Device device, CallSite at) {
  move_to(&device, nullptr, at);
  return *this;
}
Module& Module::to(DType dtype, CallSite at) {
  move_to(nullptr, &dtype, at);
  return *this;
}
Module& Module::to(Device device, DType dtype, CallSite at) {
  move_to(&device, &dtype, at);
  return *this;
}

StateDict Module::state_dict() const {
  StateDict state;
  walk(std::string(), *this, [&](const std::string& path, const Module& module) {
    for (const auto& [name, tensor] : module.parameters_) state.push_back({join(path, name), tensor});
    for (const auto& [name, tensor] : module.buffers_) state.push_back({join(path, name), tensor});
    return true;
  });
  return state;
}

KeyMap::KeyMap(std::initializer_list<std::pair<std::string, std::string>> prefixes)
    : rename_([all = std::vector(prefixes)](const std::string& name) {
        for (const auto& [prefix, other] : all) {
          if (name.compare(0, prefix.size(), prefix) == 0) return other + name.substr(prefix.size());
        }
        return name;
      }) {}

LoadedKeys Module::load_state_dict(const StateDict& state, bool strict, CallSite at) {
  const StateDict own = state_dict();
  const std::vector<std::string> problems = mismatches(own, state, strict);
  if (!problems.empty()) throw state_mismatch("load_state_dict", "the state does not fit the module", problems, at);
  PendingTensors(own, state, "load_state_dict", at).commit();
  LoadedKeys keys;
  if (strict) return keys;
  std::unordered_set<std::string_view> given, known;
  for (const auto& entry : state) given.insert(entry.name);
  for (const auto& entry : own) {
    known.insert(entry.name);
    if (given.count(entry.name) == 0) keys.missing.push_back(entry.name);
  }
  for (const auto& entry : state) {
    if (known.count(entry.name) == 0) keys.unexpected.push_back(entry.name);
  }
  return keys;
}

LoadedKeys Module::load_state_dict(const StateDict& state, bool strict, const KeyMap& keys, CallSite at) {
  StateDict renamed;
  for (const auto& [name, tensor] : state) {
    std::string other = keys(name);
    if (!other.empty()) renamed.push_back({std::move(other), tensor});
  }
  return load_state_dict(renamed, strict, at);
}

}  // namespace weft::nn
