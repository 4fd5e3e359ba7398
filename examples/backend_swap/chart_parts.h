#pragma once
// What the kinds of charts share: titles, scales, ticks, legends.

#include <string>
#include <vector>

#include "section.h"
#include "svg.h"

namespace lab {

/// From values to user units.
class Scale {
 public:
  /// low < high; with log both are above 0.
  Scale(double low, double high, bool log, double from, double to);
  double operator()(double value) const;
  bool shows(double value) const { return (!log_ || value > 0) && value >= low_ && value <= high_; }
  std::vector<double> ticks(int at_most) const;
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double low_, high_, from_, to_;
  bool log_;
};

/// Words cut into lines of at most `characters`; what does not fit into `lines` ends in "...".
std::vector<std::string> lines_of(const std::string& words, std::size_t characters, std::size_t lines);

/// Returns the y below the title.
double draw_title(Drawing& d, const std::string& title);

struct LegendEntry {
  std::string name;
  int colour = 0;
  bool marker = false, line = false, dashed = false, box = false;
};
/// Returns the y below it.
double draw_legend(Drawing& d, double y, const std::vector<LegendEntry>& entries);
/// A box for each part, in its colour; nothing for a single one.
double draw_parts_legend(Drawing& d, double y, const std::vector<std::string>& parts);

/// Ticks, grid lines from top to bottom, and the label of a horizontal axis. Returns the y below it.
double draw_x_axis(Drawing& d, const Axis& axis, const Scale& scale, double top, double bottom, int ticks);

void draw_lines(Drawing& d, const Chart& chart, double& y);
void draw_bars(Drawing& d, const Chart& chart, double& y);
void draw_gantt(Drawing& d, const Chart& chart, double& y);
void draw_tree(Drawing& d, const Chart& chart, double& y);

}  // namespace lab
