#include "cuda_on_cpu/memory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include <sys/mman.h>

#include "cuda_on_cpu/watch.h"

namespace weft_harness {
namespace {

constexpr std::size_t arena_bytes = std::size_t{1} << 34;  // addresses, not memory
constexpr std::size_t red_zone = 256;
constexpr std::size_t most_waiting = std::size_t{8} << 20;  // bytes of freed blocks that keep their addresses

struct Heap {
  std::recursive_mutex mutex;
  char* begin = nullptr;
  char* end = nullptr;  // of what was handed out so far
  int key = -1;         // memory protection key, where the processor has them
  int depth = 0;        // how many OnDevice live, where it has none
  std::map<const char*, Block> blocks;
  std::deque<char*> waiting;
  std::size_t waiting_bytes = 0;
  std::map<std::size_t, std::vector<char*>> reusable;  // by rounded size
  std::uint64_t made = 0;
  std::size_t live = 0, peak = 0, total = 0;
  std::map<const char*, std::size_t> pinned;
};

std::size_t rounded(std::size_t bytes) { return (std::max<std::size_t>(bytes, 1) + 255) / 256 * 256; }

void protect(Heap& heap, int access) {
  if (::mprotect(heap.begin, static_cast<std::size_t>(heap.end - heap.begin), access) != 0) std::abort();
}

/// Whole pages only: what shares the first and the last belongs to neighbours.
void give_back_pages(char* p, std::size_t bytes) {
  constexpr std::uintptr_t page = 4096;
  const auto first = (reinterpret_cast<std::uintptr_t>(p) + page - 1) / page * page;
  const auto last = (reinterpret_cast<std::uintptr_t>(p) + bytes) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

Heap& heap() {
  static Heap& h = *[] {
    auto* made = new Heap;
    void* p = ::mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
      std::fprintf(stderr, "cuda-on-cpu: no addresses for the device's memory\n");
      std::abort();
    }
    made->begin = made->end = static_cast<char*>(p);
    const char* megabytes = std::getenv("WEFT_HARNESS_MEMORY_MB");
    made->total = (megabytes != nullptr ? std::strtoull(megabytes, nullptr, 10) : 4096) << 20;
    if (std::getenv("WEFT_HARNESS_NO_PKEYS") == nullptr) made->key = ::pkey_alloc(0, PKEY_DISABLE_ACCESS);
    if (made->key >= 0 && ::pkey_mprotect(p, arena_bytes, PROT_READ | PROT_WRITE, made->key) != 0) made->key = -1;
    watch_device(made->begin, arena_bytes);
    return made;
  }();
  return h;
}

}  // namespace

void* device_reserve(std::size_t bytes) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  if (bytes > h.total || h.live + bytes > h.total) return nullptr;
  const std::size_t room = rounded(bytes);
  char* p = nullptr;
  if (const auto found = h.reusable.find(room); found != h.reusable.end() && !found->second.empty()) {
    p = found->second.back();
    found->second.pop_back();
  } else {
    if (static_cast<std::size_t>(h.end - h.begin) + room + 2 * red_zone > arena_bytes) return nullptr;
    p = h.end + red_zone;
    char* old_end = h.end;
    h.end = p + room;
    if (h.key < 0 && h.depth > 0) {
      if (::mprotect(old_end, static_cast<std::size_t>(h.end - old_end), PROT_READ | PROT_WRITE) != 0) return nullptr;
    }
    const OnDevice access;
    watch_released(old_end, static_cast<std::size_t>(h.end - old_end));
  }
  h.blocks[p] = Block{p, bytes, ++h.made};
  h.live += bytes;
  h.peak = std::max(h.peak, h.live);
  return p;
}

void device_open(void* p) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto found = h.blocks.find(static_cast<char*>(p));
  if (found == h.blocks.end() || found->second.closed) return;
  const OnDevice access;
  watch_allocated(p, found->second.bytes);
}

void device_freed(void* p) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto found = h.blocks.find(static_cast<char*>(p));
  if (found == h.blocks.end() || found->second.freed) return;
  found->second.freed = true;
  h.live -= found->second.bytes;
}

void device_close(void* p) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto found = h.blocks.find(static_cast<char*>(p));
  if (found == h.blocks.end()) return;
  found->second.closed = true;
  {
    const OnDevice access;
    watch_released(p, found->second.bytes);
  }
  h.waiting.push_back(static_cast<char*>(p));
  h.waiting_bytes += rounded(found->second.bytes);
  while (h.waiting_bytes > most_waiting && h.waiting.size() > 1) {
    char* oldest = h.waiting.front();
    h.waiting.pop_front();
    const auto block = h.blocks.find(oldest);
    const std::size_t room = rounded(block->second.bytes);
    h.waiting_bytes -= room;
    h.reusable[room].push_back(oldest);
    if (room >= std::size_t{1} << 20) give_back_pages(oldest, room);
    h.blocks.erase(block);
  }
}

const Block* device_block(const void* p) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  auto after = h.blocks.upper_bound(static_cast<const char*>(p));
  if (after == h.blocks.begin()) return after == h.blocks.end() ? nullptr : &after->second;
  return &std::prev(after)->second;
}

std::string describe_address(const void* p) {
  if (!is_device_address(p)) {
    char text[40];
    std::snprintf(text, sizeof text, "%p, not device memory", p);
    return text;
  }
  const Block* block = device_block(p);
  if (block == nullptr) return "device memory that was never allocated";
  const auto* at = static_cast<const char*>(p);
  // In a red zone the nearer of two neighbours is named.
  if (const Block* next = device_block(at + red_zone); next != nullptr && next->begin > at &&
                                                       at >= block->begin + block->bytes &&
                                                       next->begin - at < at - (block->begin + block->bytes)) {
    block = next;
  }
  const std::string name = "block " + std::to_string(block->number) + " of " + std::to_string(block->bytes) + " bytes";
  const std::string state = block->freed ? " (freed)" : "";
  if (at < block->begin) return std::to_string(block->begin - at) + " bytes before " + name + state;
  const auto offset = static_cast<std::size_t>(at - block->begin);
  if (offset >= block->bytes) return std::to_string(offset - block->bytes) + " bytes behind " + name + state;
  return "byte " + std::to_string(offset) + " of " + name + state;
}

bool is_device_address(const void* p) noexcept {
  const Heap& h = heap();
  const auto* at = static_cast<const char*>(p);
  return at >= h.begin && at < h.begin + arena_bytes;
}

std::size_t device_live_bytes() { return heap().live; }
std::size_t device_total_bytes() { return heap().total; }
std::size_t device_peak_bytes() { return heap().peak; }

OnDevice::OnDevice() {
  Heap& h = heap();
  h.mutex.lock();
  if (h.depth++ > 0) return;
  if (h.key >= 0) {
    ::pkey_set(h.key, 0);
  } else {
    protect(h, PROT_READ | PROT_WRITE);
  }
}

OnDevice::~OnDevice() {
  Heap& h = heap();
  if (--h.depth == 0) {
    if (h.key >= 0) {
      ::pkey_set(h.key, PKEY_DISABLE_ACCESS);
    } else {
      protect(h, PROT_NONE);
    }
  }
  h.mutex.unlock();
}

void* pinned_allocate(std::size_t bytes) {
  void* p = nullptr;
  if (::posix_memalign(&p, 256, std::max<std::size_t>(bytes, 1)) != 0) return nullptr;
  std::memset(p, 0xFF, bytes);
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  h.pinned[static_cast<char*>(p)] = bytes;
  return p;
}

bool pinned_free(void* p) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  if (h.pinned.erase(static_cast<char*>(p)) == 0) return false;
  std::free(p);
  return true;
}

bool is_pinned(const void* p, std::size_t bytes) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto* at = static_cast<const char*>(p);
  auto after = h.pinned.upper_bound(at);
  if (after == h.pinned.begin()) return false;
  const auto& [begin, size] = *std::prev(after);
  return at + bytes <= begin + size;
}

}  // namespace weft_harness
