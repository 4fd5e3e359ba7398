#pragma once
// What an experiment hands back: the one model from which the console table, results.json, the SVG files and
// report.html are made. Quantities are kept in base units (s, FLOP/s, B/s, B, J); units.h writes them for people.

#include <optional>
#include <string>
#include <vector>

#include "measure.h"

namespace lab {

/// A number, a text, or the reason why there is no number.
struct Cell {
  std::optional<double> value;  ///< the median of the rounds, or a figure that was computed
  double low = 0, high = 0;     ///< the smallest and the largest round; both are `value` where nothing was repeated
  int rounds = 0;               ///< 0: computed, not measured
  bool absent = false;          ///< `text` says why
  std::string text;
};

Cell text(std::string words);
Cell absent(std::string why);
Cell exact(double value);  ///< computed, or counted: no spread
Cell time_of(const Measured& m);
Cell rate_of(const Measured& m, double work);                   ///< work per second
Cell ratio_of(const Cell& numerator, const Cell& denominator);  ///< the spread is the worst of both
/// How often `fast` fits into `slow`, both times: ratio_of(slow, fast), absent where either is.
Cell speedup_of(const Cell& slow, const Cell& fast);
/// Whether the spreads of two cells leave no doubt that a is smaller than b.
bool clearly_smaller(const Cell& a, const Cell& b);

struct Column {
  std::string title;
  std::string unit;  ///< "s", "FLOP/s", "B/s", "B", "J", "x", "%", "" for counts and words
};

struct Row {
  std::vector<Cell> cells;
  std::string recorded = {};  ///< of another run: "NVIDIA H200, 2026-11-25"; empty: measured here
};

struct Table {
  std::string title;
  std::vector<Column> columns;
  std::vector<Row> rows;
  std::string note = {};

  void add(std::vector<Cell> cells) { rows.push_back({std::move(cells)}); }
};

struct Axis {
  std::string label;
  std::string unit = {};  ///< as a column's; "2^" on a log axis: ticks at powers of two
  bool log = false;
};

struct Point {
  double x = 0, y = 0;
  double low = 0, high = 0;  ///< of y
  std::string label = {};    ///< written beside the point
};

struct Series {
  std::string name;
  std::vector<Point> points = {};
  bool line = true;        ///< points are joined
  bool dots = true;        ///< points are drawn
  bool published = false;  ///< from a source, not measured: dashed
};

struct Bar {
  std::string label;
  std::vector<double> parts;  ///< one per Chart::parts, drawn one after the other
  double low = 0, high = 0;   ///< of the sum
  std::string note = {};      ///< stands in the bar's place where parts is empty: why there is none
};

struct Lane {
  std::string group;  ///< lanes of one group stand under its name
  std::string name;
};

struct Span {
  int lane = 0;
  int kind = 0;  ///< index into Chart::parts, which gives colour and legend
  double begin = 0, end = 0;
  std::string label = {};
};

/// A vertical line with a word, at a place on the x axis that was computed.
struct Mark {
  double x = 0;
  std::string label;
};

enum class ChartKind { line, bars, gantt, tree };

struct Chart {
  ChartKind kind = ChartKind::line;
  std::string id;  ///< of the file: matmul.svg, matmul-speedup.svg
  std::string title;
  Axis x, y;                            ///< bars and gantt: x alone
  std::vector<Series> series = {};      ///< line
  std::vector<Mark> marks = {};         ///< line
  std::vector<std::string> parts = {};  ///< bars, gantt
  std::vector<Bar> bars = {};
  std::vector<Lane> lanes = {};  ///< gantt
  std::vector<Span> spans = {};
  std::vector<double> leaves = {};  ///< tree: the numbers that are added
};

struct Section {
  std::string name;  ///< of the experiment
  std::string title;
  std::string claim;  ///< one line
  std::string see;    ///< in plain words, what to look at
  std::vector<Table> tables = {};
  std::vector<Chart> charts = {};
  std::vector<std::string> verdicts = {};  ///< only what the spread allows
  std::vector<std::string> notes = {};
  std::string date = {};     ///< ISO 8601, when it was measured
  double seconds = 0;        ///< it took
  std::string failure = {};  ///< what stopped it, empty for nothing
};

}  // namespace lab
