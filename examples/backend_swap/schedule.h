#pragma once
// Which worker does which task, when: on paper, and as it ran.

#include <vector>

namespace lab {

enum class Policy { halves, queue, longest_first };
const char* name(Policy policy);

struct Assigned {
  int worker = 0;
  int task = 0;  ///< index into the tasks
  double begin = 0, end = 0;
};

struct Plan {
  std::vector<Assigned> tasks;
  double end = 0;  ///< when the last worker is done
};

/// On paper: tasks of these lengths, workers that take what they take without delay. halves: each worker gets one
/// contiguous run of equally many tasks; queue: whoever is free takes the next; longest_first: the same, sorted.
Plan plan(const std::vector<double>& tasks, int workers, Policy policy);

/// Really: every task is arithmetic of its length times `unit` steps, on weft's pool of `workers` threads.
Plan run_plan(const std::vector<double>& tasks, int workers, Policy policy, double unit);

/// Multiply-add steps of one core that take about `seconds`.
double steps_for(double seconds);

}  // namespace lab
