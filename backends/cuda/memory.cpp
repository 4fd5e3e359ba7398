#include <algorithm>
#include <limits>
#include <new>
#include <vector>

#include <weft/backends/cuda/call.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/runtime.h>
#include <weft/backends/cuda/state.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

// The pool is CUDA's own stream-ordered one with an unlimited release threshold: what was freed is reused by what is
// asked for later on the same queue, without waiting, and nothing goes back to the system until release_cached().

namespace weft::backends::cuda {
namespace {

cudaStream_t current(const State& state) noexcept {
  const ThreadState& mine = thread_state();
  if (mine.recording != nullptr) return mine.recording->stream;
  return mine.stream != nullptr ? mine.stream->stream : state.main;
}

cudaError_t ask(const State& state, void** p, std::size_t bytes, cudaStream_t stream) {
  const cudaError_t result = state.direct ? cudaMalloc(p, bytes) : cudaMallocAsync(p, bytes, stream);
  if (result != cudaSuccess) cudaGetLastError();
  return result;
}

std::string in_units(std::size_t bytes) {
  if (bytes >= std::size_t{10} << 30) return message(bytes >> 30, " GiB");
  if (bytes >= std::size_t{10} << 20) return message(bytes >> 20, " MiB");
  if (bytes >= std::size_t{10} << 10) return message(bytes >> 10, " KiB");
  return message(bytes, " bytes");
}

std::string who(const OpTag& tag) {
  if (*tag.name == '\0') return "no public call";
  if (*tag.file == '\0') return tag.name;
  return message(tag.name, " at ", tag.file, ":", tag.line);
}

/// What fills the device: the largest blocks with the public calls that asked for them, and what would fit.
std::string out_of_memory(State& state, std::size_t wanted) {
  std::size_t free_bytes = 0, total = 0;
  if (cudaMemGetInfo(&free_bytes, &total) != cudaSuccess) cudaGetLastError();
  const std::lock_guard lock(state.allocations);
  std::vector<Live> all;
  all.reserve(state.live.size());
  std::size_t of_this_step = 0;
  const std::uint64_t step = state.steps.load(std::memory_order_relaxed);
  for (const auto& [p, block] : state.live) {
    all.push_back(block);
    if (block.step == step) of_this_step += block.bytes;
  }
  const std::size_t shown = std::min<std::size_t>(all.size(), 5);
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), all.end(),
                    [](const Live& a, const Live& b) { return a.bytes > b.bytes; });
  std::string text =
      message(in_units(wanted), " do not fit: of the device's ", in_units(total), " ", in_units(free_bytes),
              " are free, weft holds ", in_units(state.live_bytes), " in ", all.size(), " blocks");
  for (std::size_t i = 0; i < shown; ++i) {
    text += message(i == 0 ? "; the largest: " : ", ", in_units(all[i].bytes), " (", who(all[i].tag), ")");
  }
  if (step > 0 && wanted <= total) {  // before the first optimiser step nothing tells parameters from activations
    const std::size_t available = free_bytes + of_this_step, needed = of_this_step + wanted;
    text += message("; this step holds ", in_units(of_this_step), " so far, so a batch of at most ",
                    available * 100 / needed, " % of this one would fit");
  }
  return text;
}

/// Recorded calls take their scratch from the recording, and what one call gave back the next may take.
void* take(State& state, Capture& from, std::size_t bytes) {
  Capture::Block* best = nullptr;
  for (Capture::Block& block : from.blocks) {
    if (block.free && block.bytes >= bytes && (best == nullptr || block.bytes < best->bytes)) best = &block;
  }
  if (best == nullptr) {
    from.blocks.reserve(from.blocks.size() + 1);
    from.blocks.push_back({allocate_lasting(state, bytes), bytes, false});
    best = &from.blocks.back();
  }
  best->free = false;
  return best->data;
}

bool give_back(Capture& to, void* p) noexcept {
  for (Capture::Block& block : to.blocks) {
    if (block.data != p) continue;
    block.free = true;
    return true;
  }
  return false;
}

void remember(State& state, void* p, std::size_t bytes) {
  const std::lock_guard lock(state.allocations);
  state.live.emplace(p, Live{bytes, state.steps.load(std::memory_order_relaxed), current_tag()});
  state.live_bytes += bytes;
  state.peak_bytes = std::max(state.peak_bytes, state.live_bytes);
  ++state.system_allocations;
}

void forget(State& state, void* p) noexcept {
  const std::lock_guard lock(state.allocations);
  const auto found = state.live.find(p);
  if (found == state.live.end()) return;
  state.live_bytes -= found->second.bytes;
  state.live.erase(found);
}

void give_to_system(const State& state, void* p, cudaStream_t stream) noexcept {
  // After main() the driver may be gone already; there is nobody to tell and nothing to save.
  if (state.direct) {
    cudaFree(p);
  } else {
    cudaFreeAsync(p, stream);
  }
  cudaGetLastError();
}

void refuse_recorded(const char* what) {
  if (thread_state().recording == nullptr) return;
  throw StateError(ErrorCode::read_only, call_name("capture"),
                   message(what, " inside a captured step: nothing has run yet, and a replay would not ask again"),
                   call_site());
}

bool is_pinned(State& state, const void* host) {
  const std::lock_guard lock(state.pinned_blocks);
  for (const auto& [begin, bytes] : state.pinned) {
    const auto* from = static_cast<const char*>(begin);
    if (static_cast<const char*>(host) >= from && static_cast<const char*>(host) < from + bytes) return true;
  }
  return false;
}

}  // namespace

void* allocate_lasting(State& state, std::size_t bytes) {
  // A thread that records may ask for memory as long as it is not for what it records.
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  check(cudaThreadExchangeStreamCaptureMode(&mode), "cudaThreadExchangeStreamCaptureMode");
  void* p = nullptr;
  cudaError_t result = ask(state, &p, bytes, state.side);
  if (result == cudaSuccess) result = cudaStreamSynchronize(state.side);
  check(cudaThreadExchangeStreamCaptureMode(&mode), "cudaThreadExchangeStreamCaptureMode");
  if (result == cudaErrorMemoryAllocation) {
    throw OutOfMemoryError(ErrorCode::out_of_memory, call_name("capture"), out_of_memory(state, bytes), call_site());
  }
  check(result, "cudaMallocAsync");
  try {
    remember(state, p, bytes);
  } catch (...) {
    give_to_system(state, p, state.side);
    throw;
  }
  return p;
}

void free_lasting(State& state, void* p) noexcept {
  if (p == nullptr) return;
  forget(state, p);
  give_to_system(state, p, state.side);
}

void* workspace(State& state) {
  const ThreadState& mine = thread_state();
  if (mine.recording != nullptr) return mine.recording->workspace;
  const cudaStream_t stream = current(state);
  const std::lock_guard lock(state.workspaces);
  void*& place = state.workspace_of[stream];
  if (place == nullptr) place = allocate_lasting(state, workspace_bytes);
  return place;
}

void* CudaBackend::allocate(std::size_t bytes) {
  const std::size_t asked = std::max<std::size_t>(bytes, 1);
  if (Capture* recording = thread_state().recording; recording != nullptr) return take(state_, *recording, asked);
  const cudaStream_t queue = stream();
  void* p = nullptr;
  cudaError_t result = ask(state_, &p, asked, queue);
  if (result == cudaErrorMemoryAllocation) {
    // What other queues have freed comes back once they are done with it; then the pool is emptied and asked again.
    release_cached();
    result = ask(state_, &p, asked, queue);
  }
  if (result == cudaErrorMemoryAllocation || (result != cudaSuccess && asked > state_.properties.totalGlobalMem)) {
    throw OutOfMemoryError(ErrorCode::out_of_memory, call_name("allocate"), out_of_memory(state_, asked), call_site());
  }
  check(result, state_.direct ? "cudaMalloc" : "cudaMallocAsync");
  try {
    remember(state_, p, bytes);
  } catch (...) {
    give_to_system(state_, p, queue);
    throw;
  }
  return p;
}

void CudaBackend::free(void* p, std::size_t) noexcept {
  if (p == nullptr) return;
  if (Capture* recording = thread_state().recording; recording != nullptr) {
    if (give_back(*recording, p)) return;
    try {
      recording->freed.push_back(p);
    } catch (const std::bad_alloc&) {  // no memory to remember it: it stays with the process
    }
    return;
  }
  forget(state_, p);
  give_to_system(state_, p, stream());
}

// ---- copies

void CudaBackend::copy_in(void* to, const void* host, std::size_t bytes) {
  refuse_recorded("a copy from the host");
  const cudaStream_t queue = stream();
  check(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, queue), "cudaMemcpyAsync");
  // From pageable memory the bytes are taken before the call returns; from pinned memory they may be read later.
  if (is_pinned(state_, host)) check(cudaStreamSynchronize(queue), "cudaStreamSynchronize");
}

void CudaBackend::copy_in_async(void* to, const void* pinned, std::size_t bytes) {
  refuse_recorded("a copy from the host");
  check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream()), "cudaMemcpyAsync");
}

void CudaBackend::copy_out(void* host, const void* from, std::size_t bytes) {
  refuse_recorded("item() or a copy to the host");
  const cudaStream_t queue = stream();
  check(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, queue), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(queue), "cudaStreamSynchronize");
  state_.spans.report(state_);
  throw_pending(state_);
}

void CudaBackend::synchronise() {
  refuse_recorded("synchronise()");
  check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize");
  state_.spans.report(state_);
  throw_pending(state_);
}

void* CudaBackend::allocate_pinned(std::size_t bytes) {
  refuse_recorded("pinned memory");
  void* p = nullptr;
  const cudaError_t result = cudaHostAlloc(&p, std::max<std::size_t>(bytes, 1), cudaHostAllocDefault);
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw OutOfMemoryError(ErrorCode::out_of_memory, call_name("allocate_pinned"),
                           message("no ", bytes, " bytes of pinned host memory to be had"), call_site());
  }
  check(result, "cudaHostAlloc");
  try {
    const std::lock_guard lock(state_.pinned_blocks);
    state_.pinned.emplace(p, bytes);
  } catch (...) {
    cudaFreeHost(p);
    throw;
  }
  return p;
}

void CudaBackend::free_pinned(void* p, std::size_t) noexcept {
  if (p == nullptr) return;
  {
    const std::lock_guard lock(state_.pinned_blocks);
    state_.pinned.erase(p);
  }
  cudaFreeHost(p);  // waits for copies that still read it
  cudaGetLastError();
}

// ---- counts

void CudaBackend::end_of_step() noexcept { state_.steps.fetch_add(1, std::memory_order_relaxed); }

MemoryCounts CudaBackend::memory() const noexcept {
  MemoryCounts counts;
  std::uint64_t reserved = 0;
  if (!state_.direct &&
      cudaMemPoolGetAttribute(state_.pool, cudaMemPoolAttrReservedMemCurrent, &reserved) != cudaSuccess) {
    cudaGetLastError();
  }
  const std::lock_guard lock(state_.allocations);
  counts.live = state_.live_bytes;
  counts.peak = state_.peak_bytes;
  counts.reserved = std::max(static_cast<std::size_t>(reserved), state_.live_bytes);
  counts.system_allocations = state_.system_allocations;
  return counts;
}

void CudaBackend::release_cached() {
  refuse_recorded("emptying the cache");
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // what is freed but still in use comes back with this
  if (!state_.direct) check(cudaMemPoolTrimTo(state_.pool, 0), "cudaMemPoolTrimTo");
}

}  // namespace weft::backends::cuda
