#pragma once
// On what a run was made: part of every results.json, and the label of its figures in another run's report.

#include <string>
#include <utility>
#include <vector>

namespace lab {

struct Machine {
  std::string device;  ///< for labels: the GPU's name where there is one, the processor's otherwise
  /// In order, for people: processor, cores, memory, gpu (or why there is none), version, commit, compiler, flags, ...
  std::vector<std::pair<std::string, std::string>> facts;
};

Machine this_machine();

/// "2026-11-25T18:01:02Z"
std::string date_now();

/// The flags of serial, named beside its figures.
const char* serial_flags();

}  // namespace lab
