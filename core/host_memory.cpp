#include <weft/core/host_memory.h>

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#include <weft/core/error.h>
#include <weft/core/message.h>

#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define WEFT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#elif __has_feature(thread_sanitizer)
#define WEFT_TSAN 1
#endif
#endif

namespace weft {
namespace {

constexpr std::size_t unit = 64;
constexpr std::size_t largest_units = host_largest_cached / unit;
constexpr int class_count = 8 + 4 * (static_cast<int>(std::bit_width(largest_units)) - 4);
constexpr int shard_count = 8;
#if defined(WEFT_ASAN)
constexpr bool keeps_blocks = false;
#else
constexpr bool keeps_blocks = true;
#endif
// No processor's address space has more; a sanitizer ends the program when it is asked for more than 2^40.
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
constexpr std::size_t largest = std::size_t{1} << 39;
#else
constexpr std::size_t largest = std::size_t{1} << 52;
#endif

struct SizeClass {
  int index;
  std::size_t bytes;
};

// Units 1..8 are classes of their own; above, each doubling is cut in four, so at most a quarter is unused.
constexpr SizeClass size_class(std::size_t bytes) noexcept {
  const std::size_t units = bytes == 0 ? 1 : (bytes - 1) / unit + 1;
  if (units <= 8) return {static_cast<int>(units) - 1, units * unit};
  const int octave = static_cast<int>(std::bit_width(units - 1)) - 1;
  const std::size_t quarter = (units - 1) >> (octave - 2);  // 4..7
  return {8 + (octave - 3) * 4 + static_cast<int>(quarter & 3), ((quarter + 1) << (octave - 2)) * unit};
}
static_assert(size_class(host_largest_cached).index == class_count - 1);
static_assert(size_class(host_largest_cached).bytes == host_largest_cached);
static_assert(size_class(513).bytes == 640 && size_class(513).index == 8);

class SpinLock {
 public:
  void lock() noexcept {
    for (int round = 0; held_.exchange(true, std::memory_order_acquire); ++round) {
      while (held_.load(std::memory_order_relaxed)) {
        if (++round > 64) sched_yield();
      }
    }
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

struct FreeBlock {
  FreeBlock* next;
};

// A thread uses one shard, so threads rarely wait for each other; a shard that has nothing looks into the others.
struct alignas(128) Shard {
  SpinLock lock;
  std::atomic<std::size_t> kept{0};  // written under the lock, read without
  FreeBlock* heads[class_count] = {};

  void* pop(SizeClass c) noexcept {
    FreeBlock* block = heads[c.index];
    if (block == nullptr) return nullptr;
    heads[c.index] = block->next;
    kept.store(kept.load(std::memory_order_relaxed) - c.bytes, std::memory_order_relaxed);
    return block;
  }
  void push(void* p, SizeClass c) noexcept {
    heads[c.index] = new (p) FreeBlock{heads[c.index]};
    kept.store(kept.load(std::memory_order_relaxed) + c.bytes, std::memory_order_relaxed);
  }
};

struct Cache {
  Shard shards[shard_count];
  alignas(128) std::atomic<std::size_t> live{0};
  std::atomic<std::size_t> peak{0};
  std::atomic<std::size_t> reserved{0};
  std::atomic<std::uint64_t> system_allocations{0};
  std::atomic<unsigned> next_shard{0};
  bool poison;

  Cache() {
    const char* text = std::getenv("WEFT_POISON");
    poison = text != nullptr && *text != '\0' && std::strcmp(text, "0") != 0;
    // A child must not inherit a lock whose holder does not exist there.
    pthread_atfork([] { lock_all(); }, [] { unlock_all(); }, [] { unlock_all(); });
  }
  std::size_t kept() const noexcept {
    std::size_t sum = 0;
    for (const Shard& shard : shards) sum += shard.kept.load(std::memory_order_relaxed);
    return sum;
  }
  static void lock_all() noexcept;
  static void unlock_all() noexcept;
};

Cache& cache() {
  static Cache& c = *new Cache;
  return c;
}

void Cache::lock_all() noexcept {
  for (Shard& shard : cache().shards) shard.lock.lock();
}
void Cache::unlock_all() noexcept {
  for (Shard& shard : cache().shards) shard.lock.unlock();
}

int own_shard(Cache& c) noexcept {
  thread_local int shard = -1;
  if (shard < 0) shard = static_cast<int>(c.next_shard.fetch_add(1, std::memory_order_relaxed) % shard_count);
  return shard;
}

void give_back(Cache& c, void* p, std::size_t bytes) noexcept {
  std::free(p);
  c.reserved.fetch_sub(bytes, std::memory_order_relaxed);
}

void* take_kept(Cache& c, SizeClass wanted) noexcept {
  const int own = own_shard(c);
  Shard& mine = c.shards[own];
  mine.lock.lock();
  void* p = mine.pop(wanted);
  mine.lock.unlock();
  for (int i = 1; i < shard_count && p == nullptr; ++i) {
    Shard& other = c.shards[(own + i) % shard_count];
    if (other.kept.load(std::memory_order_relaxed) < wanted.bytes) continue;
    other.lock.lock();  // held for a few instructions: waiting is cheaper than a block from the system
    p = other.pop(wanted);
    other.lock.unlock();
  }
  return p;
}

void* take_from_system(Cache& c, std::size_t bytes) noexcept {
  void* p = std::aligned_alloc(host_alignment, bytes);
  if (p == nullptr) return nullptr;
  c.reserved.fetch_add(bytes, std::memory_order_relaxed);
  c.system_allocations.fetch_add(1, std::memory_order_relaxed);
  return p;
}

}  // namespace

std::size_t host_block_size(std::size_t bytes) noexcept {
  if (bytes <= host_largest_cached) return size_class(bytes).bytes;
  return bytes >= largest ? bytes : (bytes + unit - 1) / unit * unit;
}

void* host_allocate(std::size_t bytes, const char* op, CallSite at) {
  Cache& c = cache();
  const std::size_t size = host_block_size(bytes);
  void* p = nullptr;
  if (keeps_blocks && bytes <= host_largest_cached) p = take_kept(c, size_class(bytes));
  if (p == nullptr && bytes < largest) {
    p = take_from_system(c, size);
    if (p == nullptr) {
      host_release_cached();
      p = take_from_system(c, size);
    }
  }
  if (p == nullptr) {
    throw OutOfMemoryError(ErrorCode::out_of_memory, op,
                           message("cannot get ", bytes, " bytes (", bytes >> 20, " MiB) of host memory; ",
                                   c.live.load(std::memory_order_relaxed), " bytes are in use"),
                           at);
  }
  const std::size_t live = c.live.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::size_t peak = c.peak.load(std::memory_order_relaxed);
  while (live > peak && !c.peak.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
  if (c.poison) std::memset(p, 0xFF, size);
  return p;
}

void host_free(void* p, std::size_t bytes) noexcept {
  if (p == nullptr) return;
  Cache& c = cache();
  c.live.fetch_sub(bytes, std::memory_order_relaxed);
  const std::size_t size = host_block_size(bytes);
  if (!keeps_blocks || bytes > host_largest_cached) return give_back(c, p, size);
  // Sizes that changed for good (another batch size) must not pile up: beyond what was ever live at once, big blocks
  // go.
  constexpr std::size_t big = std::size_t{1} << 20;
  constexpr std::size_t always_kept = std::size_t{256} << 20;
  if (size >= big && c.kept() + size > std::max(always_kept, c.peak.load(std::memory_order_relaxed))) {
    return give_back(c, p, size);
  }
  Shard& mine = c.shards[own_shard(c)];
  mine.lock.lock();
  mine.push(p, size_class(bytes));
  mine.lock.unlock();
}

HostMemoryCounts host_memory_counts() noexcept {
  const Cache& c = cache();
  return {c.live.load(std::memory_order_relaxed), c.peak.load(std::memory_order_relaxed),
          c.reserved.load(std::memory_order_relaxed), c.system_allocations.load(std::memory_order_relaxed)};
}

void host_reset_peak() noexcept {
  Cache& c = cache();
  c.peak.store(c.live.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

void host_release_cached() noexcept {
  Cache& c = cache();
  for (Shard& shard : c.shards) {
    for (int index = 0; index < class_count; ++index) {
      shard.lock.lock();
      FreeBlock* block = shard.heads[index];
      std::size_t count = 0;
      for (FreeBlock* b = block; b != nullptr; b = b->next) ++count;
      shard.heads[index] = nullptr;
      // the inverse of size_class(): its bytes for an index
      const int octave = (index - 8) / 4 + 3;
      const std::size_t units = index < 8 ? static_cast<std::size_t>(index) + 1
                                          : static_cast<std::size_t>((index - 8) % 4 + 5) << (octave - 2);
      shard.kept.store(shard.kept.load(std::memory_order_relaxed) - count * units * unit, std::memory_order_relaxed);
      shard.lock.unlock();
      while (block != nullptr) {
        FreeBlock* next = block->next;
        give_back(c, block, units * unit);
        block = next;
      }
    }
  }
}

}  // namespace weft
