#include "html.h"

#include "chart.h"
#include "experiment.h"
#include "svg.h"
#include "units.h"

namespace lab {
namespace {

const char* page_style() {
  return R"(
html{color-scheme:light dark}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:860px;margin:0 auto;padding:24px 16px 64px}h1{font-size:1.7rem;line-height:1.2;margin:.2em 0}h2{font-size:1.3rem;margin:2.6em 0 .3em;border-top:1px solid var(--grid);padding-top:1.2em}h3{font-size:1rem;margin:1.6em 0 .4em}
.claim{font-size:1.05rem;font-weight:600;margin:.3em 0 .8em}.soft,figcaption{color:var(--soft)}nav ul{columns:2;padding-left:1.2em}a{color:var(--c0)}
figure{margin:1.2em 0;max-width:620px}figure svg{display:block;height:auto}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}
th,td{padding:.3em .7em;border-bottom:1px solid var(--grid);text-align:right;vertical-align:top}th:first-child,td:first-child{text-align:left;padding-left:0;white-space:nowrap}th{font-weight:600;vertical-align:bottom}
td small{display:block;color:var(--soft);white-space:nowrap}td.none{color:var(--soft);font-style:italic;min-width:9em;max-width:18em}tr.other td{color:var(--soft);font-weight:600;text-align:left;padding-top:1em}
.verdict{border-left:4px solid var(--c2);padding:.1em 0 .1em .8em;margin:.6em 0}.failed{border-left:4px solid var(--c1);padding:.1em 0 .1em .8em}dl{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;font-size:.9rem;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media (max-width:520px){nav ul{columns:1}dl{grid-template-columns:1fr}dd{margin-bottom:.4em}}
)";
}

std::string table_html(const Table& table) {
  std::string out = "<h3>" + escaped(table.title) + "</h3>\n<div class=\"scroll\"><table>\n<thead><tr>";
  for (const Column& c : table.columns) out += "<th>" + escaped(c.title) + "</th>";
  out += "</tr></thead>\n<tbody>\n";
  std::string of;
  for (const Row& row : table.rows) {
    if (row.recorded != of) {
      of = row.recorded;
      out += "<tr class=\"other\"><td colspan=\"" + std::to_string(table.columns.size()) + "\">recorded on " +
             escaped(of) + "</td></tr>\n";
    }
    out += "<tr>";
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const Cell& c = row.cells[i];
      const std::string& unit = table.columns[i].unit;
      if (c.value.has_value()) {
        const std::string spread = spread_text(c, unit);
        out += "<td>" + escaped(quantity(*c.value, unit)) +
               (spread.empty() ? "" : "<small>" + escaped(spread) + "</small>") + "</td>";
      } else {
        out += (c.absent ? "<td class=\"none\">" : "<td>") + escaped(c.text) + "</td>";
      }
    }
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n";
  if (!table.note.empty()) out += "<p class=\"soft\">" + escaped(table.note) + "</p>\n";
  return out;
}

std::string section_html(const Section& s) {
  std::string out = "<section id=\"" + s.name + "\">\n<h2>" + escaped(s.title) + "</h2>\n<p class=\"claim\">" +
                    escaped(s.claim) + "</p>\n";
  if (!s.failure.empty()) {
    out += "<p class=\"failed\">This experiment stopped: " + escaped(s.failure) + "</p>\n";
  }
  for (const Chart& c : s.charts) out += "<figure>" + chart_inline(c) + "</figure>\n";
  out += "<h3>What to see</h3>\n<p>" + escaped(s.see) + "</p>\n";
  for (const std::string& v : s.verdicts) out += "<p class=\"verdict\">" + escaped(v) + "</p>\n";
  for (const Table& t : s.tables) out += table_html(t);
  for (const std::string& n : s.notes) out += "<p class=\"soft\">" + escaped(n) + "</p>\n";
  out += "<p class=\"soft\">Measured " + escaped(s.date) + ", in " + format("%.1f", s.seconds) +
         " s. Again: <code>backend_swap " + escaped(s.name) + "</code></p>\n</section>\n";
  return out;
}

}  // namespace

std::string html_page(const Results& r) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>backend_swap on " +
      escaped(r.machine.device) + "</title>\n<style>" + chart_style() + page_style() +
      "</style>\n</head>\n<body>\n<main>\n";
  out += "<h1>Where the speed comes from</h1>\n<p class=\"soft\">backend_swap on " + escaped(r.machine.device) + ", " +
         escaped(r.date) + (r.quick ? ", --quick" : "") + "</p>\n";
  out +=
      "<p>The same computations on one core with plain loops, on all cores, and on a GPU where there is one. Every "
      "figure was measured on this machine unless it is marked as recorded elsewhere or published: the median of "
      "several rounds after a warm-up, with the smallest and the largest round below it. Where a figure is missing, "
      "the cell says why.</p>\n";
  out += "<dl>\n";
  for (const auto& [name, value] : r.machine.facts) {
    out += "<dt>" + escaped(name) + "</dt><dd>" + escaped(value) + "</dd>\n";
  }
  out += "</dl>\n<nav><ul>\n";
  for (const Section& s : r.sections) {
    out += "<li><a href=\"#" + s.name + "\">" + escaped(s.title) + "</a></li>\n";
  }
  out += "</ul></nav>\n";
  for (const Section& s : r.sections) out += section_html(s);
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace lab
