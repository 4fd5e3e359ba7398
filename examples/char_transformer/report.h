#pragma once
// Figures of a run, for programs.

#include <cstdint>
#include <string>
#include <vector>

#include "options.h"

struct Report {
  std::string backend, text, sample;
  std::int64_t characters = 0, vocabulary = 0, parameters = 0;
  struct Line {
    std::int64_t step = 0;
    double loss = 0;  ///< mean over the steps since the line before
  };
  std::vector<Line> lines;
  double validation_loss = 0;
  double seconds = 0;  ///< of training
  double tokens_per_second = 0;
};

/// Throws weft::IoError.
void write_json(const std::string& path, const Report& report, const Options& options);
