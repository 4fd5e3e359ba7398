#pragma once
// What backend_swap is told on the command line.

#include <cstdint>
#include <string>
#include <vector>

struct Options {
  std::vector<std::string> experiments;  ///< known names, in the order of the list; empty for `report` and `list`
  bool list = false;
  bool report = false;
  std::string results;  ///< of `report`: the file; empty: results.json in `out`
  bool quick = false;
  std::vector<std::string> backends = {"serial", "cpu", "cuda"};
  std::string out = "out/backend_swap";
  std::vector<std::string> overlays;
  std::string data;
  std::int64_t limit = 0;
  std::vector<std::int64_t> sizes;
  int threads = 0;
};

/// Reads the command line. Returns the exit status when there is nothing to do (--help, a mistake), -1 to go on.
int parse_options(int argc, char** argv, Options& options);
