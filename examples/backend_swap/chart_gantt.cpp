#include <algorithm>

#include "chart_parts.h"
#include "units.h"

namespace lab {

void draw_gantt(Drawing& d, const Chart& chart, double& y) {
  double end = 0, names = 0;
  for (const Span& s : chart.spans) end = std::max(end, s.end);
  for (const Lane& l : chart.lanes) names = std::max(names, static_cast<double>(length(l.name)));
  if (end <= 0) end = 1;
  const double left = 14 + std::min(names, 18.0) * Drawing::small_char, right = Drawing::width - 14;
  const Scale scale(0, end, false, left, right);
  constexpr double row = 22, head = 20;

  std::vector<double> tops;
  double at = y, top = y;
  std::string group;
  for (const Lane& l : chart.lanes) {
    if (!l.group.empty() && (l.group != group || tops.empty())) at += head;
    group = l.group;
    tops.push_back(at);
    at += row;
  }
  y = draw_x_axis(d, chart.x, scale, top + 4, at + 2, 7);
  group.clear();
  for (std::size_t i = 0; i < chart.lanes.size(); ++i) {
    const Lane& l = chart.lanes[i];
    if (!l.group.empty() && (l.group != group || i == 0)) d.words(8, tops[i] - 4, l.group, "s b");
    group = l.group;
    const std::vector<std::string> name = lines_of(l.name, 18, 1);
    d.words(left - 6, tops[i] + 15, name.empty() ? "" : name[0], "s m", Anchor::end);
  }
  for (const Span& s : chart.spans) {
    const double x = scale(s.begin), w = std::max(scale(s.end) - x - 0.6, 0.5);
    const double lane = tops[static_cast<std::size_t>(s.lane)];
    d.rect(x, lane + 2, w, row - 5, "f" + std::to_string(s.kind % 8));
    if (!s.label.empty() && static_cast<double>(length(s.label)) * Drawing::small_char + 4 <= w) {
      d.words(x + w / 2, lane + 15, s.label, "s w", Anchor::middle);
    }
  }
  y = draw_parts_legend(d, y, chart.parts);
}

}  // namespace lab
