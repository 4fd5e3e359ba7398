#include <weft/backends/op_tag.h>

namespace weft::backends {
namespace {

thread_local constinit OpTag last_tag;

}  // namespace

OpTag current_tag() noexcept { return last_tag; }

void remember_tag(const OpTag& tag) noexcept { last_tag = tag; }

void Backend::tag(const OpTag& tag) noexcept { remember_tag(tag); }

}  // namespace weft::backends
