#pragma once
// results.json: written, read back, and checked as if an enemy had written it.

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "machine.h"
#include "section.h"

namespace lab {

inline constexpr int schema_version = 1;

/// A run as it is kept in a file.
struct Results {
  std::string date;  ///< of the newest section
  Machine machine;
  bool quick = false;
  std::vector<Section> sections;
};

/// What is wrong with a file: names the file, the field, and what was expected.
struct BadResults : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string to_json(const Results& results);
/// Throws BadResults. `name` is the file's, for messages.
Results from_json(const std::string& text, const std::string& name);
/// Throws BadResults, also for a file that cannot be read or is larger than 64 MiB.
Results read_results(const std::string& path);

}  // namespace lab
