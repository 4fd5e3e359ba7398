#pragma once
// The folder that a run is written to.

#include <string>
#include <vector>

#include "json.h"

namespace lab {

/// Makes the folder and finds out whether it can be written, before anything is measured. Throws weft::IoError.
void prepare_folder(const std::string& folder);

/// What an earlier run left in the folder, or an empty run. Throws BadResults when it is of another machine or broken:
/// nothing is overwritten that could not be made again here.
Results earlier_results(const std::string& folder, const Machine& machine);

/// Puts the section in its place, replacing an earlier one of the same experiment.
void keep(Results& results, Section section);

/// results.json, through a file beside it, so that an interrupted run leaves the old or the new one.
void write_results(const std::string& folder, const Results& results);

/// report.html and an SVG for each chart. Returns the names of the files.
std::vector<std::string> write_report(const std::string& folder, Results results, const std::vector<Results>& overlays);

}  // namespace lab
