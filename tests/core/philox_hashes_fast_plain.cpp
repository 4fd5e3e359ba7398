#define WEFT_HASHES hashes_fast_plain
#include "core/philox_hashes.inc"
