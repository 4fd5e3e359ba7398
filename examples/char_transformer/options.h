#pragma once
// What char_transformer is told on the command line.

#include <cstdint>
#include <string>

struct Options {
  std::string text;  ///< a file, "synthetic", or empty: weft's own documentation
  std::string backend = "auto";
  std::int64_t steps = 500;
  std::int64_t layers = 2;
  std::int64_t heads = 4;
  std::int64_t width = 64;
  std::int64_t context = 64;  ///< characters the network sees at once
  std::int64_t batch = 16;    ///< sequences per step
  double lr = 3e-3;
  double dropout = 0;
  std::uint64_t seed = 1;
  std::int64_t log_every = 50;  ///< steps
  std::int64_t sample = 300;    ///< characters written at the end
  std::string prompt = "\n";
  double temperature = 0.8;
  int threads = 0;  ///< 0: every core, or WEFT_NUM_THREADS
  std::string json;
};

/// Reads the command line. Returns the exit status when there is nothing to do (--help, a mistake), -1 to go on.
int parse_options(int argc, char** argv, Options& options);
