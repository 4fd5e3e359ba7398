#pragma once
// Where the time goes: a recorder whose file chrome://tracing and ui.perfetto.dev open (Trace Event Format, JSON).
//
//     weft::trace_start();
//     { weft::TraceSpan span("load", "data", batch, "batch"); ... }
//     weft::trace_counter("queue depth", depth);
//     weft::trace_stop();
//     weft::trace_write("trace.json");
//
// Off, a span costs one relaxed load. On, about two readings of the clock and an uncontended lock: every thread has its
// own buffer. All functions are safe from any thread. Memory is bounded by the capacity; what does not fit is dropped,
// counted, and the count is written into the file ("otherData", "dropped_events"). Times are those of the steady clock,
// in nanoseconds since trace_start(). After fork() the child starts with tracing off and empty.

#include <cstdint>
#include <string>
#include <string_view>

#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft {

namespace trace_detail {
WEFT_API extern bool running;  // only through __atomic builtins
WEFT_API std::int64_t now() noexcept;
WEFT_API void record(const char* name, const char* category, std::int64_t start, std::int64_t argument,
                     const char* argument_name) noexcept;
}  // namespace trace_detail

/// Whether events are recorded now.
inline bool trace_running() noexcept { return __atomic_load_n(&trace_detail::running, __ATOMIC_RELAXED); }

/// Forgets earlier events and begins to record, up to `capacity` events of all threads together (64 bytes each, taken
/// as they come). Throws ValueError unless 1 <= capacity <= 100'000'000.
WEFT_API void trace_start(std::int64_t capacity = 1'000'000, CallSite at = CallSite::here());

/// Ends recording; what was recorded stays until the next trace_start(). A span still open is not recorded.
WEFT_API void trace_stop() noexcept;

/// Writes what was recorded so far, atomically; may be called while recording goes on. Throws IoError.
WEFT_API void trace_write(const std::string& path, CallSite at = CallSite::here());

/// A value over time, drawn as a graph. `name` must live as long as the program, as a string literal does.
WEFT_API void trace_counter(const char* name, double value) noexcept;

/// Names the calling thread in traces; kept whether recording is on or not. Without it the thread's system name is
/// used.
WEFT_API void trace_thread_name(std::string_view name);

/// Records the time from its construction to its destruction, on the thread it lives on. `name`, `category` and
/// `argument_name` must live as long as the program, as string literals do.
class TraceSpan {
 public:
  explicit TraceSpan(const char* name, const char* category = "weft") noexcept
      : TraceSpan(name, category, 0, nullptr) {}
  /// With a number shown beside the span.
  TraceSpan(const char* name, const char* category, std::int64_t argument,
            const char* argument_name = "value") noexcept {
    if (!trace_running()) return;
    name_ = name;
    category_ = category;
    argument_ = argument;
    argument_name_ = argument_name;
    start_ = trace_detail::now();
  }
  ~TraceSpan() {
    if (name_ != nullptr) trace_detail::record(name_, category_, start_, argument_, argument_name_);
  }
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

 private:
  const char* name_ = nullptr;  // null: recording was off
  const char* category_ = nullptr;
  const char* argument_name_ = nullptr;
  std::int64_t argument_ = 0;
  std::int64_t start_ = 0;
};

}  // namespace weft
