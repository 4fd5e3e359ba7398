#include <weft/backends/backend.h>

namespace weft::backends {
namespace {

thread_local constinit OpTag last_tag;

}  // namespace

OpTag current_tag() noexcept { return last_tag; }

void Backend::tag(const OpTag& tag) noexcept { last_tag = tag; }

}  // namespace weft::backends
