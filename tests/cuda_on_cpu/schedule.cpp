#include "cuda_on_cpu/schedule.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <sys/mman.h>

#include "cuda_on_cpu/device.h"
#include "cuda_on_cpu/fiber.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/watch.h"

namespace weft_harness {

Now now;
std::uint64_t block_serial = 0;

namespace {

enum class State : unsigned char { fresh, ready, at_barrier, at_warp, done };

struct Thread {
  uint3 index{};
  State state = State::fresh;
  Fiber* fiber = nullptr;
  Site site;
  // what it brings to the barrier or the collective, and what it takes away
  BarrierVote vote = BarrierVote::none;
  WarpCall call = WarpCall::sync;
  bool predicate = false;
  unsigned mask = 0;
  unsigned source = 0;
  std::uint64_t value = 0;
  std::uint64_t result = 0;
  std::uint16_t warp_moments = 0;
};

constexpr std::size_t shared_bytes = 256 * 1024;
constexpr std::size_t red_zone = 256;

/// The block that runs. One at a time: whoever runs device work holds the device's lock.
struct Running {
  const Kernel* kernel = nullptr;
  const ThreadBody* body = nullptr;
  std::vector<Thread> threads;
  std::vector<unsigned> order;
  unsigned position = 0;  // in `order`, of this round
  unsigned live = 0;
  Thread* current = nullptr;
  bool given_up = false;
  std::uint16_t barriers = 0;
  std::uint32_t launches = 0;
  std::uint32_t block = 0;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;
  char* shared = nullptr;
  std::size_t shared_used = 0, shared_static = 0;
};
Running running;

char* shared_memory() {
  if (running.shared == nullptr) {
    void* p = ::mmap(nullptr, shared_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) std::abort();
    running.shared = static_cast<char*>(p);
    watch_shared(running.shared, shared_bytes);
    watch_released(running.shared, shared_bytes);
  }
  return running.shared;
}

void make_current(Thread* thread) {
  running.current = thread;
  if (thread == nullptr) return;
  now.thread = thread->index;
  now.lane = static_cast<unsigned>(thread - running.threads.data()) % 32;
}

Thread* next_to_run() {
  while (running.position < running.order.size()) {
    Thread& thread = running.threads[running.order[running.position]];
    if (thread.state == State::fresh || thread.state == State::ready) return &thread;
    ++running.position;
  }
  return nullptr;
}

/// What a fiber does: runs threads from their beginning to their end. A thread that waits keeps its fiber; one that has
/// not begun yet is begun on the stack of the one that has just ended, without a switch.
void fiber_main() {
  for (;;) {
    running.body->run(running.body->call.get());
    Thread* ended = running.current;
    ended->state = State::done;
    --running.live;
    Fiber* mine = ended->fiber;
    ended->fiber = nullptr;
    Thread* next = next_to_run();
    if (next != nullptr && next->state == State::fresh) {
      ++running.position;
      next->fiber = mine;
      make_current(next);
      continue;
    }
    running.idle.push_back(mine);
    Fiber::leave();
  }
}

void resume(Thread& thread) {
  if (thread.state == State::fresh) {
    if (running.idle.empty()) {
      running.fibers.push_back(std::make_unique<Fiber>(&fiber_main));
      running.idle.push_back(running.fibers.back().get());
    }
    thread.fiber = running.idle.back();
    running.idle.pop_back();
  }
  thread.state = State::ready;
  make_current(&thread);
  thread.fiber->enter();
  make_current(nullptr);
}

std::string place(const Site& site) {
  const char* slash = std::strrchr(site.file, '/');
  return std::string(slash == nullptr ? site.file : slash + 1) + ":" + std::to_string(site.line);
}

std::string describe(const Thread& thread) {
  return "thread " + triple(thread.index.x, thread.index.y, thread.index.z);
}

// ---- releasing those that wait

unsigned bits_of_warp(unsigned first) {
  const unsigned n = static_cast<unsigned>(running.threads.size());
  return n - first >= 32 ? 0xFFFFFFFFu : (1u << (n - first)) - 1;
}

bool waits_for_same(const Thread& a, const Thread& b) {
  return b.state == State::at_warp && a.mask == b.mask && a.site == b.site && a.call == b.call;
}

/// All lanes of the mask have arrived: each takes its result.
void deliver(unsigned first, unsigned mask) {
  Thread* lanes = &running.threads[first];
  const unsigned whole = bits_of_warp(first);
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    Thread& thread = lanes[lane];
    thread.result = 0;
    switch (thread.call) {
      case WarpCall::sync:
        break;
      case WarpCall::shuffle:
        if (thread.source > 31 || (mask >> thread.source & 1) == 0) {
          make_current(&thread);
          report("shuffle from lane " + std::to_string(thread.source) + ", which is not in the mask, at " +
                 place(thread.site) + ": its value is undefined");
          thread.result = 0xFFFFFFFFFFFFFFFFu;
        } else {
          thread.result = lanes[thread.source].value;
        }
        break;
      case WarpCall::ballot:
      case WarpCall::match:
        for (unsigned other = 0; other < 32; ++other) {
          if ((mask >> other & 1) == 0) continue;
          const bool bit =
              thread.call == WarpCall::ballot ? lanes[other].value != 0 : lanes[other].value == thread.value;
          if (bit) thread.result |= std::uint64_t{1} << other;
        }
        break;
    }
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    // Only __syncwarp orders memory; a shuffle does not.
    if ((mask & whole) == whole && lanes[lane].call == WarpCall::sync) ++lanes[lane].warp_moments;
    lanes[lane].state = State::ready;
  }
}

bool release_warps() {
  bool released = false;
  const auto n = static_cast<unsigned>(running.threads.size());
  for (unsigned first = 0; first < n; first += 32) {
    const unsigned lanes = n - first < 32 ? n - first : 32;
    for (unsigned lane = 0; lane < lanes; ++lane) {
      const Thread& thread = running.threads[first + lane];
      if (thread.state != State::at_warp) continue;
      const unsigned mask = thread.mask & bits_of_warp(first);
      bool all = true;
      for (unsigned other = 0; other < lanes && all; ++other) {
        if ((mask >> other & 1) != 0) all = waits_for_same(thread, running.threads[first + other]);
      }
      if (!all) continue;
      deliver(first, mask);
      released = true;
    }
  }
  return released;
}

bool release_barrier() {
  unsigned waiting = 0, votes = 0;
  const Thread* one = nullptr;
  const Thread* elsewhere = nullptr;
  for (const Thread& thread : running.threads) {
    if (thread.state != State::at_barrier) continue;
    ++waiting;
    if (one == nullptr) one = &thread;
    if (!(thread.site == one->site)) elsewhere = &thread;
    votes += thread.predicate ? 1u : 0u;
  }
  if (waiting == 0 || waiting != running.live) return false;
  if (elsewhere != nullptr) {
    report("divergent barrier: " + describe(*one) + " waits at " + place(one->site) + ", " + describe(*elsewhere) +
           " at " + place(elsewhere->site));
    running.given_up = true;
    return false;
  }
  if (waiting != running.threads.size()) {
    const Thread* gone = nullptr;
    for (const Thread& thread : running.threads) gone = thread.state == State::done && gone == nullptr ? &thread : gone;
    report("early exit: " + std::to_string(running.threads.size() - waiting) + " of " +
           std::to_string(running.threads.size()) + " threads (" + describe(*gone) +
           " is one) have returned while the others wait at the barrier at " + place(one->site));
    running.given_up = true;
    return false;
  }
  for (Thread& thread : running.threads) {
    switch (thread.vote) {
      case BarrierVote::none:
        thread.result = 0;
        break;
      case BarrierVote::count:
        thread.result = votes;
        break;
      case BarrierVote::all:
        thread.result = votes == waiting ? 1 : 0;
        break;
      case BarrierVote::any:
        thread.result = votes > 0 ? 1 : 0;
        break;
    }
    thread.state = State::ready;
  }
  ++running.barriers;
  return true;
}

/// Nobody can go on. Says who waits for whom.
void report_deadlock() {
  const Thread* at_barrier = nullptr;
  const Thread* at_warp = nullptr;
  for (const Thread& thread : running.threads) {
    if (thread.state == State::at_barrier && at_barrier == nullptr) at_barrier = &thread;
    if (thread.state == State::at_warp && at_warp == nullptr) at_warp = &thread;
  }
  if (at_warp != nullptr) {
    const auto linear = static_cast<unsigned>(at_warp - running.threads.data());
    const unsigned first = linear / 32 * 32;
    std::string missing;
    for (unsigned lane = 0; lane < 32 && first + lane < running.threads.size(); ++lane) {
      const Thread& other = running.threads[first + lane];
      if ((at_warp->mask >> lane & 1) == 0 || waits_for_same(*at_warp, other)) continue;
      missing = describe(other) + (other.state == State::done         ? " has returned"
                                   : other.state == State::at_barrier ? " waits at the barrier at " + place(other.site)
                                                                      : " waits at " + place(other.site));
      break;
    }
    report("divergent warp: " + describe(*at_warp) + " waits at " + place(at_warp->site) +
           " for the lanes of its mask, but " + missing);
  } else if (at_barrier != nullptr) {
    report("divergent barrier: " + describe(*at_barrier) + " waits at " + place(at_barrier->site) +
           " and not all threads of the block come there");
  }
  running.given_up = true;
}

void run_block(Random& random) {
  const dim3 size = running.kernel->block;
  const unsigned n = size.x * size.y * size.z;
  ++block_serial;
  char* shared = shared_memory();
  if (running.shared_used > 0) watch_released(shared, running.shared_used);
  const std::size_t dynamic = running.kernel->shared_bytes;
  running.shared_used = red_zone + (dynamic + 255) / 256 * 256 + red_zone;
  running.shared_static = 0;
  now.dynamic_shared = reinterpret_cast<unsigned char*>(shared + red_zone);
  if (dynamic > 0) watch_allocated(shared + red_zone, dynamic);
  running.threads.assign(n, Thread{});
  for (unsigned i = 0; i < n; ++i) {
    running.threads[i].index = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
  }
  running.live = n;
  running.barriers = 0;
  bool progress = true;
  while (running.live > 0 && !running.given_up) {
    if (settings().order == Order::random || running.order.size() != n || progress)
      fill_order(running.order, n, random);
    running.position = 0;
    while (Thread* thread = next_to_run()) {
      ++running.position;
      resume(*thread);
      if (running.given_up) break;
    }
    if (running.live == 0 || running.given_up) break;
    progress = release_warps();
    progress = release_barrier() || progress;
    if (!progress && !running.given_up) report_deadlock();
  }
  if (!running.given_up) return;
  // What waits on those stacks is forgotten.
  running.idle.clear();
  for (const auto& fiber : running.fibers) {
    fiber->reset(&fiber_main);
    running.idle.push_back(fiber.get());
  }
}

}  // namespace

void run_kernel(const Kernel& kernel, const ThreadBody& body) {
  static Random& random = *new Random(settings().seed);
  running.kernel = &kernel;
  running.body = &body;
  running.given_up = false;
  ++running.launches;
  static const bool log = std::getenv("WEFT_HARNESS_LOG") != nullptr;
  if (log) std::fprintf(stderr, "kernel %s\n", function_name(kernel.code).c_str());
  watch_kernel();
  now.block_dim = kernel.block;
  now.grid_dim = kernel.grid;
  const std::uint64_t blocks = std::uint64_t{kernel.grid.x} * kernel.grid.y * kernel.grid.z;
  std::vector<unsigned> order;
  if (blocks <= (1u << 20)) fill_order(order, static_cast<unsigned>(blocks), random);
  for (std::uint64_t i = 0; i < blocks && !running.given_up; ++i) {
    const std::uint64_t linear = order.empty() ? i : order[i];
    now.block = {static_cast<unsigned>(linear % kernel.grid.x),
                 static_cast<unsigned>(linear / kernel.grid.x % kernel.grid.y),
                 static_cast<unsigned>(linear / kernel.grid.x / kernel.grid.y)};
    running.block = static_cast<std::uint32_t>(linear);
    run_block(random);
  }
  make_current(nullptr);
  running.kernel = nullptr;
}

std::string running_kernel() {
  if (running.kernel == nullptr) return {};
  std::string text = function_name(running.kernel->code) + ", block " + triple(now.block.x, now.block.y, now.block.z);
  if (running.current != nullptr) text += ", " + describe(*running.current);
  return text;
}

bool in_kernel() noexcept { return running.current != nullptr; }

Moment moment() noexcept {
  return {running.launches, running.block, static_cast<std::uint16_t>(running.current - running.threads.data()),
          running.barriers, running.current->warp_moments};
}

bool is_parameter(const void* p, std::size_t bytes) noexcept {
  if (running.body == nullptr) return false;
  const auto* begin = static_cast<const char*>(running.body->call.get());
  const auto* at = static_cast<const char*>(p);
  return at >= begin && at + bytes <= begin + running.body->call_bytes;
}

std::string describe_thread(unsigned linear) {
  return linear < running.threads.size() ? describe(running.threads[linear]) : "a thread";
}

int block_barrier(Site site, BarrierVote vote, bool predicate) {
  if (planted(Bug::skip_barrier)) return 0;
  Thread& me = *running.current;
  me.site = site;
  me.vote = vote;
  me.predicate = predicate;
  me.state = State::at_barrier;
  Fiber::leave();
  return static_cast<int>(me.result);
}

std::uint64_t warp_collective(Site site, WarpCall call, unsigned mask, std::uint64_t value, unsigned source_lane) {
  Thread& me = *running.current;
  const auto linear = static_cast<unsigned>(&me - running.threads.data());
  if (planted(Bug::half_warp_mask) && call == WarpCall::shuffle) mask &= 0xFFFFu;
  if (planted(Bug::skip_syncwarp) && call == WarpCall::sync) return 0;
  if ((mask >> (linear % 32) & 1) == 0) {
    report("warp: " + describe(me) + " is not in its own mask at " + place(site));
    return value;
  }
  me.site = site;
  me.call = call;
  me.mask = mask;
  me.value = value;
  me.source = source_lane;
  me.state = State::at_warp;
  Fiber::leave();
  return me.result;
}

void* shared_variable(std::size_t bytes, std::size_t alignment, const char* name) {
  const std::size_t start = (running.shared_used + alignment - 1) / alignment * alignment;
  running.shared_static += bytes;
  if (running.shared_static > most_static_shared) {
    report("shared memory: " + std::to_string(running.shared_static) + " static bytes with '" + name +
           "', more than 48 KiB a block");
  }
  if (start + bytes + red_zone > shared_bytes) {
    report("shared memory: no room for '" + std::string(name) + "'");
    std::abort();
  }
  char* p = running.shared + start;
  running.shared_used = start + (bytes + 255) / 256 * 256 + red_zone;
  watch_allocated(p, bytes);
  return p;
}

[[noreturn]] void trap(Site site) {
  report("trap at " + place(site));
  running.given_up = true;
  Fiber::leave();
  std::abort();
}

}  // namespace weft_harness
