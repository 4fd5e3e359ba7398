#include <algorithm>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/ladder/kernels.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/state.h>
#include <weft/backends/cuda/device/device.cuh>

// Kernels that show one property of the device each, timed by events. Each loads, multiplies or branches in a way that
// the compiler cannot shorten: what is computed reaches memory under a condition that never holds but is not known to.

namespace weft::backends::cuda::ladder {
namespace {

#ifdef WEFT_CUDA_ON_CPU  // whether they are right, not how fast they are
constexpr std::uint32_t buffer_elements = 1u << 12;
constexpr int loads = 4, steps = 64, shared_loads = 8;
#else
constexpr std::uint32_t buffer_elements = 1u << 26;  // 256 MiB: more than any L2 cache
constexpr int loads = 256, steps = 8192, shared_loads = 4096;
#endif
constexpr unsigned threads = 256;

/// Never true for what these kernels compute, which is 0 or a small number; the compiler cannot know.
__device__ inline bool never(float x) { return x == -12345.0f; }

/// Loads that wait for the one before: each address contains the value just loaded, which is 0. So a warp has one load
/// under way, and the number of warps is the number of loads under way.
__global__ void __launch_bounds__(1024) waiting_loads(const float* in, float* out, std::uint32_t elements) {
  const std::uint32_t all = gridDim.x * blockDim.x;
  std::uint32_t at = blockIdx.x * blockDim.x + threadIdx.x;
  float sum = 0;
  for (int i = 0; i < loads; ++i) {
    const float value = in[at % elements];
    sum += value;
    at += all + static_cast<std::uint32_t>(static_cast<int>(value));
  }
  if (never(sum)) *out = sum;
}

/// `chains` sums that do not wait for each other, `steps` multiply-adds in all.
template <int chains>
__global__ void __launch_bounds__(threads) chains_kernel(float* out, float factor) {
  float x[chains];
#pragma unroll
  for (int c = 0; c < chains; ++c) x[c] = static_cast<float>(c);
  for (int i = 0; i < steps / chains; ++i) {
#pragma unroll
    for (int c = 0; c < chains; ++c) x[c] = fmaf(x[c], factor, factor);
  }
  float sum = 0;
#pragma unroll
  for (int c = 0; c < chains; ++c) sum += x[c];
  if (never(sum)) *out = sum;
}

/// The same work for every thread, on one of `paths` branches: a warp goes through all branches that one of its threads
/// takes, one after another.
__global__ void __launch_bounds__(threads) branches(float* out, float factor, unsigned paths) {
  const unsigned mine = threadIdx.x % 32 % paths;
  float x = 0;
  for (unsigned path = 0; path < paths; ++path) {
    if (path == mine) {
      for (int i = 0; i < steps / 32; ++i) x = fmaf(x, factor, static_cast<float>(path));
    }
  }
  if (never(x)) *out = x;
}

/// Every stride-th element of the whole buffer: the same cache lines for every stride up to the size of one, of which
/// fewer elements are used.
__global__ void __launch_bounds__(threads)
    strided_loads(const float* in, float* out, std::uint32_t count, std::uint32_t stride) {
  float sum = 0;
  for (std::uint32_t i = blockIdx.x * threads + threadIdx.x; i < count; i += gridDim.x * threads) sum += in[i * stride];
  if (never(sum)) *out = sum;
}

/// Loads from shared memory whose addresses are `stride` words apart: where several fall into one of the 32 banks, they
/// follow one another.
__global__ void __launch_bounds__(threads) bank_loads(float* out, std::uint32_t stride) {
  constexpr std::uint32_t words = 4096;
  WEFT_SHARED(float[words], shared);
  for (std::uint32_t i = threadIdx.x; i < words; i += threads) shared[i] = 0;
  __syncthreads();
  float sum = 0;
  std::uint32_t at = threadIdx.x % 32 * stride;
  for (int i = 0; i < shared_loads; ++i) {
    const float value = shared[at % words];
    sum += value;
    at += 32 + static_cast<std::uint32_t>(static_cast<int>(value));  // waits for the load: latency and conflicts
  }
  if (never(sum)) *out = sum;
}

/// A copy, an element to a thread.
__global__ void __launch_bounds__(1024) copy_kernel(const float* in, float* out, std::uint32_t count) {
  const std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) out[i] = in[i];
}

class Event {
 public:
  Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDefault), "cudaEventCreateWithFlags"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const noexcept { return event_; }  // NOLINT(google-explicit-constructor)

 private:
  cudaEvent_t event_ = nullptr;
};

/// Starts the kernel once to warm up and once for each measurement, and fills in what a grid alone says.
template <class... P, class... A>
bool measure(CudaBackend& backend, ExhibitFigures& figures, std::span<double> seconds, void (*kernel)(P...),
             const LaunchShape& shape, const A&... arguments) {
  const cudaStream_t stream = backend.stream();
  const Event begin, end;
  launch(kernel, shape, stream, arguments...);
  for (double& each : seconds) {
    check(cudaEventRecord(begin, stream), "cudaEventRecord");
    launch(kernel, shape, stream, arguments...);
    check(cudaEventRecord(end, stream), "cudaEventRecord");
    check(cudaEventSynchronize(end), "cudaEventSynchronize");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
    each = static_cast<double>(milliseconds) * 1e-3;
  }
  const cudaDeviceProp& device = backend.state().properties;
  int resident = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, reinterpret_cast<const void*>(kernel),
                                                      static_cast<int>(shape.block.x), 0),
        "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  figures.threads = static_cast<int>(shape.block.x);
  figures.blocks = shape.grid.x;
  // Blocks go to the multiprocessor that has fewest.
  const auto there = (figures.blocks + device.multiProcessorCount - 1) / device.multiProcessorCount;
  figures.warps = static_cast<int>(std::min<std::int64_t>(resident, there)) * ((figures.threads + 31) / 32);
  figures.most_warps = device.maxThreadsPerMultiProcessor / 32;
  return true;
}

}  // namespace

bool exhibit(CudaBackend& backend, std::string_view name, std::int64_t setting, ExhibitFigures& figures,
             std::span<double> seconds) {
  using composed::Scratch;
  if (setting < 1 || setting > 1024) return false;
  const unsigned units = static_cast<unsigned>(backend.multiprocessors()), value = static_cast<unsigned>(setting);
  const Scratch result(backend, DType::float32, {1});
  float* const out = result.view().as<float>();
  const auto zeros = [&](const Scratch& buffer) {
    backend.fill(buffer, Number(0));
    return buffer.view().as<const float>();
  };
  figures = {};
  if (name == "warps-in-flight") {
    if (value > 32) return false;  // of one block
    const Scratch buffer(backend, DType::float32, {buffer_elements});
    figures.bytes = 4.0 * loads * 32 * value * units;
    return measure(backend, figures, seconds, waiting_loads, {units, 32 * value}, zeros(buffer), out, buffer_elements);
  }
  if (name == "instruction-parallelism") {
    const LaunchShape shape = {units, 128};  // a warp to each of a multiprocessor's four schedulers
    figures.operations = 2.0 * steps * 128 * units;
    const float factor = 0.5f;
    switch (value) {
      case 1:
        return measure(backend, figures, seconds, chains_kernel<1>, shape, out, factor);
      case 2:
        return measure(backend, figures, seconds, chains_kernel<2>, shape, out, factor);
      case 4:
        return measure(backend, figures, seconds, chains_kernel<4>, shape, out, factor);
      case 8:
        return measure(backend, figures, seconds, chains_kernel<8>, shape, out, factor);
      default:
        return false;
    }
  }
  if (name == "divergence") {
    if (value > 32) return false;
    const LaunchShape shape = {units * 8, threads};
    figures.operations = 2.0 * (steps / 32) * shape.grid.x * threads;
    return measure(backend, figures, seconds, branches, shape, out, 0.5f, value);
  }
  if (name == "coalescing") {
    if (value > 32) return false;
    const Scratch buffer(backend, DType::float32, {buffer_elements});
    const std::uint32_t count = buffer_elements / value;
    figures.bytes = 4.0 * count;
    return measure(backend, figures, seconds, strided_loads, {units * 8, threads}, zeros(buffer), out, count, value);
  }
  if (name == "bank-conflicts") {
    const LaunchShape shape = {units * 4, threads};
    figures.bytes = 4.0 * shared_loads * shape.grid.x * threads;
    return measure(backend, figures, seconds, bank_loads, shape, out, value);
  }
  if (name == "block-size") {
    const Scratch from(backend, DType::float32, {buffer_elements}), to(backend, DType::float32, {buffer_elements});
    figures.bytes = 8.0 * buffer_elements;
    return measure(backend, figures, seconds, copy_kernel, {blocks_of(buffer_elements, value), value}, zeros(from),
                   to.view().as<float>(), buffer_elements);
  }
  return false;
}

}  // namespace weft::backends::cuda::ladder
