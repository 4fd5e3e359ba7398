#include "budget.h"

#include <algorithm>
#include <cmath>

#include "measure.h"
#include "units.h"

namespace lab {

constexpr int calls_at_least = 4;  // a warm-up and three rounds

Limits limits_for(bool quick) { return quick ? Limits{2, 9.5, 0.08} : Limits{}; }

Budget::Budget(Limits limits) : limits_(limits), begin_(now()) {}

double Budget::left() const { return limits_.experiment - (now() - begin_); }

double Budget::share(double once) const {
  return std::max(0.02, std::min({limits_.measure, limits_.cell - once, left() / 4}));
}

std::string Budget::refuse_run(double seconds) const {
  if (seconds <= limits_.cell && seconds <= left()) return "";
  const std::string about = seconds < 10 ? format("would take about %.1f s", seconds)
                                         : "would take about " + with_commas(std::llround(seconds)) + " s";
  if (seconds > limits_.cell) return "not run (" + about + ")";
  return format("not run (the %.0f s of the experiment are used up; ", limits_.experiment) + about + ")";
}

std::string Budget::refuse(double once) const { return refuse_run(once * calls_at_least); }

}  // namespace lab
