#define WEFT_HASHES hashes_off
#include "core/philox_hashes.inc"
