#pragma once
// Private: the device's side of the error word (device_word.h).

#include <weft/backends/cuda/device_word.h>
#include <weft/backends/cuda/device/device.cuh>

namespace weft::backends::cuda {

/// Whether an error is pending: then nothing that outlives the step may be written. The same for every thread of a
/// launch that reports nothing itself.
__device__ inline bool raised(const Reporter& to) {
  return *static_cast<volatile std::uint32_t*>(&to.word->raised) != 0;
}

/// Any thread may call it; the first one since the word was cleared is heard.
__device__ inline void report(const Reporter& to, Complaint what, std::int64_t value, std::int64_t limit,
                              std::int64_t position) {
  if (atomicCAS(&to.word->raised, 0u, 1u) != 0u) return;
  to.word->number += 1;
  Report* mirror = to.word->mirror;
  mirror->name = to.name;
  mirror->file = to.file;
  mirror->line = to.line;
  mirror->value = value;
  mirror->limit = limit;
  mirror->position = position;
  __threadfence_system();  // the host looks at `what` alone while the device still runs
  *static_cast<volatile std::uint32_t*>(&mirror->what) = static_cast<std::uint32_t>(what);
}

}  // namespace weft::backends::cuda
