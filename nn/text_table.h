#pragma once
// Private: tables of words and numbers, for summary() and memory_report().

#include <cstdint>
#include <string>
#include <vector>

namespace weft::nn {

using TableRow = std::vector<std::string>;

/// Columns as wide as their widest cell; the first `words` of them are aligned left, the others right.
std::string text_table(const std::vector<TableRow>& rows, std::size_t words);

std::string with_commas(std::int64_t value);

/// "  fc: Linear(4, 2)": what names a module in a table, indented by its depth.
std::string tree_cell(const std::string& path, const std::string& layer);

}  // namespace weft::nn
