#pragma once
// Shows how training goes: one line that renews itself on a terminal, plain lines elsewhere.

#include <chrono>
#include <cstdint>
#include <string>

class Progress {
 public:
  Progress(int epochs, std::int64_t steps_per_epoch);

  /// Whether it is time to show figures: reading them from the device costs a wait, so not at every step.
  bool due() const;
  /// `step` of the epoch is done. `loss` and `accuracy` are means over the epoch so far.
  void show(int epoch, std::int64_t step, double loss, double accuracy, double samples_per_second, double seconds_left);
  /// A finished epoch: a line that stays.
  void finish_epoch(int epoch, double loss, double test_accuracy, double seconds, double samples_per_second);
  /// A message between two lines.
  void note(const std::string& text);

 private:
  void clear();

  int epochs_;
  std::int64_t steps_;
  bool terminal_;
  bool dirty_ = false;  // an unfinished line is on the screen
  std::chrono::steady_clock::time_point shown_;
};
