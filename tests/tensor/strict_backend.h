#pragma once
// A backend that does what serial does and checks what the door (backends/backend.h) promises to a backend: nothing of
// size zero arrives, every view lies within one live allocation, shapes and dtypes fit, outputs do not overlap
// themselves nor an input but for being exactly one. A broken promise is a std::logic_error, which no test expects.

#include <weft/core/device.h>

namespace weft::testing {

/// Registered as "strict" at the first call.
Device strict();

}  // namespace weft::testing
