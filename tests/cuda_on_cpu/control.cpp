#include "cuda_on_cpu/control.h"

#include "cuda_on_cpu/watch.h"

using namespace weft_harness;

Counters* weft_harness_counters() { return &counters(); }
void weft_harness_plant(Bug bug) { planted_bug = bug; }
void weft_harness_order(Order order, std::uint64_t seed) { settings() = {order, seed}; }
bool weft_harness_has_hooks() { return race_hooks; }
