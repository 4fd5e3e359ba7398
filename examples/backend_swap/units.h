#pragma once
// Numbers for people. No locale, the same text everywhere.

#include <string>
#include <string_view>

#include "section.h"

namespace lab {

/// 0.00123 s -> "1.23 ms", 2.1e11 FLOP/s -> "210 GFLOP/s", 1536 B -> "1.5 KiB", 3.4 x -> "3.4x". Three digits.
std::string quantity(double value, std::string_view unit);
/// The same for a tick: as short as it can be.
std::string tick_text(double value, std::string_view unit);
/// "1.23 ms -2 +6%": the median, and how far below and above it rounds were; or the words of the cell.
std::string cell_text(const Cell& cell, std::string_view unit);
/// The spread alone, "1.20 .. 1.31 ms"; empty where there is none.
std::string spread_text(const Cell& cell, std::string_view unit);
/// 60000 -> "60,000"
std::string with_commas(long long value);
/// printf into a string.
std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
/// Characters of a UTF-8 text.
std::size_t length(std::string_view utf8);

}  // namespace lab
