#pragma once
// Fixed hashes of 2^20 draws of each kind, computed by philox_hashes.inc under one set of compiler flags. The numbers
// for bits and uniforms were also computed by a program in another language that shares no code with weft.

#include <cstdint>

namespace weft::testing {

struct PhiloxHashes {
  std::uint64_t bits, uniform_f32, uniform_f64, normal_f32, normal_f64;
  friend bool operator==(const PhiloxHashes&, const PhiloxHashes&) = default;
};

inline constexpr PhiloxHashes expected_hashes = {0x09cd1719ce78a988, 0x386afd2b602b82e1, 0xd20ff18a08238531,
                                                 0x8958d6d96316689c, 0xbd685a913a7d3efd};

PhiloxHashes hashes_debug();       // -O0 -ffp-contract=off
PhiloxHashes hashes_off();         // -O2 -ffp-contract=off
PhiloxHashes hashes_fast();        // -O3 -ffp-contract=fast, with hardware FMA and vectors where the compiler has them
PhiloxHashes hashes_fast_plain();  // -O2 -ffp-contract=fast, the processor's baseline

/// Whether this processor has what hashes_fast() was compiled for.
bool can_run_hashes_fast();

}  // namespace weft::testing
