#include <new>

#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

// What a backend without the ability answers. The fused forms are in composed/.

namespace weft::backends {

Backend::~Backend() = default;

Stream* Backend::make_stream() { return nullptr; }
void Backend::use_stream(Stream*) {}
void Backend::wait(Stream*) { synchronise(); }
void Backend::drop_stream(Stream*) noexcept {}

bool Backend::begin_capture() { return false; }
Capture* Backend::end_capture() { return nullptr; }
void Backend::replay(Capture*, int) {
  throw StateError(ErrorCode::not_built, "replay", message("'", facts().name, "' records no graphs of its own"));
}
void Backend::drop_capture(Capture*) noexcept {}

void* Backend::allocate_pinned(std::size_t bytes) {
  void* p = ::operator new(bytes, std::align_val_t(64), std::nothrow);
  if (p == nullptr) {
    throw OutOfMemoryError(ErrorCode::out_of_memory, "allocate_pinned",
                           message("no ", bytes, " bytes of host memory to be had"));
  }
  return p;
}
void Backend::free_pinned(void* p, std::size_t) noexcept { ::operator delete(p, std::align_val_t(64)); }
void Backend::copy_in_async(void* to, const void* pinned, std::size_t bytes) { copy_in(to, pinned, bytes); }

MemoryCounts Backend::memory() const noexcept { return {}; }
void Backend::release_cached() {}
bool Backend::set_option(std::string_view, std::string_view) { return false; }
bool Backend::exhibit(std::string_view, std::int64_t, ExhibitFigures&, std::span<double>) { return false; }

}  // namespace weft::backends
