#pragma once
// A third party's backend: the pure functions only, written from backend.h alone, with the simplest code that is right.
// What it shows: the pure set is a complete backend, and a name registered at run time works everywhere.

#include <weft/backends/registry.h>

namespace weft::contract_test {

/// Registers "toy" once; the same device every time.
Device register_toy();

/// How many of its blocks were freed with the bytes around them changed, or with another size than asked for.
int toy_broken_canaries();

/// Calls of the pure set so far: proves that work went through this backend.
long toy_calls();

}  // namespace weft::contract_test
