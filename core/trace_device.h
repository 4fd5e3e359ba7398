#pragma once
// Private: what a device did, in the trace of the host (trace.h). It is told afterwards, when its times are known.

#include <cstdint>

namespace weft {

/// A finished span on the device's own row, in nanoseconds of the steady clock. `name` and `device` must live as long
/// as the program. Nothing while tracing is off, or where the span began before the recording did. Safe from any
/// thread.
void trace_device_span(const char* name, const char* device, std::int64_t begin, std::int64_t end) noexcept;

}  // namespace weft
