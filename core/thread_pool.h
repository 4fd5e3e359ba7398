#pragma once
// The one pool of threads behind every CPU computation in weft.
//
// Work is cut into chunks whose borders depend on its size only, so results never depend on the number of threads.
// WEFT_NUM_THREADS (1 to 1024; unset or empty: hardware_threads()) says how many threads take part, the caller counted;
// set_num_threads() overrides it at any time. All functions here are safe from any thread at any time. After fork() the
// child gets a pool of its own at its first region; a fork from *inside* a region leaves that region unfinishable.

#include <cstdint>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/core/function_ref.h>

namespace weft {

inline constexpr int max_threads = 1024;

/// How chunks are handed to threads. The chunks are the same either way.
enum class Schedule : std::uint8_t {
  dynamic_queue,  ///< the next chunk goes to whoever is free: for work of uneven cost
  static_split,   ///< every thread gets one contiguous run of chunks, each time the same one as far as threads are
                  ///< awake in time (a late thread's run is taken over): for even work that gains from warm caches
};

/// Calls body(begin, end) for [0, chunk), [chunk, 2 chunk), ... up to n, each exactly once, on the caller and the
/// pool's threads; returns when all calls have returned. n <= chunk, one thread, or a call from inside a region:
/// everything runs on the caller, in order, chunk by chunk. Give a chunk 20 us of work or more.
///
/// If bodies throw, chunks not yet begun above the failing one are skipped, the ones below still run, and the exception
/// of the lowest failing chunk is rethrown here: the same one for any number of threads.
///
/// Every chunk runs under FlushSubnormals (core/subnormals.h). Throws ValueError when n < 0 or chunk < 1, and at the
/// first region when WEFT_NUM_THREADS is no valid number.
WEFT_API void parallel_for(std::int64_t n, std::int64_t chunk, FunctionRef<void(std::int64_t, std::int64_t)> body,
                           Schedule schedule = Schedule::dynamic_queue, CallSite at = CallSite::here());

/// Threads that take part in a region, the caller included. Throws ValueError when WEFT_NUM_THREADS is no valid number.
WEFT_API int num_threads(CallSite at = CallSite::here());

/// From the next region on; running regions keep what they have. Throws ValueError unless 1 <= n <= max_threads.
/// When the system refuses to start that many threads, regions run on those it did start.
WEFT_API void set_num_threads(int n, CallSite at = CallSite::here());

/// The cores this process may use, at least 1: the affinity mask, bounded by the CPU quota of its control group
/// (version 1 or 2), rounded up. Read once.
WEFT_API int hardware_threads() noexcept;

/// Whether the calling thread is inside a body that parallel_for() runs on several threads.
WEFT_API bool in_parallel_region() noexcept;

}  // namespace weft
