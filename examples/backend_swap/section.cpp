#include "section.h"

#include <utility>

namespace lab {

Cell text(std::string words) {
  Cell c;
  c.text = std::move(words);
  return c;
}

Cell absent(std::string why) {
  Cell c;
  c.absent = true;
  c.text = std::move(why);
  return c;
}

Cell exact(double value) {
  Cell c;
  c.value = c.low = c.high = value;
  return c;
}

Cell time_of(const Measured& m) {
  Cell c;
  c.value = m.median;
  c.low = m.low;
  c.high = m.high;
  c.rounds = m.rounds;
  return c;
}

Cell rate_of(const Measured& m, double work) {
  Cell c;
  c.value = work / m.median;
  c.low = work / m.high;
  c.high = work / m.low;
  c.rounds = m.rounds;
  return c;
}

Cell ratio_of(const Cell& numerator, const Cell& denominator) {
  if (!numerator.value.has_value()) return absent(numerator.text);
  if (!denominator.value.has_value()) return absent(denominator.text);
  Cell c;
  c.value = *numerator.value / *denominator.value;
  c.low = numerator.low / denominator.high;
  c.high = numerator.high / denominator.low;
  c.rounds = numerator.rounds < denominator.rounds ? numerator.rounds : denominator.rounds;
  return c;
}

Cell speedup_of(const Cell& slow, const Cell& fast) {
  return fast.value.has_value() ? ratio_of(slow, fast) : absent(fast.text);
}

bool clearly_smaller(const Cell& a, const Cell& b) {
  return a.value.has_value() && b.value.has_value() && a.high < b.low;
}

}  // namespace lab
