#include "cuda_on_cpu/watch.h"

// Every access of a kernel, looked at. The kernels are compiled with -fsanitize=thread, but linked with the functions
// below instead of ThreadSanitizer's library: the compiler's instrumentation, with CUDA's idea of what is ordered.
//
// Two accesses of one launch to the same bytes, one of them a write, not both atomic, are a race unless something
// orders them: within a block __syncthreads, within a warp __syncwarp of all its lanes; between blocks only a
// __threadfence followed by an atomic on one side and an atomic on the other. A shuffle orders no memory.

#if defined(WEFT_HARNESS_RACES)

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include <sys/mman.h>

#include "cuda_on_cpu/fiber.h"
#include "cuda_on_cpu/memory.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/schedule.h"

extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start;
extern "C" __attribute__((visibility("hidden"))) const char _end;

namespace weft_harness {
namespace {

constexpr std::uint16_t many_threads = 0xFFFF;  // of several warps
constexpr std::uint16_t many_lanes = 0x8000;    // of the warp in the lower bits
constexpr std::uint32_t many_blocks = 0xFFFFFFFF;

/// The last access to a word of four bytes.
struct Access {
  std::uint32_t launch;
  std::uint32_t block;
  std::uint16_t thread;
  std::uint16_t barrier;
  std::uint16_t warp;
  std::uint8_t bytes;  // which of the four
  std::uint8_t atomic;
};
struct Cell {
  Access write;
  Access read;
};

struct Range {
  char* begin = nullptr;
  std::size_t bytes = 0;
  std::uint8_t* state = nullptr;    // of each word: which bytes may be touched (low half), were written (high half)
  Cell* cells = nullptr;            // of each word, for accesses to the whole of it
  Cell* byte_cells = nullptr;       // of each byte, for accesses to part of a word: neighbours in it are strangers
  std::uint32_t* parted = nullptr;  // of each word: the last launch that touched a part of it
  bool contains(const void* p) const noexcept {
    return static_cast<std::size_t>(static_cast<const char*>(p) - begin) < bytes;
  }
};
Range device_range, shared_range;

void* addresses(std::size_t bytes) {
  void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) std::abort();
  return p;
}

void watch(Range& range, char* begin, std::size_t bytes) {
  range.begin = begin;
  range.bytes = bytes;
  range.state = static_cast<std::uint8_t*>(addresses(bytes / 4));
  range.cells = static_cast<Cell*>(addresses(bytes / 4 * sizeof(Cell)));
  range.byte_cells = static_cast<Cell*>(addresses(bytes * sizeof(Cell)));
  range.parted = static_cast<std::uint32_t*>(addresses(bytes));
}

Range* range_of(const void* p) {
  if (device_range.contains(p)) return &device_range;
  if (shared_range.contains(p)) return &shared_range;
  return nullptr;
}

/// Calls f(word, byte mask) for every word of [p, p + bytes).
template <class F>
void for_each_word(const Range& range, const void* p, std::size_t bytes, F&& f) {
  std::size_t at = static_cast<std::size_t>(static_cast<const char*>(p) - range.begin);
  const std::size_t end = at + bytes;
  while (at < end) {
    const std::size_t word = at / 4, stop = std::size_t{4} * (word + 1) < end ? 4 * (word + 1) : end;
    const unsigned mask = ((1u << (stop - at)) - 1) << (at % 4);
    f(word, static_cast<std::uint8_t>(mask));
    at = stop;
  }
}

// ---- publication by fence and atomic

struct Published {
  std::uint64_t sequence = 0;
  std::uint16_t barrier = 0;
  std::uint16_t thread = 0;
};
std::unordered_map<std::uint32_t, Published>& published() {
  static auto& all = *new std::unordered_map<std::uint32_t, Published>;
  return all;
}
std::uint64_t publications = 0;
Moment fenced{};  // the last fence
std::uint32_t acquiring_block = many_blocks;
std::uint64_t acquired = 0;  // what the running block has taken notice of

bool is_published(const Access& before, const Moment& me) {
  if (acquiring_block != me.block) return false;
  const auto found = published().find(before.block);
  if (found == published().end() || found->second.sequence > acquired) return false;
  return before.barrier < found->second.barrier || before.thread == found->second.thread;
}

bool ordered(const Range& range, const Access& before, const Moment& me) {
  if (before.launch != me.launch) return true;
  if (&range == &shared_range && before.block != me.block) return true;  // every block has its own
  if (before.block == many_blocks) return false;
  if (before.block != me.block) return is_published(before, me);
  if (before.thread == me.thread || before.barrier != me.barrier) return true;
  if (before.thread == many_threads) return false;
  const unsigned warp = (before.thread & many_lanes) != 0 ? before.thread & 0x7FFFu : before.thread / 32u;
  return warp == me.thread / 32u && before.warp != me.warp;
}

std::string where(const void* p) {
  if (device_range.contains(p)) return describe_address(p);
  return "byte " + std::to_string(static_cast<const char*>(p) - shared_range.begin) + " of the block's shared memory";
}

std::string who(const Access& a) {
  if (a.block == many_blocks) return "several blocks";
  if ((a.thread & many_lanes) != 0) return "several threads";
  return "thread " + std::to_string(a.thread) + " of block " + std::to_string(a.block);
}

void remember_read(const Range& range, Access& last, const Moment& me, std::uint8_t mask, bool atomic) {
  if (last.launch == me.launch && last.atomic == (atomic ? 1 : 0)) {
    if (last.block != me.block && &range != &shared_range) {
      last.block = many_blocks;
      last.bytes |= mask;
      return;
    }
    if (last.block == me.block && last.barrier == me.barrier && last.thread != me.thread) {
      const unsigned warp = (last.thread & many_lanes) != 0 ? last.thread & 0x7FFFu : last.thread / 32u;
      last.thread = last.thread != many_threads && warp == me.thread / 32u
                        ? static_cast<std::uint16_t>(many_lanes | warp)
                        : many_threads;
      last.warp = me.warp;
      last.bytes |= mask;
      return;
    }
  }
  last = {me.launch, me.block, me.thread, me.barrier, me.warp, mask, static_cast<std::uint8_t>(atomic ? 1 : 0)};
}

void access(const void* p, std::size_t bytes, bool write, bool atomic) {
  Range* range = range_of(p);
  if (range == nullptr) {
    if (on_fiber_stack(p) || is_parameter(p, bytes)) return;
    const auto* at = static_cast<const char*>(p);
    if (at >= &__ehdr_start && at < &_end) return;  // constants
    if (is_pinned(p, bytes)) return;
    if (p == nullptr || reinterpret_cast<std::uintptr_t>(p) < 65536) {
      report("null pointer: a kernel touches address " + std::to_string(reinterpret_cast<std::uintptr_t>(p)));
      return;
    }
    report(std::string("host memory: a kernel ") + (write ? "writes" : "reads") + " " + std::to_string(bytes) +
           " bytes of the host's pageable memory");
    return;
  }
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0 && (bytes & (bytes - 1)) == 0) {
    report("misaligned: an access of " + std::to_string(bytes) + " bytes at " + where(p));
  }
  const Moment me = moment();
  bool said = false;
  for_each_word(*range, p, bytes, [&](std::size_t word, std::uint8_t mask) {
    std::uint8_t& state = range->state[word];
    if ((state & mask) != mask) {
      if (!said) {
        report(std::string("out of bounds: ") + (write ? "write" : "read") + " of " + std::to_string(bytes) +
               " bytes at " + where(p));
      }
      said = true;
      return;
    }
    if (!write && (state >> 4 & mask) != mask) {
      if (!said) report("uninitialised: read of " + std::to_string(bytes) + " bytes at " + where(p));
      said = true;
    }
    if (write) state = static_cast<std::uint8_t>(state | mask << 4);
    const auto check = [&](const Cell& cell) {
      const Access* other = nullptr;
      if ((cell.write.bytes & mask) != 0 && !(atomic && cell.write.atomic != 0) && !ordered(*range, cell.write, me)) {
        other = &cell.write;
      } else if (write && (cell.read.bytes & mask) != 0 && !(atomic && cell.read.atomic != 0) &&
                 !ordered(*range, cell.read, me)) {
        other = &cell.read;
      }
      if (other == nullptr || said) return;
      said = true;
      report(std::string("race: ") + (write ? "write" : "read") + " of " + where(p) + ", which " + who(*other) +
             (other == &cell.write ? " has written" : " has read") + " with nothing to order the two");
    };
    const auto remember = [&](Cell& cell, std::uint8_t which) {
      if (write) {
        cell.write = {
            me.launch, me.block, me.thread, me.barrier, me.warp, which, static_cast<std::uint8_t>(atomic ? 1 : 0)};
      } else {
        remember_read(*range, cell.read, me, which, atomic);
      }
    };
    check(range->cells[word]);
    const bool whole = mask == 0xF;
    if (whole) remember(range->cells[word], mask);
    if (whole && range->parted[word] != me.launch) return;
    for (unsigned byte = 0; byte < 4; ++byte) {
      if ((mask >> byte & 1) == 0) continue;
      Cell& cell = range->byte_cells[word * 4 + byte];
      check(cell);
      if (!whole) remember(cell, static_cast<std::uint8_t>(1u << byte));
    }
    if (!whole) range->parted[word] = me.launch;
  });
}

/// Only what runs on a fiber's stack is a kernel: the same files hold the host's half of a family.
inline __attribute__((always_inline)) void seen(void* p, std::size_t bytes, bool write, bool atomic) {
  if (on_fiber_stack(__builtin_frame_address(0))) access(p, bytes, write, atomic);
}

}  // namespace

void watch_device(char* begin, std::size_t bytes) { watch(device_range, begin, bytes); }
void watch_shared(char* begin, std::size_t bytes) { watch(shared_range, begin, bytes); }

void watch_allocated(void* p, std::size_t bytes) {
  std::memset(p, 0xFF, bytes);
  for_each_word(*range_of(p), p, bytes, [&](std::size_t word, std::uint8_t mask) { range_of(p)->state[word] = mask; });
}

void watch_released(void* p, std::size_t bytes) {
  Range& range = *range_of(p);
  std::memset(range.state + (static_cast<char*>(p) - range.begin) / 4, 0, (bytes + 3) / 4);
}

void watch_written(const void* p, std::size_t bytes) {
  Range* range = range_of(p);
  if (range == nullptr) return;
  for_each_word(*range, p, bytes, [&](std::size_t word, std::uint8_t mask) {
    range->state[word] = static_cast<std::uint8_t>(range->state[word] | mask << 4);
  });
}

void watch_copied(const void* to, const void* from, std::size_t bytes) {
  const Range* source = range_of(from);
  Range* target = range_of(to);
  if (source == nullptr) return watch_written(to, bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::size_t f = static_cast<std::size_t>(static_cast<const char*>(from) - source->begin) + i;
    const std::size_t t = static_cast<std::size_t>(static_cast<const char*>(to) - target->begin) + i;
    const unsigned bit = 16u << (t % 4);
    const bool written = (source->state[f / 4] >> (4 + f % 4) & 1) != 0;
    target->state[t / 4] =
        static_cast<std::uint8_t>(written ? target->state[t / 4] | bit : target->state[t / 4] & ~bit);
  }
}

void watch_kernel() {
  published().clear();
  publications = 0;
  fenced = {};
  acquiring_block = many_blocks;
}

void watch_atomic(const void* p, std::size_t bytes) {
  if (!in_kernel()) return;
  const bool atomic = !planted(Bug::plain_atomics);
  const Moment me = moment();
  access(p, bytes, false, atomic);
  access(p, bytes, true, atomic);
  if (!atomic) return;
  if (fenced.launch == me.launch && fenced.block == me.block && fenced.thread == me.thread) {
    published()[me.block] = {++publications, me.barrier, me.thread};
  }
  acquiring_block = me.block;
  acquired = publications;
}

void watch_fence() {
  if (in_kernel()) fenced = moment();
}

std::string why_not_writable(const void* p, std::size_t bytes) {
  const Range* range = range_of(p);
  if (range == nullptr) return {};
  std::string why;
  for_each_word(*range, p, bytes, [&](std::size_t word, std::uint8_t mask) {
    if ((range->state[word] & mask) != mask) why = "memory that is not allocated";
  });
  return why;
}

std::string why_not_readable(const void* p, std::size_t bytes) {
  std::string why = why_not_writable(p, bytes);
  const Range* range = range_of(p);
  if (!why.empty() || range == nullptr) return why;
  for_each_word(*range, p, bytes, [&](std::size_t word, std::uint8_t mask) {
    if ((range->state[word] >> 4 & mask) != mask) why = "memory that was never written";
  });
  return why;
}

}  // namespace weft_harness

// ---- what the compiler calls

using weft_harness::seen;

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define WEFT_HARNESS_HOOKS(n)                                                  \
  void __tsan_read##n(void* p) { seen(p, n, false, false); }                   \
  void __tsan_write##n(void* p) { seen(p, n, true, false); }                   \
  void __tsan_unaligned_read##n(void* p) { seen(p, n, false, false); }         \
  void __tsan_unaligned_write##n(void* p) { seen(p, n, true, false); }         \
  void __tsan_volatile_read##n(void* p) { seen(p, n, false, true); }           \
  void __tsan_volatile_write##n(void* p) { seen(p, n, true, true); }           \
  void __tsan_unaligned_volatile_read##n(void* p) { seen(p, n, false, true); } \
  void __tsan_unaligned_volatile_write##n(void* p) { seen(p, n, true, true); }
WEFT_HARNESS_HOOKS(1)
WEFT_HARNESS_HOOKS(2)
WEFT_HARNESS_HOOKS(4)
WEFT_HARNESS_HOOKS(8)
WEFT_HARNESS_HOOKS(16)

void __tsan_read_range(void* p, unsigned long n) {
  if (n > 0) seen(p, n, false, false);
}
void __tsan_write_range(void* p, unsigned long n) {
  if (n > 0) seen(p, n, true, false);
}

// The host's half of the files uses atomics (shared pointers, guards of statics); kernels have their own (atomics.cpp).
#define WEFT_HARNESS_ATOMICS(bits, T)                                                                               \
  T __tsan_atomic##bits##_load(const volatile T* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }           \
  void __tsan_atomic##bits##_store(volatile T* p, T v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }           \
  T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_fetch_add(volatile T* p, T v, int) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_fetch_sub(volatile T* p, T v, int) { return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST); } \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* c, T v, int, int) {                           \
    return __atomic_compare_exchange_n(p, c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ? 1 : 0;                 \
  }                                                                                                                 \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* c, T v, int, int) {                             \
    return __atomic_compare_exchange_n(p, c, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ? 1 : 0;                  \
  }
WEFT_HARNESS_ATOMICS(8, unsigned char)
WEFT_HARNESS_ATOMICS(16, unsigned short)
WEFT_HARNESS_ATOMICS(32, unsigned)
WEFT_HARNESS_ATOMICS(64, unsigned long)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"

#endif
