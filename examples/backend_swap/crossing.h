#pragma once
// Where one way becomes faster than another.

#include <optional>
#include <string>
#include <vector>

#include "section.h"

namespace lab {

struct Comparison {
  enum class Result { nothing_in_common, late_wins, early_wins, unclear };
  Result result = Result::nothing_in_common;
  double first = 0, last = 0;  ///< the sizes between which both were measured
  double clear_from = 0;       ///< late_wins: from this size on no spread leaves a doubt
  double factor = 1;           ///< time of early over time of late at the last size
  /// late_wins: from here on late is the faster, between two sizes where the times, taken as straight lines in the
  /// logarithms, meet. Nothing where it was so from the first size on, or where the smaller sizes leave it open.
  std::optional<double> where;

  /// "cpu overtakes serial at about n = 23; at n = 512 it is 96x as fast." Empty where nothing is in common.
  std::string sentence(const std::string& late, const std::string& early, const std::string& size_name) const;
};

/// Compares the times of two ways over the sizes. What the spreads at the last common size overlap in stays unclear.
Comparison compare(const std::vector<double>& sizes, const std::vector<Cell>& early, const std::vector<Cell>& late);

}  // namespace lab
