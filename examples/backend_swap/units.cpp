#include "units.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <vector>

namespace lab {
namespace {

struct Scaled {
  double value;
  std::string unit;
};

Scaled scaled(double value, std::string_view unit) {
  const double size = std::fabs(value);
  if (unit == "B") {
    const char* names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int step = 0;
    double v = value;
    while (std::fabs(v) >= 1024 && step < 4) v /= 1024, ++step;
    return {v, names[step]};
  }
  if (unit == "s" || unit == "J") {
    const std::string u(unit);
    if (size >= 1 || size == 0) return {value, u};
    if (size >= 1e-3) return {value * 1e3, "m" + u};
    if (size >= 1e-6) return {value * 1e6, "u" + u};
    return {value * 1e9, "n" + u};
  }
  if (unit == "FLOP/s" || unit == "B/s" || unit == "1/s") {
    const char* prefixes[] = {"", "k", "M", "G", "T", "P"};
    int step = 0;
    double v = value;
    while (std::fabs(v) >= 1e3 && step < 5) v /= 1e3, ++step;
    if (unit == "1/s") return {v, std::string(prefixes[step]) + "/s"};
    return {v, prefixes[step] + std::string(unit)};
  }
  return {value, std::string(unit)};
}

std::string digits(double value, int significant) {
  if (value == 0) return "0";
  if (!std::isfinite(value)) return value > 0 ? "infinite" : "not a number";
  const double size = std::fabs(value);
  if (size >= 1e7 || size < 1e-4) return format("%.*e", significant - 1, value);
  const int whole = static_cast<int>(std::floor(std::log10(size))) + 1;
  const int behind = whole >= significant ? 0 : significant - whole;
  std::string t = format("%.*f", behind, value);
  return size >= 1e4 ? with_commas(std::llround(value)) : t;
}

std::string with_unit(const std::string& number, const std::string& unit) {
  if (unit.empty()) return number;
  return unit == "x" || unit == "%" ? number + (unit == "x" ? "x" : " %") : number + " " + unit;
}

std::string trimmed(std::string t) {  // 1.50 -> 1.5, 2.00 -> 2
  if (t.find('.') == std::string::npos || t.find('e') != std::string::npos) return t;
  while (t.back() == '0') t.pop_back();
  if (t.back() == '.') t.pop_back();
  return t;
}

}  // namespace

std::string format(const char* pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  va_list again;
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string out(static_cast<std::size_t>(size), '\0');
  std::vsnprintf(out.data(), out.size() + 1, pattern, again);
  va_end(again);
  return out;
}

std::size_t length(std::string_view utf8) {
  std::size_t n = 0;
  for (const char c : utf8) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return n;
}

std::string with_commas(long long value) {
  std::string digit = std::to_string(value);
  const int first = value < 0 ? 1 : 0;
  for (int i = static_cast<int>(digit.size()) - 3; i > first; i -= 3) digit.insert(static_cast<std::size_t>(i), ",");
  return digit;
}

std::string quantity(double value, std::string_view unit) {
  const Scaled s = scaled(value, unit);
  if (unit.empty() && value == std::floor(value) && std::fabs(value) < 1e15) {
    return std::fabs(value) < 1e4 ? format("%.0f", value) : with_commas(static_cast<long long>(value));
  }
  if (unit == "B" && std::fabs(value) < 1024 && value == std::floor(value)) return format("%.0f B", value);
  if (unit == "samples/s" && std::fabs(value) >= 1e3) {
    const double step = std::pow(10.0, std::floor(std::log10(std::fabs(value))) - 2);
    return with_commas(std::llround(std::round(value / step) * step)) + " samples/s";
  }
  if (unit == "%") return with_unit(format("%.2f", value), "%");
  return with_unit(digits(s.value, 3), s.unit);
}

std::string tick_text(double value, std::string_view unit) {
  if (unit == "samples/s") {  // the axis says so
    const double v = std::fabs(value);
    return trimmed(v >= 1e6   ? format("%.1f", value / 1e6)
                   : v >= 1e3 ? format("%.1f", value / 1e3)
                              : format("%g", value)) +
           (v >= 1e6   ? "M"
            : v >= 1e3 ? "k"
                       : "");
  }
  if (unit.empty() && value > 0 && value < 1e-3) {
    const double power = std::log10(value);
    if (std::fabs(power - std::round(power)) < 1e-9) return format("10^%.0f", power);
    return format("%.0e", value);
  }
  const Scaled s = scaled(value, unit);
  if (unit.empty() && std::fabs(value) >= 1e4) {
    const double power = std::log10(std::fabs(value));
    if (std::fabs(power - std::round(power)) < 1e-9) return format("10^%.0f", power);
    return value < 1e6 ? with_commas(static_cast<long long>(value)) : format("%.0e", value);
  }
  return with_unit(trimmed(digits(s.value, 3)), s.unit);
}

std::string spread_text(const Cell& cell, std::string_view unit) {
  if (!cell.value.has_value() || cell.rounds < 2) return "";
  const std::string low = quantity(cell.low, unit), high = quantity(cell.high, unit);
  const std::size_t cut = low.find(' '), same = high.find(' ');  // a common unit is written once
  const bool once = cut != std::string::npos && same != std::string::npos && low.substr(cut) == high.substr(same);
  return (once ? low.substr(0, cut) : low) + " .. " + high;
}

std::string cell_text(const Cell& cell, std::string_view unit) {
  if (!cell.value.has_value()) return cell.text;
  const std::string number = quantity(*cell.value, unit);
  if (cell.rounds < 2 || *cell.value == 0) return number;
  const auto percent = [&](double v) { return std::fabs(v / *cell.value - 1) * 100; };
  return number + format(" -%.0f +%.0f%%", percent(cell.low), percent(cell.high));
}

}  // namespace lab
