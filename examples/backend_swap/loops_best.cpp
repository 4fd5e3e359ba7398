#include "build_info.h"
#define LOOPS best
#define LOOPS_FLAGS build::loops_best_flags
#if defined(__AVX2__)
#define LOOPS_LANES 8
#else
#define LOOPS_LANES 4
#endif
#include "loops.h"

#include "loops.inc"
