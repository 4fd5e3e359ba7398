#pragma once
// Private: every kernel, copy and fill with its own times, from CUPTI where it can be had. Where not, or where it is of
// another version than these headers, spans come from events (spans.h).

#include <cstdint>

namespace weft::backends::cuda {

using SpanReceiver = void (*)(const char* name, const char* category, std::int64_t begin_ns, std::int64_t end_ns);

/// Begins to collect, in nanoseconds of the steady clock; false where it cannot. Names given to `receiver` live as long
/// as the program. Calls are for one thread at a time.
bool cupti_start(SpanReceiver receiver) noexcept;
/// What has finished goes to the receiver. The device should have been waited for.
void cupti_flush() noexcept;
void cupti_stop() noexcept;

}  // namespace weft::backends::cuda
