#pragma once
// The device language of CUDA C++ for plain g++: forced (-include) into every file of backends/cuda/ when the backend
// is built to run on the CPU. A kernel is an ordinary function here; the threads of a block are fibers on one thread of
// the operating system, so everything below that waits may switch to another thread of the block.
//
// Given: threadIdx and its like, __syncthreads (also _count, _and, _or), __syncwarp, shuffles and votes, WEFT_SHARED
// and WEFT_DYNAMIC_SHARED, atomics, fences, and the integer and bit functions near the end. What is missing here is not
// to be used in a kernel, or is to be added here with its rules enforced.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <cuda_runtime_api.h>
#include <vector_functions.h>
#include <vector_types.h>

#pragma GCC visibility push(hidden)

namespace weft_harness {

/// Where a barrier or a collective stands in the source: threads that wait at different places do not wait together.
struct Site {
  const char* file = "";
  int line = 0;
  friend bool operator==(const Site& a, const Site& b) noexcept { return a.line == b.line && a.file == b.file; }
};

/// What the running thread reads as threadIdx and so on; written by the scheduler at every switch.
struct Now {
  uint3 thread{};
  uint3 block{};
  dim3 block_dim;
  dim3 grid_dim;
  unsigned lane = 0;
  unsigned char* dynamic_shared = nullptr;
};
extern Now now;

enum class BarrierVote : unsigned char { none, count, all, any };
enum class WarpCall : unsigned char { sync, shuffle, ballot, match };

int block_barrier(Site site, BarrierVote vote, bool predicate);
std::uint64_t warp_collective(Site site, WarpCall call, unsigned mask, std::uint64_t value, unsigned source_lane);

/// Memory of the running block for one WEFT_SHARED variable: filled with 0xFF, red zones around it, at most 48 KiB a
/// block.
void* shared_variable(std::size_t bytes, std::size_t alignment, const char* name);
extern std::uint64_t block_serial;  ///< differs for every block that ever ran

template <class T>
class Shared {
 public:
  T& enter(const char* name) {
    if (serial_ != block_serial) {
      place_ = shared_variable(sizeof(T), alignof(T) < 16 ? 16 : alignof(T), name);
      serial_ = block_serial;
    }
    return *static_cast<T*>(place_);
  }

 private:
  void* place_ = nullptr;
  std::uint64_t serial_ = 0;
};

enum class Atomic : unsigned char { add, exchange, min, max, bit_and, bit_or, bit_xor };
int atomic(Atomic op, int* p, int value);
unsigned atomic(Atomic op, unsigned* p, unsigned value);
long long atomic(Atomic op, long long* p, long long value);
unsigned long long atomic(Atomic op, unsigned long long* p, unsigned long long value);
float atomic(Atomic op, float* p, float value);
double atomic(Atomic op, double* p, double value);
int compare_and_swap(int* p, int compare, int value);
unsigned compare_and_swap(unsigned* p, unsigned compare, unsigned value);
unsigned long long compare_and_swap(unsigned long long* p, unsigned long long compare, unsigned long long value);
void fence();
[[noreturn]] void trap(Site site);

struct LaunchRequest {
  const void* kernel = nullptr;
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
  std::size_t parameter_bytes = 0;
};
/// What a thread of the kernel does; the parameters are all of the host's memory it may read.
struct ThreadBody {
  void (*run)(const void* call) = nullptr;
  std::shared_ptr<const void> call;
  std::size_t call_bytes = 0;
};
/// Checks the launch against the device's limits, then queues it on the stream, or records it where the stream is being
/// captured. As cudaLaunchKernel: the error is returned and kept for cudaGetLastError.
cudaError_t enqueue_kernel(const LaunchRequest& request, cudaStream_t stream, ThreadBody body);

template <class... P>
struct KernelCall {
  void (*kernel)(P...);
  std::tuple<P...> parameters;
  static void run(const void* self) {
    const auto* call = static_cast<const KernelCall*>(self);
    std::apply(call->kernel, call->parameters);
  }
};

template <class... P>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream,
                   std::tuple<P...> parameters) {
  static_assert((std::is_trivially_copyable_v<P> && ...), "what a kernel takes is copied to the device byte by byte");
  using Call = KernelCall<P...>;
  return enqueue_kernel({reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, sizeof(std::tuple<P...>)},
                        stream,
                        {&Call::run, std::make_shared<const Call>(Call{kernel, std::move(parameters)}), sizeof(Call)});
}

template <class T>
concept Word = std::is_arithmetic_v<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

template <Word T>
std::uint64_t to_word(T value) {
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  return word;
}
template <Word T>
T from_word(std::uint64_t word) {
  T value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

template <Word T>
T shuffle(Site site, unsigned mask, T value, unsigned source_lane) {
  return from_word<T>(warp_collective(site, WarpCall::shuffle, mask, to_word(value), source_lane));
}

}  // namespace weft_harness

// ---- qualifiers. cuda_runtime_api.h has made __global__, __device__ and __host__ inert.

#undef __launch_bounds__
#define __launch_bounds__(...)
#undef __shared__
#define __shared__ static_assert(false, "write WEFT_SHARED(type, name)");
#undef __constant__
#define __constant__ static const

#define WEFT_SHARED(type, name)                                      \
  static ::weft_harness::Shared<std::type_identity_t<type>> name##_; \
  auto& name = name##_.enter(#name)
#define WEFT_DYNAMIC_SHARED(type, name) type* const name = reinterpret_cast<type*>(::weft_harness::now.dynamic_shared)

#define threadIdx (static_cast<const uint3&>(::weft_harness::now.thread))
#define blockIdx (static_cast<const uint3&>(::weft_harness::now.block))
#define blockDim (static_cast<const dim3&>(::weft_harness::now.block_dim))
#define gridDim (static_cast<const dim3&>(::weft_harness::now.grid_dim))
inline constexpr int warpSize = 32;

// ---- barriers and fences

#define WEFT_HARNESS_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(WEFT_HARNESS_SITE) {
  ::weft_harness::block_barrier({file, line}, ::weft_harness::BarrierVote::none, false);
}
inline int __syncthreads_count(int predicate, WEFT_HARNESS_SITE) {
  return ::weft_harness::block_barrier({file, line}, ::weft_harness::BarrierVote::count, predicate != 0);
}
inline int __syncthreads_and(int predicate, WEFT_HARNESS_SITE) {
  return ::weft_harness::block_barrier({file, line}, ::weft_harness::BarrierVote::all, predicate != 0);
}
inline int __syncthreads_or(int predicate, WEFT_HARNESS_SITE) {
  return ::weft_harness::block_barrier({file, line}, ::weft_harness::BarrierVote::any, predicate != 0);
}
inline void __threadfence() { ::weft_harness::fence(); }
inline void __threadfence_block() { ::weft_harness::fence(); }
inline void __threadfence_system() { ::weft_harness::fence(); }

[[noreturn]] inline void __trap(WEFT_HARNESS_SITE) { ::weft_harness::trap({file, line}); }

// ---- the warp

inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, WEFT_HARNESS_SITE) {
  ::weft_harness::warp_collective({file, line}, ::weft_harness::WarpCall::sync, mask, 0, 0);
}
template <::weft_harness::Word T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, WEFT_HARNESS_SITE) {
  const unsigned w = static_cast<unsigned>(width), first = ::weft_harness::now.lane & ~(w - 1);
  return ::weft_harness::shuffle({file, line}, mask, value, first + (static_cast<unsigned>(lane) & (w - 1)));
}
template <::weft_harness::Word T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, WEFT_HARNESS_SITE) {
  const unsigned w = static_cast<unsigned>(width), lane = ::weft_harness::now.lane;
  const bool inside = (lane & (w - 1)) + delta < w;
  return ::weft_harness::shuffle({file, line}, mask, value, inside ? lane + delta : lane);
}
template <::weft_harness::Word T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, WEFT_HARNESS_SITE) {
  const unsigned w = static_cast<unsigned>(width), lane = ::weft_harness::now.lane;
  const bool inside = (lane & (w - 1)) >= delta;
  return ::weft_harness::shuffle({file, line}, mask, value, inside ? lane - delta : lane);
}
template <::weft_harness::Word T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, WEFT_HARNESS_SITE) {
  const unsigned w = static_cast<unsigned>(width), lane = ::weft_harness::now.lane;
  const unsigned other = lane ^ static_cast<unsigned>(lane_mask);
  return ::weft_harness::shuffle({file, line}, mask, value, (other & ~(w - 1)) <= (lane & ~(w - 1)) ? other : lane);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, WEFT_HARNESS_SITE) {
  return static_cast<unsigned>(::weft_harness::warp_collective({file, line}, ::weft_harness::WarpCall::ballot, mask,
                                                               predicate != 0 ? 1u : 0u, 0));
}
inline int __any_sync(unsigned mask, int predicate, WEFT_HARNESS_SITE) {
  return __ballot_sync(mask, predicate, file, line) != 0 ? 1 : 0;
}
inline int __all_sync(unsigned mask, int predicate, WEFT_HARNESS_SITE) {
  return __ballot_sync(mask, predicate, file, line) == mask ? 1 : 0;
}
template <::weft_harness::Word T>
unsigned __match_any_sync(unsigned mask, T value, WEFT_HARNESS_SITE) {
  return static_cast<unsigned>(::weft_harness::warp_collective({file, line}, ::weft_harness::WarpCall::match, mask,
                                                               ::weft_harness::to_word(value), 0));
}

#undef WEFT_HARNESS_SITE

// ---- atomics: the old value is returned

template <class T>
T atomicAdd(T* p, std::type_identity_t<T> value) {
  return ::weft_harness::atomic(::weft_harness::Atomic::add, p, value);
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> value) {
  return ::weft_harness::atomic(::weft_harness::Atomic::exchange, p, value);
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "the device has no atomicMin for floats");
  return ::weft_harness::atomic(::weft_harness::Atomic::min, p, value);
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "the device has no atomicMax for floats");
  return ::weft_harness::atomic(::weft_harness::Atomic::max, p, value);
}
template <class T>
T atomicAnd(T* p, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return ::weft_harness::atomic(::weft_harness::Atomic::bit_and, p, value);
}
template <class T>
T atomicOr(T* p, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return ::weft_harness::atomic(::weft_harness::Atomic::bit_or, p, value);
}
template <class T>
T atomicXor(T* p, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return ::weft_harness::atomic(::weft_harness::Atomic::bit_xor, p, value);
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  return ::weft_harness::compare_and_swap(p, compare, value);
}

// ---- loads, stores, bits

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, std::type_identity_t<T> value) {
  *p = value;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<unsigned long long>(a) * b) >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>((static_cast<unsigned __int128>(a) * b) >> 64);
}
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
// Named roundings: the sources are compiled with -ffp-contract=off here, so these need no more than the operator.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }

#pragma GCC visibility pop
