// cores: what more threads bring, what they cannot, and who should take which task.

#include <algorithm>
#include <cmath>
#include <memory>

#include <weft/weft.h>

#include "experiment.h"
#include "loops.h"
#include "measure.h"
#include "schedule.h"
#include "units.h"

namespace lab {
namespace {

constexpr int passes = 5;  // at different times: measure.h, across()

/// A job, cut into equal parts, and the share of it that only one thread may do.
struct Job {
  std::string name;
  std::function<void()> run;
};

Job compute_bound(double steps, double alone) {
  return {alone > 0 ? format("%.0f %% for one thread alone", 100 * alone) : "compute-bound", [=] {
            if (alone > 0) {
              volatile float keep = plain_loops().chains(8, static_cast<std::int64_t>(steps * alone), 1e-3f);
              (void)keep;
            }
            constexpr int parts = 64;
            const auto each = static_cast<std::int64_t>(steps * (1 - alone) / parts);
            std::vector<float> results(parts);
            weft::parallel_for(parts, 1, [&](std::int64_t from, std::int64_t to) {
              for (std::int64_t i = from; i < to; ++i) {
                results[static_cast<std::size_t>(i)] = plain_loops().chains(8, each, 1e-3f);
              }
            });
          }};
}

Job memory_bound(std::int64_t n) {
  weft::Generator generator(1);
  const weft::Tensor a = weft::rand({n}, weft::cpu(), generator), b = weft::rand({n}, weft::cpu(), generator);
  auto c = std::make_shared<weft::Tensor>(weft::zeros({n}));
  float* to = c->mutable_data<float>();
  const Loops& loops = best_loops() != nullptr ? *best_loops() : plain_loops();
  return {"memory-bound", [=, &loops] {
            static_cast<void>(c);
            const float *x = a.data<float>(), *y = b.data<float>();
            weft::parallel_for(n, 1 << 18, [&](std::int64_t begin, std::int64_t end) {
              loops.triad(to + begin, x + begin, y + begin, 0.5f, end - begin);
            });
          }};
}

/// The serial part s of 1 / S(p) = s + (1 - s) / p, by least squares over the points with 1 < p <= cores.
double amdahl(const std::vector<int>& threads, const std::vector<double>& speedups, int cores) {
  double above = 0, below = 0;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    if (threads[i] == 1 || threads[i] > cores) continue;
    const double share = 1.0 / threads[i];
    above += (1 / speedups[i] - share) * (1 - share);
    below += (1 - share) * (1 - share);
  }
  return below > 0 ? std::clamp(above / below, 0.0, 1.0) : 0;
}

void scaling(Context& context, Section& section) {
  const int cores = weft::hardware_threads();
  std::vector<int> threads;
  for (int t = 1; t < cores; t = t < 4 ? t + 1 : t * 2) threads.push_back(t);
  threads.push_back(cores);
  threads.push_back(2 * cores);  // more threads than cores: nothing more to gain
  const double steps = steps_for(context.quick ? 0.015 : 0.1);
  const std::vector<Job> jobs = {compute_bound(steps, 0), compute_bound(steps, 0.2),
                                 memory_bound(context.quick ? 1 << 24 : 1 << 25)};
  Table table;
  table.title = "Time and speed-up against the number of threads";
  table.columns = {{"threads", ""}};
  for (const Job& j : jobs) {
    table.columns.push_back({j.name, "s"});
    table.columns.push_back({"speed-up", "x"});
  }
  std::vector<std::vector<Cell>> speedups(jobs.size()), times(jobs.size());
  std::vector<std::vector<std::vector<Measured>>> seen(jobs.size(), std::vector<std::vector<Measured>>(threads.size()));
  const double kept = context.budget.left() / 4;
  for (int pass = 0; pass < passes && (pass == 0 || context.budget.left() > kept); ++pass) {
    for (std::size_t i = 0; i < threads.size(); ++i) {
      const Threads scope(threads[i]);
      for (std::size_t j = 0; j < jobs.size(); ++j) {
        const double share = std::min(context.budget.limits().measure, context.budget.left() / 6);
        seen[j][i].push_back(measure(jobs[j].run, share, 5));
      }
    }
  }
  for (std::size_t i = 0; i < threads.size(); ++i) {
    std::vector<Cell> row = {exact(threads[i])};
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      times[j].push_back(time_of(across(seen[j][i])));
      speedups[j].push_back(speedup_of(times[j].front(), times[j].back()));
      row.push_back(times[j].back());
      row.push_back(speedups[j].back());
    }
    table.add(std::move(row));
  }
  table.note = format("This machine has %d cores; the last row asks for twice as many threads.", cores);

  Chart chart;
  chart.id = "cores";
  chart.title = "Speed-up against threads: the serial part decides";
  chart.x = {"threads"};
  chart.y = {"speed-up over one thread", "x"};
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    Series s;
    s.name = jobs[j].name;
    for (std::size_t i = 0; i < threads.size(); ++i) {
      const Cell& c = speedups[j][i];
      s.points.push_back({static_cast<double>(threads[i]), *c.value, c.low, c.high});
    }
    chart.series.push_back(std::move(s));
  }
  Series ideal{"no serial part", {}, true, false, true};
  for (const int t : threads) ideal.points.push_back({static_cast<double>(t), static_cast<double>(std::min(t, cores))});
  chart.series.push_back(std::move(ideal));

  if (cores > 1) {
    Table fit;
    fit.title = "Amdahl's law fitted: the share of the job that does not spread over threads";
    fit.columns = {{"job", ""}, {"serial part", "%"}, {"speed-up it allows at most", "x"}};
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      std::vector<double> middle, low, high;
      for (const Cell& c : speedups[j]) {
        middle.push_back(*c.value);
        low.push_back(c.low);
        high.push_back(c.high);
      }
      Cell s = exact(100 * amdahl(threads, middle, cores));
      s.low = 100 * amdahl(threads, high, cores);
      s.high = 100 * amdahl(threads, low, cores);
      s.rounds = times[j].front().rounds;
      fit.add({text(jobs[j].name), s, *s.value > 0.5 ? exact(100 / *s.value) : text("no limit seen")});
    }
    fit.note =
        "1 / S(p) = s + (1 - s) / p (G. Amdahl, 1967). Of the second job 20 % are kept for one thread on purpose: the "
        "fit has to find them.";
    section.tables.push_back(std::move(table));
    section.tables.push_back(std::move(fit));
  } else {
    section.tables.push_back(std::move(table));
    section.notes.emplace_back("One core: there is nothing to fit.");
  }
  section.charts.push_back(std::move(chart));
}

/// Lengths with a heavy tail (Pareto, 1 / u), short ones first, as files come sorted by size.
std::vector<double> heavy_tailed() {
  std::vector<double> tasks;
  for (int i = 0; i < 48; ++i) tasks.push_back(1 / (1 - (i + 0.5) / 48));
  return tasks;
}

constexpr Policy policies[] = {Policy::halves, Policy::queue, Policy::longest_first};

/// Tasks for two workers, and what each policy took with them.
struct Set {
  const char* what;
  std::vector<double> tasks;
  std::vector<double> rounds[3] = {};
};

void run_schedules(const Context& context, std::vector<Set>& sets) {
  for (Set& set : sets) {
    double total = 0;
    for (const double t : set.tasks) total += t;
    const double unit = steps_for((context.quick ? 0.08 : 0.6) / total);
    for (int round = 0; round < (context.quick ? 4 : 6); ++round) {  // by turns: what else runs here hits all alike
      for (int i = 0; i < 3; ++i) set.rounds[i].push_back(run_plan(set.tasks, 2, policies[i], unit).end);
    }
  }
}

void show_schedules(const std::vector<Set>& sets, bool two, Section& section) {
  const std::vector<double>& eight = sets.front().tasks;
  Chart chart;
  chart.kind = ChartKind::gantt;
  chart.id = "cores-schedule";
  chart.title = "Eight tasks of 2, 4, 6, 8, 1, 3, 5, 7 units for two workers";
  chart.x = {"units of time"};
  chart.parts = {"tasks"};
  for (const Policy policy : policies) {
    const Plan p = plan(eight, 2, policy);
    const int lane = static_cast<int>(chart.lanes.size());
    const std::string group = std::string(name(policy)) + format(": done after %.0f", p.end);
    chart.lanes.push_back({group, "worker 1"});
    chart.lanes.push_back({group, "worker 2"});
    for (const Assigned& a : p.tasks) {
      const double length = a.end - a.begin;
      chart.spans.push_back({lane + a.worker, 0, a.begin, a.end, format("%.0f", length)});
    }
  }

  Table table;
  table.title = "Two workers: what the schedule predicts, and what it took";
  table.columns = {
      {"tasks", ""}, {"schedule", ""}, {"predicted", ""}, {"took", "s"}, {"predicted gain over halves", "x"},
      {"gain", "x"}};
  for (const Set& set : sets) {
    std::vector<Cell> took;
    double halves = 0;
    for (int i = 0; i < 3; ++i) {
      const double predicted = plan(set.tasks, 2, policies[i]).end;
      if (i == 0) halves = predicted;
      took.push_back(two ? time_of(summary_of(set.rounds[i])) : absent("not measured: there is one core"));
      table.add({text(set.what), text(name(policies[i])), exact(predicted), took.back(), exact(halves / predicted),
                 speedup_of(took.front(), took.back())});
    }
    if (two && clearly_smaller(took[1], took[0])) {
      section.verdicts.push_back(std::string(set.what) + " tasks: the queue is " +
                                 quantity(*took[0].value / *took[1].value, "x") + " as fast as halves.");
    }
  }
  table.note =
      "Tasks are plain arithmetic of these lengths on weft's thread pool (Schedule::static_split, "
      "Schedule::dynamic_queue).";
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(chart));
}

}  // namespace

void run_cores(Context& context, Section& section) {
  const bool two = weft::hardware_threads() >= 2 && context.threads >= 2;
  std::vector<Set> sets = {{"2,4,6,8,1,3,5,7", {2, 4, 6, 8, 1, 3, 5, 7}}, {"48 heavy-tailed", heavy_tailed()}};
  // Before the rest and after it: the spread is that of two times (measure.h, across()).
  if (two) run_schedules(context, sets);
  Section rest;
  scaling(context, rest);
  if (two) run_schedules(context, sets);
  show_schedules(sets, two, section);
  for (Table& t : rest.tables) section.tables.push_back(std::move(t));
  for (Chart& c : rest.charts) section.charts.push_back(std::move(c));
  for (std::string& n : rest.notes) section.notes.push_back(std::move(n));
}

}  // namespace lab
