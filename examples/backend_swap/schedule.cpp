#include "schedule.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>

#include <weft/weft.h>

#include "loops.h"
#include "measure.h"

namespace lab {
namespace {

std::vector<int> order_of(const std::vector<double>& tasks, Policy policy) {
  std::vector<int> order(tasks.size());
  std::iota(order.begin(), order.end(), 0);
  if (policy == Policy::longest_first) {
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return tasks[static_cast<std::size_t>(a)] > tasks[static_cast<std::size_t>(b)];
    });
  }
  return order;
}

void work(double steps) {
  volatile float keep = plain_loops().chains(8, static_cast<std::int64_t>(steps), 1e-3f);
  (void)keep;
}

}  // namespace

const char* name(Policy policy) {
  const char* names[] = {"halves", "queue", "longest first"};
  return names[static_cast<int>(policy)];
}

Plan plan(const std::vector<double>& tasks, int workers, Policy policy) {
  Plan p;
  std::vector<double> free(static_cast<std::size_t>(workers), 0.0);
  const auto each = (static_cast<int>(tasks.size()) + workers - 1) / workers;
  int position = 0;
  for (const int task : order_of(tasks, policy)) {
    const auto first_free = std::min_element(free.begin(), free.end()) - free.begin();
    const int worker = policy == Policy::halves ? position / each : static_cast<int>(first_free);
    double& at = free[static_cast<std::size_t>(worker)];
    p.tasks.push_back({worker, task, at, at + tasks[static_cast<std::size_t>(task)]});
    at = p.tasks.back().end;
    ++position;
  }
  p.end = *std::max_element(free.begin(), free.end());
  return p;
}

Plan run_plan(const std::vector<double>& tasks, int workers, Policy policy, double unit) {
  const std::vector<int> order = order_of(tasks, policy);
  Plan p;
  p.tasks.resize(tasks.size());
  std::atomic<int> seen{0};
  const Threads threads(workers);
  // Every thread awake before the first task: what is looked at is who takes which task, not how long a thread sleeps.
  weft::parallel_for(std::int64_t{8} * workers, 1, [](std::int64_t, std::int64_t) { work(20'000); });
  const double start = now();
  weft::parallel_for(
      static_cast<std::int64_t>(tasks.size()), 1,
      [&](std::int64_t from, std::int64_t to) {
        thread_local int worker = -1;
        thread_local double of = 0;
        if (worker < 0 || of != start) {  // the first task of this thread in this run
          worker = seen.fetch_add(1);
          of = start;
        }
        for (std::int64_t i = from; i < to; ++i) {
          Assigned& a = p.tasks[static_cast<std::size_t>(i)];
          a.worker = worker;
          a.task = order[static_cast<std::size_t>(i)];
          a.begin = now() - start;
          work(tasks[static_cast<std::size_t>(a.task)] * unit);
          a.end = now() - start;
        }
      },
      policy == Policy::halves ? weft::Schedule::static_split : weft::Schedule::dynamic_queue);
  p.end = now() - start;
  return p;
}

double steps_for(double seconds) {
  double steps = 1000;
  for (;;) {
    double fastest = 1e30;
    for (int i = 0; i < 3; ++i) {
      const double begin = now();
      work(steps);
      fastest = std::min(fastest, now() - begin);
    }
    if (fastest >= 1e-3) return steps * seconds / fastest;
    steps *= 4;
  }
}

}  // namespace lab
