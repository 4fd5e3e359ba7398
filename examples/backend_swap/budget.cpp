#include "budget.h"

#include <algorithm>

#include "measure.h"
#include "units.h"

namespace lab {

constexpr int calls_at_least = 4;  // a warm-up and three rounds

Limits limits_for(bool quick) { return quick ? Limits{2, 9.5, 0.12} : Limits{}; }

Budget::Budget(Limits limits) : limits_(limits), begin_(now()) {}

double Budget::left() const { return limits_.experiment - (now() - begin_); }

double Budget::share(double once) const {
  return std::max(0.02, std::min({limits_.measure, limits_.cell - once, left() / 4}));
}

std::string Budget::refuse_run(double seconds) const {
  if (seconds <= limits_.cell && seconds <= left()) return "";
  return seconds < 10 ? format("not run (would take about %.1f s)", seconds)
                      : format("not run (would take about %s s)", with_commas(static_cast<long long>(seconds)).c_str());
}

std::string Budget::refuse(double once) const { return refuse_run(once * calls_at_least); }

}  // namespace lab
