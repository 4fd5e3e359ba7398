#include "console.h"

#include <algorithm>

#include "units.h"

namespace lab {
namespace {

std::string wrapped(std::string words, const std::string& indent) {
  std::replace(words.begin(), words.end(), '\n', ' ');
  std::string out, line = indent;
  std::size_t begin = 0;
  while (begin < words.size()) {
    std::size_t end = words.find(' ', begin);
    if (end == std::string::npos) end = words.size();
    const std::string word = words.substr(begin, end - begin);
    if (length(line) + length(word) + 1 > 100 && line != indent) {
      out += line + "\n";
      line = indent;
    }
    line += (line == indent ? "" : " ") + word;
    begin = end + 1;
  }
  return out + line + "\n";
}

std::string padded(const std::string& words, std::size_t width, bool right) {
  const std::string space(width - std::min(width, length(words)), ' ');
  return right ? space + words : words + space;
}

std::string table_text(const Table& table) {
  constexpr std::size_t widest = 20;  // longer reasons become footnotes
  std::vector<std::string> footnotes;
  const auto reason = [&](const std::string& why) {
    const auto found = std::find(footnotes.begin(), footnotes.end(), why);
    const auto number = found - footnotes.begin() + 1;
    if (found == footnotes.end()) footnotes.push_back(why);
    return "[" + std::to_string(number) + "]";
  };
  std::vector<std::vector<std::string>> cells(table.rows.size());
  std::vector<std::size_t> width;
  for (const Column& c : table.columns) width.push_back(length(c.title));
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    for (std::size_t c = 0; c < table.rows[r].cells.size(); ++c) {
      const Cell& cell = table.rows[r].cells[c];
      std::string t = cell_text(cell, table.columns[c].unit);
      if (cell.absent && length(t) > widest) t = reason(t);
      width[c] = std::max(width[c], length(t));
      cells[r].push_back(std::move(t));
    }
  }
  std::string out = "\n  " + table.title + "\n";
  const auto put = [&](const std::vector<std::string>& line) {
    out += " ";
    for (std::size_t c = 0; c < line.size(); ++c)
      out += " " + padded(line[c], width[c], c > 0) + (c + 1 < line.size() ? " " : "");
    while (out.back() == ' ') out.pop_back();
    out += "\n";
  };
  std::vector<std::string> head;
  for (const Column& c : table.columns) head.push_back(c.title);
  put(head);
  std::string of;
  for (std::size_t r = 0; r < cells.size(); ++r) {
    if (table.rows[r].recorded != of) {
      of = table.rows[r].recorded;
      out += "  recorded on " + of + ":\n";
    }
    put(cells[r]);
  }
  for (std::size_t i = 0; i < footnotes.size(); ++i) {
    out += wrapped("[" + std::to_string(i + 1) + "] " + footnotes[i], "  ");
  }
  if (!table.note.empty()) out += wrapped(table.note, "  ");
  return out;
}

}  // namespace

std::string console_text(const Section& s) {
  std::string out = "\n" + s.name + ": " + s.title + "\n" + wrapped(s.claim, "  ");
  for (const Table& t : s.tables) out += table_text(t);
  if (!s.verdicts.empty() || !s.notes.empty()) out += "\n";
  for (const std::string& v : s.verdicts) out += wrapped("=> " + v, "  ");
  for (const std::string& n : s.notes) out += wrapped("note: " + n, "  ");
  if (!s.failure.empty()) out += wrapped("failed: " + s.failure, "  ");
  out += format("  (%.1f s)\n", s.seconds);
  return out;
}

}  // namespace lab
