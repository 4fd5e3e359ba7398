#pragma once
// Private: visiting the tree of modules.

#include <string>
#include <string_view>

#include <weft/nn/module.h>

namespace weft::nn {

inline std::string join(std::string_view path, std::string_view name) {
  std::string joined(path);
  if (!joined.empty()) joined += '.';
  joined += name;
  return joined;
}

/// Whether an entry of named_parameters() or named_buffers() is the module's own, not one of a module below it.
inline bool is_own(std::string_view name) { return name.find('.') == std::string_view::npos; }

/// visit(path, module) for `module` and everything below it, parents first, children in order of registration. What
/// lies below a module is skipped where visit returns false. The depth is that of the user's nesting.
template <class Visit>
void walk(const std::string& path, const Module& module, Visit&& visit) {
  if (!visit(path, module)) return;
  for (const auto& [name, child] : module.named_children()) walk(join(path, name), *child, visit);
}

}  // namespace weft::nn
