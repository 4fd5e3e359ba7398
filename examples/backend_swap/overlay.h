#pragma once
// A run recorded on another machine, shown beside this one's.

#include "json.h"

namespace lab {

/// "NVIDIA H200, 2026-11-25": what stands beside every figure that is not of this machine.
std::string label_of(const Results& run);

/// Adds the measured rows of the other run's tables to the tables of the same title and columns, and its series, bars
/// and lanes to the charts of the same id, each labelled. Tables, charts and sections that only the other run has are
/// added whole, labelled.
void lay_over(Results& run, const Results& other);

}  // namespace lab
