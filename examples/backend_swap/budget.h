#pragma once
// How long things may take. What a cell would take is estimated from the cell before it, never guessed; a cell that
// would take too long says so instead of a number.

#include <string>

namespace lab {

struct Limits {
  double cell = 60;         ///< seconds one figure may take, warm-up and rounds together
  double experiment = 900;  ///< seconds of one experiment
  double measure = 1;       ///< seconds a figure of a fast call is measured for
};

Limits limits_for(bool quick);

class Budget {
 public:
  explicit Budget(Limits limits);

  /// Seconds to measure a call for that takes about `once` seconds (0: not known). Less where little is left.
  double share(double once) const;
  /// Empty when a call of about `once` seconds can be measured now: a warm-up and three rounds. Otherwise what the cell
  /// says instead: "not run (would take about 12 s)".
  std::string refuse(double once) const;
  /// The same for something that takes `seconds` in all.
  std::string refuse_run(double seconds) const;
  double left() const;  ///< seconds of the experiment
  const Limits& limits() const { return limits_; }

 private:
  Limits limits_;
  double begin_;
};

}  // namespace lab
