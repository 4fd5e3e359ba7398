#define WEFT_HASHES hashes_debug
#include "core/philox_hashes.inc"
