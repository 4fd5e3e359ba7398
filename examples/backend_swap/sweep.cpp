#include "sweep.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "crossing.h"
#include "measure.h"
#include "units.h"

namespace lab {

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

Sweep measure_sweep(Context& context, std::vector<Way> ways, const std::vector<std::int64_t>& sizes, double growth) {
  Sweep sweep;
  sweep.ways = std::move(ways);
  sweep.times.resize(sweep.ways.size());
  std::vector<double> making(sweep.ways.size());  // seconds, at the last size that was made
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
        make = making[w] * std::pow(grown, std::min(growth, 2.0));
      }
      std::string why_not = way.why_not;
      if (why_not.empty()) why_not = context.budget.refuse(once + make / 4);
      if (!why_not.empty()) {
        times.push_back(absent(why_not));
        continue;
      }
      const Threads threads(way.threads);
      const double begin = now();
      const std::function<void()> call = way.make(n);
      making[w] = now() - begin;
      times.push_back(time_of(measure(call, context.budget.share(once))));
    }
  }
  // Once more, at another time: a processor has moods of seconds (its clock, its neighbours), which rounds that follow
  // each other do not show.
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    for (std::size_t w = 0; w < sweep.ways.size(); ++w) {
      Cell& cell = sweep.times[w][s];
      if (!cell.value.has_value() || !context.budget.refuse(*cell.value).empty()) continue;
      const Threads threads(sweep.ways[w].threads);
      const Measured again = measure(sweep.ways[w].make(sizes[s]), context.budget.share(*cell.value));
      cell.value = (*cell.value + again.median) / 2;
      cell.low = std::min(cell.low, again.low);
      cell.high = std::max(cell.high, again.high);
      cell.rounds += again.rounds;
    }
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
