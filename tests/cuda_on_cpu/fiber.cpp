#include "cuda_on_cpu/fiber.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// swapcontext would make a system call at every switch. Registers that a function must preserve are pushed, the stack
// pointer is exchanged. (The floating-point control words are the same for every thread of a kernel.)
extern "C" void weft_harness_switch(void** save, void* to);
asm(R"(
.text
.hidden weft_harness_switch
.globl weft_harness_switch
.type weft_harness_switch,@function
weft_harness_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size weft_harness_switch,.-weft_harness_switch
)");

namespace weft_harness {
namespace {

constexpr std::size_t stack_bytes = 256 * 1024;
constexpr std::size_t guard_bytes = 4096;
constexpr std::size_t most_stacks = 1024;  // threads of a block

char* stacks = nullptr;
std::size_t stacks_taken = 0;

void* scheduler_stack_pointer = nullptr;
Fiber* inside = nullptr;
#if defined(__SANITIZE_ADDRESS__)
void* scheduler_fake_stack = nullptr;
const void* scheduler_bottom = nullptr;
std::size_t scheduler_bytes = 0;
#endif

char* take_stack() {
  if (stacks == nullptr) {
    void* p = ::mmap(nullptr, most_stacks * stack_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || stacks_taken == most_stacks) {
      std::fprintf(stderr, "cuda-on-cpu: no memory for the stacks of a block\n");
      std::abort();
    }
    stacks = static_cast<char*>(p);
  }
  char* stack = stacks + stacks_taken++ * stack_bytes;
  if (::mprotect(stack + guard_bytes, stack_bytes - guard_bytes, PROT_READ | PROT_WRITE) != 0) std::abort();
  return stack;
}

void (*first_function)() = nullptr;

#if defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize("address")))
#endif
void begin() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_bytes);
#endif
  first_function();
  std::abort();  // it has to switch away
}

}  // namespace

Fiber::Fiber(void (*main)()) : stack_(take_stack()) { reset(main); }

void Fiber::reset(void (*main)()) {
  first_function = main;
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack_ + guard_bytes, stack_bytes - guard_bytes);
#endif
  auto* top = reinterpret_cast<void**>(stack_ + stack_bytes);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&begin);
  for (int i = 0; i < 6; ++i) *--top = nullptr;  // the registers the switch pops
  stack_pointer_ = top;
  fake_stack_ = nullptr;
}

void Fiber::enter() {
  inside = this;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&scheduler_fake_stack, stack_ + guard_bytes, stack_bytes - guard_bytes);
#endif
  weft_harness_switch(&scheduler_stack_pointer, stack_pointer_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
  inside = nullptr;
}

void Fiber::leave() {
  Fiber* me = inside;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&me->fake_stack_, scheduler_bottom, scheduler_bytes);
#endif
  weft_harness_switch(&me->stack_pointer_, scheduler_stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(me->fake_stack_, &scheduler_bottom, &scheduler_bytes);
#endif
}

bool on_fiber_stack(const void* p) noexcept {
  const char* at = static_cast<const char*>(p);
  return stacks != nullptr && at >= stacks && at < stacks + most_stacks * stack_bytes;
}

}  // namespace weft_harness
