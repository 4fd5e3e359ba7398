#include <weft/backends/router.h>

namespace weft::backends {
namespace {

thread_local constinit Router* router_here = nullptr;

}  // namespace

Router* active_router() noexcept { return router_here; }

Tape* active_tape() noexcept { return router_here == nullptr ? nullptr : router_here->tape(); }

RouterScope::RouterScope(Router& router) noexcept : before_(router_here) { router_here = &router; }
RouterScope::~RouterScope() { router_here = before_; }

}  // namespace weft::backends
