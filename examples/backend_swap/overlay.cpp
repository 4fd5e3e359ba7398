#include "overlay.h"

#include <algorithm>

namespace lab {
namespace {

bool same_columns(const Table& a, const Table& b) {
  return a.title == b.title && a.columns.size() == b.columns.size() &&
         std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(),
                    [](const Column& x, const Column& y) { return x.title == y.title && x.unit == y.unit; });
}

bool measured(const Row& row) {
  return std::any_of(row.cells.begin(), row.cells.end(), [](const Cell& c) { return c.rounds > 0; });
}

/// Rows go to the table they belong to; a table that this run has not is added whole.
void add_rows(Section& section, const Section& other, const std::string& label) {
  const std::size_t own = section.tables.size();
  for (const Table& theirs : other.tables) {
    Table* ours = nullptr;
    for (std::size_t i = 0; i < own; ++i) {
      if (same_columns(section.tables[i], theirs)) ours = &section.tables[i];
    }
    Table alone = theirs;
    alone.rows.clear();
    for (Row row : theirs.rows) {
      if (!measured(row)) continue;
      row.recorded = label;
      (ours != nullptr ? ours->rows : alone.rows).push_back(std::move(row));
    }
    if (!alone.rows.empty()) section.tables.push_back(std::move(alone));
  }
}

void add_to_chart(Chart& ours, const Chart& theirs, const std::string& label) {
  for (Series series : theirs.series) {
    if (series.published || series.points.empty()) continue;
    series.name += " [" + label + "]";
    for (Point& p : series.points) p.label.clear();
    ours.series.push_back(std::move(series));
  }
  if (ours.parts == theirs.parts) {
    for (Bar bar : theirs.bars) {
      if (bar.parts.empty()) continue;
      bar.label += " [" + label + "]";
      ours.bars.push_back(std::move(bar));
    }
    if (ours.kind == ChartKind::gantt) {
      const int lanes = static_cast<int>(ours.lanes.size());
      for (Lane lane : theirs.lanes) {
        lane.group += (lane.group.empty() ? "[" : " [") + label + "]";
        ours.lanes.push_back(std::move(lane));
      }
      for (Span span : theirs.spans) {
        span.lane += lanes;
        ours.spans.push_back(std::move(span));
      }
    }
  }
}

}  // namespace

std::string label_of(const Results& run) { return run.machine.device + ", " + run.date.substr(0, 10); }

void lay_over(Results& run, const Results& other) {
  const std::string label = label_of(other);
  for (const Section& theirs : other.sections) {
    const auto ours =
        std::find_if(run.sections.begin(), run.sections.end(), [&](const Section& s) { return s.name == theirs.name; });
    if (ours == run.sections.end()) {
      run.sections.push_back(theirs);
      run.sections.back().title += " [" + label + "]";
      for (Table& t : run.sections.back().tables) {
        for (Row& row : t.rows) row.recorded = label;
      }
      continue;
    }
    add_rows(*ours, theirs, label);
    const std::size_t own = ours->charts.size();
    for (Chart c : theirs.charts) {
      bool found = false;
      for (std::size_t i = 0; i < own; ++i) {
        Chart& mine = ours->charts[i];
        if (mine.id != c.id) continue;
        found = true;
        if (mine.kind == c.kind) add_to_chart(mine, c, label);
      }
      if (found) continue;
      c.title += " [" + label + "]";
      ours->charts.push_back(std::move(c));
    }
    ours->notes.push_back("Rows and lines marked [" + label + "] were recorded there, not here.");
  }
}

}  // namespace lab
