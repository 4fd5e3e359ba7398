#include <algorithm>

#include "chart_parts.h"
#include "units.h"

namespace lab {
namespace {

struct Grid {
  double left, step;
  double x(double column) const { return left + column * step; }
};

void box(Drawing& d, double x, double y, double value, const char* classes) {
  d.rect(x - 15, y - 9, 30, 18, classes);
  d.words(x, y + 4, quantity(value, ""), "s", Anchor::middle);
}

}  // namespace

// Time runs downwards in both pictures, one addition a row; what stands in one row happens at the same time.
void draw_tree(Drawing& d, const Chart& chart, double& y) {
  const std::vector<double>& leaves = chart.leaves;
  const auto n = leaves.size();
  if (n == 0 || n > 16) return;
  const Grid grid{70, (Drawing::width - 100) / static_cast<double>(std::max<std::size_t>(n - 1, 1))};
  const auto leaf_row = [&] {
    for (std::size_t i = 0; i < n; ++i) box(d, grid.x(static_cast<double>(i)), y, leaves[i], "box");
  };

  y += 12;
  d.words(8, y, format("one after the other: %zu steps", n - 1), "s b");
  y += 20;
  leaf_row();
  double sum = leaves[0], sum_x = grid.x(0), sum_y = y;
  const double leaf_y = y;
  for (std::size_t i = 1; i < n; ++i) {
    const double x = grid.x(static_cast<double>(i));
    y += 22;
    d.line(sum_x, sum_y + 9, x, y - 9, "a");
    d.line(x, leaf_y + 9, x, y - 9, "g");
    sum += leaves[i];
    box(d, x, y, sum, "box l1");
    d.words(8, y + 4, format("step %zu", i), "s m");
    sum_x = x;
    sum_y = y;
  }

  y += 34;
  std::size_t levels = 0;
  for (std::size_t w = n; w > 1; w = (w + 1) / 2) ++levels;
  d.words(8, y, format("as a tree: %zu steps, each with all its additions at once", levels), "s b");
  y += 20;
  leaf_row();
  std::vector<double> values = leaves, at;
  for (std::size_t i = 0; i < n; ++i) at.push_back(grid.x(static_cast<double>(i)));
  for (std::size_t level = 1; values.size() > 1; ++level) {
    std::vector<double> sums, centres;
    for (std::size_t i = 0; i < values.size(); i += 2) {
      if (i + 1 == values.size()) {
        sums.push_back(values[i]);
        centres.push_back(at[i]);
        d.line(at[i], y + 9, at[i], y + 29, "a");
        continue;
      }
      const double x = (at[i] + at[i + 1]) / 2;
      d.line(at[i], y + 9, x, y + 29, "a");
      d.line(at[i + 1], y + 9, x, y + 29, "a");
      sums.push_back(values[i] + values[i + 1]);
      centres.push_back(x);
    }
    y += 38;
    for (std::size_t i = 0; i < sums.size(); ++i) box(d, centres[i], y, sums[i], "box l2");
    d.words(8, y + 4, format("step %zu", level), "s m");
    values = sums;
    at = centres;
  }
  y += 14;
}

}  // namespace lab
