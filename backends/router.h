#pragma once
// Private: where a thread's calls go. tensor/ sends every call through active(): usually to the backend itself, inside
// the scope of a router to whatever that puts in its place (a tape that records, an observer).

#include <weft/backends/backend.h>

namespace weft::backends {

class Tape;

class Router {
 public:
  /// What stands in for `backend` on this thread; may be `backend`.
  virtual Backend& route(Backend& backend) = 0;
  virtual Tape* tape() noexcept { return nullptr; }

 protected:
  ~Router() = default;
};

/// The calling thread's innermost router, or null.
Router* active_router() noexcept;

/// The calling thread's recording tape, or null.
Tape* active_tape() noexcept;

/// Puts a router in charge of this thread's calls for the length of a scope.
class RouterScope {
 public:
  explicit RouterScope(Router& router) noexcept;
  ~RouterScope();
  RouterScope(const RouterScope&) = delete;
  RouterScope& operator=(const RouterScope&) = delete;

 private:
  Router* before_;
};

/// Where a call on `backend` goes on this thread.
inline Backend& active(Backend& backend) {
  Router* router = active_router();
  return router == nullptr ? backend : router->route(backend);
}

}  // namespace weft::backends
