#pragma once
// What a test program that has loaded the plug-in may ask of the harness inside it: found by dlsym.

#include <cstdint>

#include "cuda_on_cpu/counters.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"

#define WEFT_HARNESS_EXPORT extern "C" __attribute__((visibility("default")))

/// Valid while the plug-in is.
WEFT_HARNESS_EXPORT weft_harness::Counters* weft_harness_counters();
WEFT_HARNESS_EXPORT void weft_harness_plant(weft_harness::Bug bug);
WEFT_HARNESS_EXPORT void weft_harness_order(weft_harness::Order order, std::uint64_t seed);
/// Whether the race hooks are built in.
WEFT_HARNESS_EXPORT bool weft_harness_has_hooks();
