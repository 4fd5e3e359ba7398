#pragma once
// Private: what containers share.

#include <memory>
#include <unordered_map>

#include <weft/nn/module.h>

namespace weft::nn {

/// Gives `copy` fresh ones of the children of `from`, under their names; one that is there twice stays one. `make` is
/// Module::fresh_of, which only a module may name.
template <class Make>
void refill(Module& copy, const Module& from, Make make, CallSite at) {
  std::unordered_map<const Module*, std::shared_ptr<Module>> made;
  for (const auto& [name, child] : from.named_children()) {
    std::shared_ptr<Module>& another = made[child.get()];
    if (another == nullptr) another = make(*child);
    copy.register_module(name, another, at);
  }
}

}  // namespace weft::nn
