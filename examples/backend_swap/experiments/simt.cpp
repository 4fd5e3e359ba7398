// simt: how a GPU keeps its arithmetic busy, and the nearest thing that a processor has.

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <weft/weft.h>

#include "experiment.h"
#include "isa_probe.h"
#include "loops.h"
#include "measure.h"
#include "sweep.h"
#include "units.h"

namespace lab {
namespace {

void vector_width(Section& section) {
  Table table;
  table.title = "Lanes of a vector: weft's product of 512^3 on one thread, by instruction set";
  table.columns = {{"instruction set", ""}, {"floats at once", ""}, {"rate", "FLOP/s"}};
  Chart chart;
  chart.kind = ChartKind::bars;
  chart.id = "simt-lanes";
  chart.title = "One instruction, more lanes: weft's product on one thread";
  chart.x = {"operations per second", "FLOP/s"};
  chart.parts = {"rate"};
#if defined(__aarch64__)
  const std::pair<const char*, int> sets[] = {{"neon", 4}};
#else
  const std::pair<const char*, int> sets[] = {{"baseline", 4}, {"avx2", 8}, {"avx512", 16}};
#endif
  for (const auto& [isa, lanes] : sets) {
    Measured m;
    const bool ran =
        std::sscanf(run_isa_probe(isa).c_str(), "%lf %lf %lf %d", &m.median, &m.low, &m.high, &m.rounds) == 4;
    const Cell rate = ran ? rate_of(m, 2.0 * 512 * 512 * 512) : absent("not measured: this processor has none");
    table.add({text(isa), exact(lanes), rate});
    chart.bars.push_back(bar_of(format("%s, %d floats", isa, lanes), rate));
  }
  table.note =
      "A warp of a GPU is the same idea with 32 lanes. avx2 and avx512 multiply and add in one instruction, baseline "
      "takes two.";
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(chart));
}

void in_flight(Context& context, Section& section) {
  Table table;
  table.title = "Chains of multiply-adds that do not wait for each other, one core, one float at a time";
  table.columns = {{"chains in flight", ""}, {"rate", "FLOP/s"}};
  for (const int count : {1, 2, 4, 8, 12}) {
    constexpr std::int64_t steps = 100'000;
    const Measured m = measure(
        [count] {
          volatile float keep = plain_loops().chains(count, steps, 1e-3f);
          (void)keep;
        },
        context.budget.share(0));
    table.add({exact(count), rate_of(m, 2.0 * count * steps)});
  }
  table.note = "A chain waits some cycles for each result. Others fill the gap; warps in flight do that on a GPU.";
  section.charts.push_back(line_chart(table, "simt-latency", "Hiding latency: more in flight, more done",
                                      {"chains in flight"}, {"operations per second", "FLOP/s"}));
  section.tables.push_back(std::move(table));
}

void strides(Context& context, Section& section) {
  constexpr std::int64_t n = 1 << 24;  // 64 MiB
  weft::Generator generator(1);
  const weft::Tensor x = weft::rand({n}, weft::cpu(), generator);
  Table table;
  table.title = "Reading every s-th float of 64 MiB, one core";
  table.columns = {{"stride, floats", ""}, {"bytes asked for", "B/s"}};
  for (const std::int64_t stride : {1, 2, 4, 8, 16, 32, 64}) {
    constexpr std::int64_t reads = 1 << 20;
    const Measured m = measure(
        [&] {
          volatile float keep = plain_loops().strided(x.data<float>(), n, stride, reads);
          (void)keep;
        },
        context.budget.share(0));
    table.add({exact(static_cast<double>(stride)), rate_of(m, 4.0 * reads)});
  }
  table.note =
      "Memory comes in lines of 64 bytes, 16 floats: from stride 16 on, one float of each line is used. A GPU's "
      "warp that reads with a stride wastes its lines in the same way.";
  section.charts.push_back(line_chart(table, "simt-stride", "Coalescing: neighbours should read neighbours",
                                      {"stride in floats (log)", "2^", true},
                                      {"bytes asked for per second (log)", "B/s", true}));
  section.tables.push_back(std::move(table));
}

void branches(Context& context, Section& section) {
  constexpr std::int64_t n = 1 << 18;
  weft::Generator generator(1);
  const weft::Tensor x = weft::rand({n}, weft::cpu(), generator);
  struct Case {
    const char* name;
    float (*loop)(const float*, std::int64_t, float);
    float limit;
  };
  const Loops& loops = best_loops() != nullptr ? *best_loops() : plain_loops();
  const Case cases[] = {{"a branch, always the same way", loops.branch, 2.0f},
                        {"a branch, one in 10 goes the other way", loops.branch, 0.9f},
                        {"a branch, half and half at random", loops.branch, 0.5f},
                        {"both computed, one selected", loops.select, 0.5f}};
  Table table;
  table.title = "Two kinds of work chosen by the data, one core";
  table.columns = {{"how", ""}, {"time for one element", "s"}};
  Chart chart;
  chart.kind = ChartKind::bars;
  chart.id = "simt-branch";
  chart.title = "Divergence: the price of not knowing which way";
  chart.x = {"time for one element", "s"};
  chart.parts = {"time"};
  for (const Case& c : cases) {
    Measured m = measure(
        [&] {
          volatile float keep = c.loop(x.data<float>(), n, c.limit);
          (void)keep;
        },
        context.budget.share(0));
    for (double* value : {&m.median, &m.low, &m.high}) *value /= static_cast<double>(n);
    table.add({text(c.name), time_of(m)});
    chart.bars.push_back(bar_of(c.name, time_of(m)));
  }
  table.note =
      "A processor guesses and pays for wrong guesses; a warp whose threads go different ways walks all of them, one "
      "after the other.";
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(chart));
}

void exhibits(Context& context, Section& section) {
  const Place& gpu = context.gpu();
  if (!gpu.here()) {
    Table table;
    table.title = "The same on cuda, by kernels that show one property each";
    table.columns = {{"kernel", ""}, {"what is varied", ""}, {"values", ""}, {"time", "s"}};
    for (const weft::Exhibit& e : weft::exhibits()) {
      std::string values;
      for (const std::int64_t v : e.settings) values += (values.empty() ? "" : ", ") + std::to_string(v);
      table.add({text(e.name), text(e.setting), text(values), absent(gpu.why_not)});
    }
    section.tables.push_back(std::move(table));
    return;
  }
  for (const weft::Exhibit& e : weft::exhibits()) {
    Table table;
    table.title = std::string("On cuda: ") + e.name;
    table.columns = {
        {e.setting, ""}, {"time", "s"}, {"operations", "FLOP/s"}, {"bytes", "B/s"}, {"warps on a multiprocessor", ""}};
    bool anything = false;
    for (const std::int64_t setting : e.settings) {
      std::vector<Cell> row = {exact(static_cast<double>(setting))};
      std::string why_not = gpu.why_not;
      if (why_not.empty()) {
        try {
          const weft::ExhibitRun run = weft::run_exhibit(weft::cuda(), e.name, setting, 7);
          const Measured m = summary_of(run.seconds);
          const auto rate = [&](double work) { return work > 0 ? rate_of(m, work) : text(""); };
          row.insert(row.end(),
                     {time_of(m), rate(run.figures.operations), rate(run.figures.bytes), exact(run.figures.warps)});
          anything = true;
        } catch (const weft::DeviceError& error) {  // built without them
          why_not = error.what();
        }
      }
      while (row.size() < table.columns.size()) row.push_back(absent(why_not));
      table.add(std::move(row));
    }
    if (anything) {
      Table times = table;
      for (Row& r : times.rows) r.cells.resize(2);
      times.columns.resize(2);
      section.charts.push_back(line_chart(times, std::string("simt-cuda-") + e.name, std::string("On cuda: ") + e.name,
                                          {e.setting}, {"time", "s"}));
    }
    section.tables.push_back(std::move(table));
  }
}

}  // namespace

void run_simt(Context& context, Section& section) {
  vector_width(section);
  in_flight(context, section);
  strides(context, section);
  branches(context, section);
  exhibits(context, section);
}

}  // namespace lab
