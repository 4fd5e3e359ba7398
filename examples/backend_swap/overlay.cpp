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

void add_rows(Section& section, const Section& other, const std::string& label) {
  for (const Table& theirs : other.tables) {
    for (Table& ours : section.tables) {
      if (!same_columns(ours, theirs)) continue;
      for (Row row : theirs.rows) {
        if (!measured(row)) continue;
        row.recorded = label;
        ours.rows.push_back(std::move(row));
      }
    }
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
    for (const Chart& c : theirs.charts) {
      for (Chart& mine : ours->charts) {
        if (mine.id == c.id && mine.kind == c.kind) add_to_chart(mine, c, label);
      }
    }
    ours->notes.push_back("Rows and lines marked [" + label + "] were recorded there, not here.");
  }
}

}  // namespace lab
