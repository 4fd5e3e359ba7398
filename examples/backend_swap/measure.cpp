#include "measure.h"

#include <algorithm>
#include <chrono>

#include <weft/weft.h>

namespace lab {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Measured summary_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  Measured m;
  m.median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  m.low = values.front();
  m.high = values.back();
  m.rounds = static_cast<int>(values.size());
  return m;
}

Measured across(const std::vector<Measured>& passes) {
  std::vector<double> medians;
  medians.reserve(passes.size());
  for (const Measured& p : passes) medians.push_back(p.median);
  Measured m = summary_of(std::move(medians));
  m.rounds = 0;
  for (const Measured& p : passes) {
    m.low = std::min(m.low, p.low);
    m.high = std::max(m.high, p.high);
    m.rounds += p.rounds;
  }
  return m;
}

Measured measure(const std::function<void()>& call, double seconds, int least) {
  double begin = now();
  call();
  double once = now() - begin;
  // Fast calls are warmed up for longer: the pool's threads wake, the clock rises, caches fill.
  const double warm = std::min(seconds / 5, 0.05);
  for (begin = now(); now() - begin < warm - once;) {
    const double start = now();
    call();
    once = std::min(once, now() - start);
  }
  const double round = std::clamp(seconds / 25, 1e-3, 2e-2);
  const int calls = std::max(1, static_cast<int>(std::min(round / std::max(once, 1e-9), 1e6)));
  std::vector<double> rounds;
  begin = now();
  while (static_cast<int>(rounds.size()) < least || (now() - begin < seconds && rounds.size() < 101)) {
    const double start = now();
    for (int i = 0; i < calls; ++i) call();
    rounds.push_back((now() - start) / calls);
  }
  return summary_of(std::move(rounds));
}

Threads::Threads(int threads) : before_(weft::num_threads()) { weft::set_num_threads(threads); }
Threads::~Threads() { weft::set_num_threads(before_); }

void finish(weft::Device device) { weft::backends::backend_for(device).synchronise(); }

}  // namespace lab
