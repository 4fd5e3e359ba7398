#pragma once
// weft chooses its instruction set once per process: each one is measured by a process of its own.

#include <string>

namespace lab {

/// The word on the command line that makes this program such a process.
inline constexpr const char* isa_probe_word = "--isa-probe";

/// In that process: prints the instruction set and the seconds of 512^3 products on one thread. Returns the exit
/// status.
int isa_probe();

/// Starts one with WEFT_CPU_ISA = `isa`; what it printed, empty where it failed (an instruction set that is not here).
std::string run_isa_probe(const std::string& isa);

}  // namespace lab
