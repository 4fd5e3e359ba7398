#include "sweep.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "crossing.h"
#include "measure.h"
#include "units.h"

namespace lab {

namespace {

constexpr int passes = 5;  // over all cells of a sweep

}  // namespace

Way way_of(const Place& place, std::function<std::function<void()>(std::int64_t)> make) {
  return {place.name, place.why_not, place.threads, std::move(make)};
}

Cell Sweep::rate(std::size_t way, std::size_t size, const std::function<double(double)>& work) const {
  const Cell& time = times[way][size];
  if (!time.value.has_value()) return time;
  Measured m;
  m.median = *time.value;
  m.low = time.low;
  m.high = time.high;
  m.rounds = time.rounds;
  return rate_of(m, work(sizes[size]));
}

Sweep measure_sweep(Context& context, Section& section, std::vector<Way> ways, const std::vector<std::int64_t>& sizes,
                    double growth) {
  Sweep sweep;
  sweep.ways = std::move(ways);
  sweep.times.resize(sweep.ways.size());
  std::vector<std::vector<std::vector<Measured>>> seen(sweep.ways.size());  // [way][size][pass]
  const Budget& budget = context.budget;
  std::vector<std::vector<double>> making(sweep.ways.size());  // [way][size], seconds
  for (const std::int64_t n : sizes) {
    sweep.sizes.push_back(static_cast<double>(n));
    for (std::size_t w = 0; w < sweep.ways.size(); ++w) {
      const Way& way = sweep.ways[w];
      std::vector<Cell>& times = sweep.times[w];
      double once = 0, make = 0;
      for (std::size_t before = times.size(); before > 0 && once == 0; --before) {
        if (!times[before - 1].value.has_value()) continue;
        const double grown = sweep.sizes.back() / sweep.sizes[before - 1];
        once = *times[before - 1].value * std::pow(grown, growth);
        make = making[w][before - 1] * std::pow(grown, std::min(growth, 2.0));
      }
      std::string why_not = way.why_not;
      if (why_not.empty()) why_not = budget.refuse(once + make / 4);
      seen[w].emplace_back();
      making[w].push_back(0);
      if (!why_not.empty()) {
        times.push_back(absent(why_not));
        continue;
      }
      const Threads threads(way.threads);
      const double begin = now();
      const std::function<void()> call = way.make(n);
      making[w].back() = now() - begin;
      seen[w].back().push_back(measure(call, budget.share(once) / 2));
      times.push_back(time_of(seen[w].back().back()));
    }
  }
  // Again, at other times, as long as most of what is left of the time lasts: the spread is what was seen between the
  // passes.
  const double kept = budget.left() / 5;
  for (int pass = 1; pass < passes; ++pass) {
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      for (std::size_t w = 0; w < sweep.ways.size(); ++w) {
        std::vector<Measured>& of_cell = seen[w][s];
        if (of_cell.empty()) continue;
        const double once = of_cell.front().median;
        if (budget.left() < kept + 2 * once + making[w][s]) continue;
        if (once > 1 && pass > 1) continue;  // it has lasted through several moods
        const Threads threads(sweep.ways[w].threads);
        of_cell.push_back(measure(sweep.ways[w].make(sizes[s]), budget.share(once) / 4, 1));
      }
    }
  }
  std::string single;
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    bool in_one_pass = false;
    for (std::size_t w = 0; w < sweep.ways.size(); ++w) {
      if (seen[w][s].empty()) continue;
      sweep.times[w][s] = time_of(across(seen[w][s]));
      in_one_pass = in_one_pass || seen[w][s].size() == 1;
    }
    if (in_one_pass) single += (single.empty() ? "" : ", ") + quantity(sweep.sizes[s], "");
  }
  if (!single.empty()) {
    section.notes.push_back("For want of time, not every figure at " + single +
                            " was taken at two times: another run may differ by more than the spread printed there.");
  }
  return sweep;
}

Table rate_table(const Sweep& sweep, const std::string& title, const std::string& size_name, const std::string& unit,
                 const std::function<double(double)>& work) {
  Table table;
  table.title = title;
  table.columns = {{size_name, ""}};
  for (const Way& w : sweep.ways) table.columns.push_back({w.name, unit});
  for (std::size_t s = 0; s < sweep.sizes.size(); ++s) {
    std::vector<Cell> row = {exact(sweep.sizes[s])};
    for (std::size_t w = 0; w < sweep.ways.size(); ++w) row.push_back(sweep.rate(w, s, work));
    table.add(std::move(row));
  }
  return table;
}

Chart line_chart(const Table& table, const std::string& id, const std::string& title, Axis x, Axis y) {
  Chart chart;
  chart.id = id;
  chart.title = title;
  chart.x = std::move(x);
  chart.y = std::move(y);
  for (std::size_t c = 1; c < table.columns.size(); ++c) {
    Series series;
    series.name = table.columns[c].title;
    for (const Row& row : table.rows) {
      const Cell& at = row.cells[0];
      const Cell& cell = row.cells[c];
      if (at.value.has_value() && cell.value.has_value()) {
        series.points.push_back({*at.value, *cell.value, cell.low, cell.high});
      }
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

Bar bar_of(const std::string& label, const Cell& cell) {
  Bar bar;
  bar.label = label;
  if (cell.value.has_value()) {
    bar.parts = {*cell.value};
    bar.low = cell.low;
    bar.high = cell.high;
  } else {
    bar.note = cell.text;
  }
  return bar;
}

void compare_ways(const Sweep& sweep, std::size_t late, std::size_t early, const std::string& size_name,
                  const std::string& mark, Section& section, Chart& chart) {
  const std::string& late_name = sweep.ways[late].name;
  const std::string& early_name = sweep.ways[early].name;
  const Comparison c = compare(sweep.sizes, sweep.times[early], sweep.times[late]);
  const std::string sentence = c.sentence(late_name, early_name, size_name);
  if (!sentence.empty()) section.verdicts.push_back(sentence);
  if (c.where.has_value()) chart.marks.push_back({*c.where, mark + " " + quantity(std::round(*c.where), "")});
}

}  // namespace lab
