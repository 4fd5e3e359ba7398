#pragma once
// Private: where current_tag() finds what tag() remembered, for those that remember without a Backend at hand.

#include <weft/backends/backend.h>

namespace weft::backends {

/// Makes `tag` the calling thread's last one.
void remember_tag(const OpTag& tag) noexcept;

}  // namespace weft::backends
