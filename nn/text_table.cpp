#include <weft/nn/text_table.h>

#include <algorithm>

#include <weft/core/message.h>

namespace weft::nn {

std::string text_table(const std::vector<TableRow>& rows, std::size_t words) {
  std::vector<std::size_t> widths(rows[0].size(), 0);
  for (const TableRow& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const TableRow& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - row[i].size(), ' ');
      line += i < words ? row[i] + pad + "  " : pad + row[i] + (i + 1 < row.size() ? "  " : "");
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return out;
}

std::string with_commas(std::int64_t value) {
  std::string digits = message(value);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

std::string tree_cell(const std::string& path, const std::string& layer) {
  const auto depth = static_cast<std::size_t>(std::count(path.begin(), path.end(), '.')) + (path.empty() ? 0 : 1);
  const std::string name = path.substr(path.rfind('.') + 1);
  return std::string(2 * depth, ' ') + (name.empty() ? "" : name + ": ") + layer;
}

}  // namespace weft::nn
