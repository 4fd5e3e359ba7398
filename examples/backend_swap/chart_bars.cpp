#include <algorithm>
#include <cmath>

#include "chart_parts.h"
#include "units.h"

namespace lab {

void draw_bars(Drawing& d, const Chart& chart, double& y) {
  double most = 0, least = 0;
  for (const Bar& b : chart.bars) {
    double sum = 0;
    for (const double p : b.parts) sum += p;
    most = std::max({most, sum, b.high});
    const double smallest = b.low > 0 ? b.low : sum;
    if (smallest > 0) least = least > 0 ? std::min(least, smallest) : smallest;
  }
  if (most <= 0) most = 1;
  if (least <= 0) least = most / 10;
  const bool figures = chart.parts.size() == 1 || chart.x.unit != "%";
  std::size_t longest = 1;
  for (const Bar& b : chart.bars) {
    double sum = 0;
    for (const double p : b.parts) sum += p;
    if (figures && !b.parts.empty()) longest = std::max(longest, length(quantity(sum, chart.x.unit)));
  }
  // Room for the figure behind the longest bar.
  const double left = 12, right = Drawing::width - 18 - static_cast<double>(longest) * Drawing::text_char;
  const double low = chart.x.log ? std::pow(10.0, std::floor(std::log10(least * 0.5))) : 0;
  const Scale scale(low, most * (chart.x.log ? 1.1 : 1.0), chart.x.log, left, right);

  // Grid first, so that it lies below the bars: heights are counted before anything is drawn.
  const auto label_lines = [](const Bar& b) { return lines_of(b.label, 66, 2); };
  double height = 0;
  for (const Bar& b : chart.bars) height += 14.0 * static_cast<double>(label_lines(b).size()) + 24;
  const double top = y, bottom = y + height;
  const bool any = std::any_of(chart.bars.begin(), chart.bars.end(), [](const Bar& b) { return !b.parts.empty(); });
  const double below = any ? draw_x_axis(d, chart.x, scale, top, bottom, 5) : bottom + 4;

  for (const Bar& b : chart.bars) {
    for (const std::string& line : label_lines(b)) {
      y += 14;
      d.words(left, y, line, "s");
    }
    y += 4;
    double sum = 0, x = left;
    for (std::size_t i = 0; i < b.parts.size(); ++i) {
      sum += b.parts[i];
      const double end = sum > low ? scale(sum) : left;
      d.rect(x, y, std::max(end - x, 0.8), 13, "f" + std::to_string(i % 8));
      x = end;
    }
    if (b.parts.empty()) {
      d.words(left, y + 10, lines_of(b.note, 62, 1).empty() ? "not measured" : lines_of(b.note, 62, 1)[0], "s m");
    } else {
      double behind = x;
      if (b.low < b.high) {
        const double from = scale(std::max(b.low, scale.low())), to = scale(b.high);
        d.line(from, y + 6.5, to, y + 6.5, "mark");
        d.line(from, y + 3.5, from, y + 9.5, "mark");
        d.line(to, y + 3.5, to, y + 9.5, "mark");
        behind = std::max(behind, to);
      }
      if (figures) d.words(behind + 5, y + 10.5, quantity(sum, chart.x.unit), "s b");
    }
    y += 20;
  }
  y = below;
  y = draw_parts_legend(d, y, chart.parts);
}

}  // namespace lab
