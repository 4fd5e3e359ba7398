#pragma once
// Where in the user's program a public function was called. Every public function ends in `CallSite at =
// CallSite::here()`; the builtins are evaluated where the default argument is used, so the caller's line is seen, not
// this one. (clang 14 has no std::source_location.)

namespace weft {

struct CallSite {
  const char* file = "";  ///< a string literal; never null
  unsigned line = 0;

  static constexpr CallSite here(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
    return {file, line};
  }
};

}  // namespace weft
