#include "crossing.h"

#include <cmath>

#include "units.h"

namespace lab {

Comparison compare(const std::vector<double>& sizes, const std::vector<Cell>& early, const std::vector<Cell>& late) {
  Comparison c;
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (early[i].value.has_value() && late[i].value.has_value()) at.push_back(i);
  }
  if (at.empty()) return c;
  const std::size_t last = at.back();
  c.first = sizes[at.front()];
  c.last = sizes[last];
  c.factor = *early[last].value / *late[last].value;
  c.result = clearly_smaller(late[last], early[last])   ? Comparison::Result::late_wins
             : clearly_smaller(early[last], late[last]) ? Comparison::Result::early_wins
                                                        : Comparison::Result::unclear;
  if (c.result != Comparison::Result::late_wins) return c;
  c.clear_from = sizes[last];
  for (std::size_t i = at.size(); i > 0 && clearly_smaller(late[at[i - 1]], early[at[i - 1]]); --i) {
    c.clear_from = sizes[at[i - 1]];
  }
  const auto lead = [&](std::size_t i) { return std::log(*early[i].value / *late[i].value); };
  for (std::size_t i = at.size() - 1; i > 0; --i) {
    const std::size_t before = at[i - 1], here = at[i];
    if (lead(before) > 0) continue;
    const double share = -lead(before) / (lead(here) - lead(before));
    c.where = std::exp(std::log(sizes[before]) + share * (std::log(sizes[here]) - std::log(sizes[before])));
    break;
  }
  return c;
}

std::string Comparison::sentence(const std::string& late, const std::string& early,
                                 const std::string& size_name) const {
  const auto at = [&](double size) { return size_name + " = " + quantity(std::round(size), ""); };
  switch (result) {
    case Result::nothing_in_common:
      return "";
    case Result::early_wins:
      return "Up to " + at(last) + " " + early + " stays faster than " + late + ".";
    case Result::unclear:
      return "Up to " + at(last) + " the spread does not allow to say whether " + late + " or " + early +
             " is the faster.";
    case Result::late_wins:
      break;
  }
  const std::string end = "; at " + at(last) + " it is " + quantity(factor, "x") + " as fast.";
  if (where.has_value()) return late + " overtakes " + early + " at about " + at(*where) + end;
  if (clear_from > first) {
    return late + " is faster than " + early + " from " + at(clear_from) +
           " on, below which the spread does not allow to say" + end;
  }
  return late + " is faster than " + early + " at every size from " + at(first) + " on" + end;
}

}  // namespace lab
