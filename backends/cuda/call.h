#pragma once
// Private: whom an error names.

#include <weft/backends/backend.h>
#include <weft/core/call_site.h>

namespace weft::backends::cuda {

/// The public call's name, or `op` where none was set.
inline const char* call_name(const char* op) noexcept {
  const OpTag tag = current_tag();
  return *tag.name != '\0' ? tag.name : op;
}
inline CallSite call_site() noexcept {
  const OpTag tag = current_tag();
  return CallSite{tag.file, tag.line};
}

}  // namespace weft::backends::cuda
