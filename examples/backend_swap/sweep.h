#pragma once
// Several ways to do one thing, over growing sizes: the form of half the experiments.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "experiment.h"

namespace lab {

/// One way to do it.
struct Way {
  std::string name;
  std::string why_not = {};  ///< empty: it can be measured
  int threads = 1;
  /// Makes what is needed at a size and returns the call to be timed, which waits for its device.
  std::function<std::function<void()>(std::int64_t)> make = {};
};

Way way_of(const Place& place, std::function<std::function<void()>(std::int64_t)> make);

struct Sweep {
  std::vector<Way> ways;
  std::vector<double> sizes;
  std::vector<std::vector<Cell>> times;  ///< [way][size], seconds

  /// Work per second, or why not. work: of one call at a size.
  Cell rate(std::size_t way, std::size_t size, const std::function<double(double)>& work) const;
};

/// Measures them, small sizes first; the time of a cell is estimated from the size before by (n / before)^growth. Then
/// all of them again in further passes, while there is time: measure.h, across(). A note in the section says for which
/// sizes there was none.
Sweep measure_sweep(Context& context, Section& section, std::vector<Way> ways, const std::vector<std::int64_t>& sizes,
                    double growth);

/// A row for each size, a column for each way.
Table rate_table(const Sweep& sweep, const std::string& title, const std::string& size_name, const std::string& unit,
                 const std::function<double(double)>& work);

/// A line for each way that was measured. Axes: as given.
Chart line_chart(const Table& table, const std::string& id, const std::string& title, Axis x, Axis y);

/// A bar of a cell, or its reason.
Bar bar_of(const std::string& label, const Cell& cell);

/// Says which of two ways of a sweep is the faster and from where on, and marks the place in the chart.
void compare_ways(const Sweep& sweep, std::size_t late, std::size_t early, const std::string& size_name,
                  const std::string& mark, Section& section, Chart& chart);

}  // namespace lab
