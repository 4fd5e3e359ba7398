#pragma once
// Stacks to run the threads of a block on, and the switch between them.

#include <cstddef>

namespace weft_harness {

/// A stack with a function that never returns: it switches away for good instead.
class Fiber {
 public:
  /// Takes the next stack; `main` runs at the first switch to it.
  explicit Fiber(void (*main)());
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Starts anew at `main`: what was on the stack is forgotten.
  void reset(void (*main)());
  /// From the scheduler to the fiber, until it calls leave().
  void enter();
  /// From the fiber that runs back to the scheduler.
  static void leave();

 private:
  void* stack_pointer_ = nullptr;
  char* stack_ = nullptr;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
};

/// Whether an address lies on a fiber's stack: then it is a kernel's local variable.
bool on_fiber_stack(const void* p) noexcept;

}  // namespace weft_harness
