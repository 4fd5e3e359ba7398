#include "cuda_on_cpu/device.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/watch.h"

// Threads of a kernel never run at the same time here, so a plain read and write is atomic; what is left of an atomic
// is that the race hooks know it for one. (Planted as a bug, it is seen as the two accesses it then is.)

namespace weft_harness {
namespace {

template <class T>
T read(T* p) {
  watch_atomic(p, sizeof(T));
  return *p;
}

template <class T>
T apply(Atomic op, T old, T value) {
  switch (op) {
    case Atomic::add:
      if constexpr (std::is_integral_v<T>) {
        return static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) + static_cast<std::make_unsigned_t<T>>(value));
      } else {
        return old + value;
      }
    case Atomic::exchange:
      return value;
    case Atomic::min:
      return value < old ? value : old;
    case Atomic::max:
      return old < value ? value : old;
    default:
      if constexpr (std::is_integral_v<T>) {
        return op == Atomic::bit_and ? old & value : op == Atomic::bit_or ? old | value : old ^ value;
      } else {
        return value;
      }
  }
}

template <class T>
T change(Atomic op, T* p, T value) {
  const T old = read(p);
  *p = apply(op, old, value);
  return old;
}

template <class T>
T swap_if(T* p, T compare, T value) {
  const T old = read(p);
  if (old == compare) *p = value;
  return old;
}

}  // namespace

int atomic(Atomic op, int* p, int value) { return change(op, p, value); }
unsigned atomic(Atomic op, unsigned* p, unsigned value) { return change(op, p, value); }
long long atomic(Atomic op, long long* p, long long value) { return change(op, p, value); }
unsigned long long atomic(Atomic op, unsigned long long* p, unsigned long long value) { return change(op, p, value); }
float atomic(Atomic op, float* p, float value) { return change(op, p, value); }
double atomic(Atomic op, double* p, double value) { return change(op, p, value); }
int compare_and_swap(int* p, int compare, int value) { return swap_if(p, compare, value); }
unsigned compare_and_swap(unsigned* p, unsigned compare, unsigned value) { return swap_if(p, compare, value); }
unsigned long long compare_and_swap(unsigned long long* p, unsigned long long compare, unsigned long long value) {
  return swap_if(p, compare, value);
}

void fence() { watch_fence(); }

}  // namespace weft_harness
