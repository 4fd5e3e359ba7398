#pragma once
// Private: what lives as long as the backend, that is until the process ends. Made once by plugin.cpp, never destroyed.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include <cuda_runtime_api.h>

#include <weft/backends/backend.h>
#include <weft/backends/cuda/device_word.h>
#include <weft/backends/cuda/ladder/kernels.h>
#include <weft/backends/cuda/spans.h>

namespace weft::backends {

/// A queue of its own, made by make_stream().
class Stream {
 public:
  cudaStream_t stream = nullptr;
  cudaEvent_t mark = nullptr;  ///< recorded by wait(), guarded by `marking`
  std::mutex marking;
};

/// A recorded step: the graph and the memory it works in.
class Capture {
 public:
  struct Block {
    void* data;
    std::size_t bytes;
    bool free;
  };
  cudaStream_t stream = nullptr;  ///< where it was recorded
  cudaGraphExec_t graph = nullptr;
  std::size_t nodes = 0;      ///< kernels, copies and fills per replay
  std::vector<Block> blocks;  ///< scratch of the recorded calls: each belongs to the recording until it is dropped
  std::vector<void*> freed;   ///< memory of others that was freed meanwhile: recorded calls may name it
  void* workspace = nullptr;  ///< for vendor libraries, this recording's own
};

namespace cuda {

/// For cuBLASLt and cuDNN. 32 MiB is what cuBLAS recommends on Hopper; each queue and each recording has one.
inline constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

struct Live {
  std::size_t bytes;
  std::uint64_t step;  ///< how many optimiser steps had been made
  OpTag tag;
};

struct State {
  int device = 0;
  cudaDeviceProp properties{};
  int driver_version = 0, runtime_version = 0;
  std::string name;
  void (*record_span)(const char*, const char*, std::int64_t, std::int64_t) = nullptr;  ///< of the host
  bool (*tracing)() = nullptr;                                                          ///< of the host
  void (*remember_tag)(const OpTag&) = nullptr;                                         ///< of the host
  Spans spans;

  bool direct = false;  ///< WEFT_CUDA_ALLOC=direct: cudaMalloc and cudaFree, so that memory checkers see every block
  cudaMemPool_t pool = nullptr;
  cudaStream_t main = nullptr;  ///< the queue all threads share unless they use one of their own
  cudaStream_t side = nullptr;  ///< memory for recordings is asked for here, outside what is recorded
  DeviceWord* word = nullptr;
  Report* mirror = nullptr;

  std::mutex reporting;  // throwing a report: read, clear, throw

  std::mutex allocations;  // guards the next four
  std::unordered_map<void*, Live> live;
  std::size_t live_bytes = 0, peak_bytes = 0;
  std::uint64_t system_allocations = 0;

  std::atomic<std::uint64_t> steps{0};  ///< optimiser steps: what was allocated before the last one outlives a step

  std::mutex pinned_blocks;  // guards pinned
  std::unordered_map<void*, std::size_t> pinned;

  std::mutex workspaces;  // guards workspace_of
  std::unordered_map<cudaStream_t, void*> workspace_of;

  std::atomic<bool> tf32{false};         ///< float32 products and convolutions may round their inputs to TF32
  std::atomic<bool> direct_conv{false};  ///< convolutions by weft's own kernel instead of cuDNN
  std::atomic<ladder::MatmulKernel> matmul_kernel{ladder::MatmulKernel::automatic};
  std::atomic<ladder::ReduceKernel> reduce_kernel{ladder::ReduceKernel::automatic};
  std::atomic<bool> autotune{false};  ///< candidates are timed once and the fastest deterministic one is kept
};

/// The calling thread's own queue and recording; null: the shared queue, none.
struct ThreadState {
  Stream* stream = nullptr;
  Capture* recording = nullptr;
};
ThreadState& thread_state() noexcept;

/// `workspace_bytes` bytes for vendor calls on the calling thread's current queue or recording.
void* workspace(State& state);

/// Throws the pending device error, if there is one: waits for the current queue, clears the word, throws.
void throw_pending(State& state);
/// The pinned memory is looked at; the device is not asked.
bool is_pending(const State& state) noexcept;

/// Memory outside any queue's order, for what lives as long as the backend or a recording. Not for a recorded stream.
void* allocate_lasting(State& state, std::size_t bytes);
void free_lasting(State& state, void* p) noexcept;

/// What weft_doctor prints of the device.
std::string device_text(const State& state);

/// One steady-clock reading for spans, in nanoseconds.
std::int64_t now() noexcept;

}  // namespace cuda
}  // namespace weft::backends
