#define WEFT_HASHES hashes_fast
#include "core/philox_hashes.inc"
