#pragma once
// What is planned for this backend and not there yet.

#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::backends::serial {

[[noreturn]] inline void not_built(const char* op, const char* what) {
  const OpTag tag = current_tag();
  throw StateError(ErrorCode::not_built, *tag.name != '\0' ? tag.name : op,
                   message("not built yet on 'serial': ", what, " comes with the next release"),
                   CallSite{tag.file, tag.line});
}

}  // namespace weft::backends::serial
