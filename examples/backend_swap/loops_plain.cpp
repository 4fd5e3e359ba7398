#define LOOPS plain
#define LOOPS_FLAGS "-O2 -fno-tree-vectorize -fno-tree-slp-vectorize -ffp-contract=off"
#include "loops.h"

#include "loops.inc"

namespace lab {

namespace best {
const Loops& table();
}

const Loops& plain_loops() { return plain::table(); }

const Loops* best_loops() {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return nullptr;
#endif
  return &best::table();
}

}  // namespace lab
