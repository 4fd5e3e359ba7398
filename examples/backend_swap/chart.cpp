#include "chart.h"

#include <algorithm>
#include <cmath>

#include "chart_parts.h"
#include "units.h"

namespace lab {

const char* chart_style() {
  return R"(
:root{--paper:#fff;--ink:#1c2127;--soft:#5b6570;--grid:#dfe3e8;--c0:#0067b8;--c1:#c2410c;--c2:#0b7a4b;--c3:#8a3ab9;--c4:#a16207;--c5:#be185d;--c6:#0e7490;--c7:#525c66}
@media (prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e6eaef;--soft:#a3adb8;--grid:#323a43;--c0:#5cb0ff;--c1:#ff9357;--c2:#4ccf92;--c3:#cf9bff;--c4:#e5b93c;--c5:#ff7eb6;--c6:#4fd0e6;--c7:#b3bcc6}}
.chart text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.chart .h{font-size:13px;font-weight:600}.chart .t{font-size:12px}.chart .s{font-size:11px}.chart .m{fill:var(--soft)}.chart .b{font-weight:600}.chart .w{fill:var(--paper)}
.chart .paper{fill:var(--paper)}.chart .g{stroke:var(--grid);stroke-width:1}.chart .a{stroke:var(--soft);stroke-width:1}.chart .d{stroke-dasharray:5 3}.chart .n{fill:none}
.chart .box{fill:var(--paper);stroke:var(--soft)}.chart .k{fill:none;stroke-width:1.8;stroke-linejoin:round}.chart .e{stroke-width:1;opacity:.75}.chart .mark{stroke:var(--ink);stroke-width:1;opacity:.7}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}.f7{fill:var(--c7)}
.l0{stroke:var(--c0)}.l1{stroke:var(--c1)}.l2{stroke:var(--c2)}.l3{stroke:var(--c3)}.l4{stroke:var(--c4)}.l5{stroke:var(--c5)}.l6{stroke:var(--c6)}.l7{stroke:var(--c7)}
)";
}

Scale::Scale(double low, double high, bool log, double from, double to)
    : low_(low), high_(high), from_(from), to_(to), log_(log) {}

double Scale::operator()(double value) const {
  const auto of = [this](double v) { return log_ ? std::log(v) : v; };
  const double clamped = std::clamp(value, low_, high_);
  return from_ + (of(clamped) - of(low_)) / (of(high_) - of(low_)) * (to_ - from_);
}

std::vector<double> Scale::ticks(int at_most) const {
  std::vector<double> all;
  const double slack = 1e-9;
  if (log_) {
    for (const int per_decade : {3, 1}) {  // 1 2 5, or powers of ten alone
      all.clear();
      const int first = static_cast<int>(std::floor(std::log10(low_)));
      const int last = static_cast<int>(std::ceil(std::log10(high_)));
      for (int e = first; e <= last; ++e) {
        for (const double m : {1.0, 2.0, 5.0}) {
          const double v = m * std::pow(10.0, e);
          if (per_decade == 1 && m > 1) continue;
          if (v >= low_ * (1 - slack) && v <= high_ * (1 + slack)) all.push_back(v);
        }
      }
      if (static_cast<int>(all.size()) <= at_most) break;
    }
    const auto every = (all.size() + static_cast<std::size_t>(at_most) - 1) / static_cast<std::size_t>(at_most);
    if (every > 1) {
      std::vector<double> fewer;
      for (std::size_t i = 0; i < all.size(); i += every) fewer.push_back(all[i]);
      all = fewer;
    }
    return all;
  }
  const double raw = (high_ - low_) / at_most;
  double step = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double m : {1.0, 2.0, 5.0, 10.0}) {
    if (step * m >= raw) {
      step *= m;
      break;
    }
  }
  const double first = std::ceil(low_ / step - slack) * step;
  for (int i = 0; i <= at_most + 1; ++i) {  // counted: adding a small step to a large number need not change it
    const double v = first + i * step;
    if (v > high_ + step * 1e-6) break;
    all.push_back(std::fabs(v) < step * 1e-6 ? 0 : v);
  }
  return all;
}

std::vector<std::string> lines_of(const std::string& words, std::size_t characters, std::size_t lines) {
  std::vector<std::string> out;
  std::string line;
  std::size_t begin = 0;
  while (begin < words.size()) {
    std::size_t end = words.find(' ', begin);
    if (end == std::string::npos) end = words.size();
    const std::string word = words.substr(begin, end - begin);
    if (!line.empty() && length(line) + 1 + length(word) > characters) {
      if (out.size() + 1 == lines) {
        out.push_back(line + " ...");
        return out;
      }
      out.push_back(line);
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    begin = end + 1;
  }
  if (!line.empty()) out.push_back(line);
  return out;
}

double draw_title(Drawing& d, const std::string& title) {
  double y = 4;
  for (const std::string& line : lines_of(title, 52, 2)) {
    y += 15;
    d.words(8, y, line, "h");
  }
  return y + 6;
}

double draw_legend(Drawing& d, double y, const std::vector<LegendEntry>& entries) {
  double x = 10;
  y += 12;
  for (const LegendEntry& e : entries) {
    const double w = 26 + static_cast<double>(length(e.name)) * Drawing::small_char + 12;
    if (x > 10 && x + w > Drawing::width - 4) {
      x = 10;
      y += 17;
    }
    const std::string number = std::to_string(e.colour % 8);
    if (e.box) d.rect(x + 4, y - 9, 12, 10, "f" + number);
    if (e.line) d.line(x, y - 4, x + 20, y - 4, "k l" + number, e.dashed);
    if (e.marker) d.marker(x + 10, y - 4, e.colour);
    d.words(x + 25, y, e.name, "s");
    x += w;
  }
  return entries.empty() ? y - 12 : y + 6;
}

double draw_parts_legend(Drawing& d, double y, const std::vector<std::string>& parts) {
  if (parts.size() <= 1) return y;
  std::vector<LegendEntry> legend;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    legend.push_back({parts[i], static_cast<int>(i), false, false, false, true});
  }
  return draw_legend(d, y, legend);
}

namespace {

/// Powers of two are written as such: what people think in where sizes double.
std::string axis_tick(double v, const Axis& axis, bool powers) {
  if (!powers) return tick_text(v, axis.unit);
  return v >= 16384 ? format("2^%.0f", std::log2(v)) : format("%.0f", v);
}

}  // namespace

double draw_x_axis(Drawing& d, const Axis& axis, const Scale& scale, double top, double bottom, int ticks) {
  std::vector<double> at = scale.ticks(ticks);
  if (!axis.log && axis.unit.empty() && scale.high() - scale.low() >= 1) {  // counts: no half threads
    at.erase(std::remove_if(at.begin(), at.end(), [](double v) { return v != std::round(v); }), at.end());
  }
  const double low = std::log2(scale.low()), high = std::log2(scale.high());
  const bool powers = axis.log && axis.unit == "2^";
  if (powers) {
    at.clear();
    const int first = static_cast<int>(std::ceil(low - 1e-9)), last = static_cast<int>(std::floor(high + 1e-9));
    const int step = std::max(1, (last - first + ticks - 1) / ticks);
    for (int e = first; e <= last; e += step) at.push_back(std::exp2(e));
  }
  for (const double v : at) {
    d.line(scale(v), top, scale(v), bottom, "g");
    const std::string label = axis_tick(v, axis, powers);
    const double half = static_cast<double>(length(label)) * Drawing::small_char / 2;
    const double x = std::min(std::max(scale(v), half + 2), Drawing::width - half - 2);
    d.words(x, bottom + 14, label, "s m", Anchor::middle);
  }
  d.line(scale(scale.low()), bottom, scale(scale.high()), bottom, "a");
  if (axis.label.empty()) return bottom + 20;
  d.words((scale(scale.low()) + scale(scale.high())) / 2, bottom + 30, axis.label, "s", Anchor::middle);
  return bottom + 38;
}

namespace {

std::string draw(const Chart& chart, std::string_view style) {
  Drawing d;
  double y = draw_title(d, chart.title);
  switch (chart.kind) {
    case ChartKind::line:
      draw_lines(d, chart, y);
      break;
    case ChartKind::bars:
      draw_bars(d, chart, y);
      break;
    case ChartKind::gantt:
      draw_gantt(d, chart, y);
      break;
    case ChartKind::tree:
      draw_tree(d, chart, y);
      break;
  }
  return d.svg(y + 6, chart.title, style);
}

}  // namespace

std::string chart_file(const Chart& chart) { return draw(chart, chart_style()); }
std::string chart_inline(const Chart& chart) { return draw(chart, ""); }

}  // namespace lab
