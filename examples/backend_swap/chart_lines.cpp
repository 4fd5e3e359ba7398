#include <algorithm>
#include <cmath>
#include <limits>

#include "chart_parts.h"
#include "units.h"

namespace lab {
namespace {

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double v, bool log) {
    if (!std::isfinite(v) || (log && v <= 0)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  void widen(bool log, bool room) {
    if (!(low <= high)) low = 1, high = 2;
    if (log) {
      const double grow = room ? std::max(1.08, std::pow(high / low, 0.06)) : 1.0;
      low /= grow;
      high *= grow;
      if (high / low < 1.5) low /= 1.3, high *= 1.3;
    } else {
      if (low > 0) low = 0;
      high = high > low ? high + (high - low) * 0.06 : low + 1;
    }
  }
};

struct Box {
  double x1, y1, x2, y2;
  bool meets(const Box& o) const { return x1 < o.x2 && o.x1 < x2 && y1 < o.y2 && o.y1 < y2; }
};

/// Puts words near points so that they cover neither each other nor a marker.
class Labels {
 public:
  explicit Labels(Box frame) : frame_(frame) {}
  void keep_clear(Box box) { taken_.push_back(box); }
  void put(Drawing& d, double x, double y, const std::string& words) {
    const double w = static_cast<double>(length(words)) * Drawing::small_char + 2;
    for (const double far : {0.0, 12.0, 24.0, 38.0, 54.0}) {
      const double places[][2] = {{x + 6, y + 4 + far}, {x + 6, y - far},         {x - 6 - w, y + 4 + far},
                                  {x - 6 - w, y - far}, {x - w / 2, y - 8 - far}, {x - w / 2, y + 15 + far}};
      for (const auto& p : places) {
        const Box box{p[0], p[1] - 9, p[0] + w, p[1] + 3};
        const bool inside = box.x1 >= frame_.x1 && box.x2 <= frame_.x2 && box.y1 >= frame_.y1 && box.y2 <= frame_.y2;
        const bool clear = std::none_of(taken_.begin(), taken_.end(), [&](const Box& t) { return t.meets(box); });
        if (!inside || !clear) continue;
        taken_.push_back(box);
        if (far > 0) d.line(x, y, std::clamp(x, box.x1, box.x2), std::clamp(y, box.y1, box.y2), "g");
        d.words(p[0] + 1, p[1], words, "s");
        return;
      }
    }
  }

 private:
  Box frame_;
  std::vector<Box> taken_;
};

}  // namespace

void draw_lines(Drawing& d, const Chart& chart, double& y) {
  const auto empty = [](const Series& s) { return s.published || s.points.empty(); };
  if (std::all_of(chart.series.begin(), chart.series.end(), empty)) {
    d.words(8, y + 14, "nothing was measured: the table says why", "s m");
    y += 24;
    return;
  }
  Range xs, ys;
  for (const Series& s : chart.series) {
    for (const Point& p : s.points) {
      xs.add(p.x, chart.x.log);
      ys.add(p.y, chart.y.log);
      if (p.low < p.high) {
        ys.add(p.low, chart.y.log);
        ys.add(p.high, chart.y.log);
      }
    }
  }
  ys.widen(chart.y.log, true);
  if (!(xs.low < xs.high)) xs.widen(chart.x.log, true);

  if (!chart.y.label.empty()) {
    y += 11;
    d.words(8, y, chart.y.label, "s");
    y += 6;
  }
  const double top = y + 4, bottom = top + 220;
  const Scale sy(ys.low, ys.high, chart.y.log, bottom, top);
  const std::vector<double> ticks = sy.ticks(6);
  std::size_t longest = 3;
  for (const double v : ticks) longest = std::max(longest, length(tick_text(v, chart.y.unit)));
  const double left = 12 + static_cast<double>(longest) * Drawing::small_char, right = Drawing::width - 14;
  const Scale sx(xs.low, xs.high, chart.x.log, left + 4, right);

  for (const double v : ticks) {
    d.line(left, sy(v), right, sy(v), "g");
    d.words(left - 5, sy(v) + 4, tick_text(v, chart.y.unit), "s m", Anchor::end);
  }
  d.line(left, top, left, bottom, "a");
  y = draw_x_axis(d, chart.x, sx, top, bottom, 8);

  Labels labels({left, top, right, bottom});
  double mark_y = top + 11;
  for (const Mark& m : chart.marks) {
    if (!sx.shows(m.x)) continue;
    const double x = sx(m.x), w = static_cast<double>(length(m.label)) * Drawing::small_char;
    d.line(x, top, x, bottom, "mark", true);
    const bool flip = x + w + 6 > right;
    d.words(flip ? x - 4 : x + 4, mark_y, m.label, "s b", flip ? Anchor::end : Anchor::start);
    labels.keep_clear(flip ? Box{x - w - 6, mark_y - 10, x, mark_y + 3} : Box{x, mark_y - 10, x + w + 6, mark_y + 3});
    mark_y += 14;
  }
  std::vector<LegendEntry> legend;
  int number = 0;
  for (const Series& s : chart.series) {
    const std::string colour = "l" + std::to_string(number % 8);
    std::string path;
    for (const Point& p : s.points) {
      if ((chart.x.log && p.x <= 0) || (chart.y.log && p.y <= 0) || !std::isfinite(p.y)) continue;
      path += Drawing::point(sx(p.x), sy(p.y));
      if (p.low < p.high) {
        const double x = sx(p.x), low = sy(std::max(p.low, sy.low())), high = sy(std::min(p.high, sy.high()));
        d.line(x, low, x, high, "e " + colour);
        d.line(x - 3, low, x + 3, low, "e " + colour);
        d.line(x - 3, high, x + 3, high, "e " + colour);
      }
    }
    if (s.line && s.points.size() > 1) d.polyline(path, "k " + colour, s.published);
    if (s.dots) {
      for (const Point& p : s.points) {
        if ((chart.x.log && p.x <= 0) || (chart.y.log && p.y <= 0)) continue;
        d.marker(sx(p.x), sy(p.y), number);
        labels.keep_clear({sx(p.x) - 4, sy(p.y) - 4, sx(p.x) + 4, sy(p.y) + 4});
      }
    }
    if (!s.points.empty()) legend.push_back({s.name, number, s.dots, s.line, s.published, false});
    ++number;
  }
  for (const Series& s : chart.series) {
    for (const Point& p : s.points) {
      if (!p.label.empty() && sx.shows(p.x)) labels.put(d, sx(p.x), sy(p.y), p.label);
    }
  }
  if (legend.size() > 1) y = draw_legend(d, y, legend);
}

}  // namespace lab
