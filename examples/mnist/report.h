#pragma once
// The figures of a run, and the JSON file they are written to.

#include <cstdint>
#include <string>
#include <vector>

#include "options.h"

struct EpochFigures {
  double train_loss = 0;     ///< mean over the epoch's examples
  double test_accuracy = 0;  ///< 0 .. 1, after the epoch
  double seconds = 0;        ///< training, loading included, evaluation not
  double samples_per_second = 0;
};

struct Report {
  std::string backend;
  std::string device_name;
  std::string dataset;
  int threads = 0;
  std::int64_t parameters = 0;
  std::vector<EpochFigures> epochs;

  double test_accuracy() const;       ///< of the last epoch, never of the best
  double samples_per_second() const;  ///< median over the epochs
};

/// The most memory this process has held, in bytes.
std::int64_t peak_memory_bytes();

/// Throws weft::IoError.
void write_json(const std::string& path, const Report& report, const Options& options);
