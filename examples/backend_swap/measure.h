#pragma once
// How every figure is taken: a warm-up apart, then rounds of enough calls that reading the clock costs nothing; the
// median, with the smallest and the largest round. On an asynchronous device `call` waits for it.

#include <functional>
#include <vector>

#include <weft/core/device.h>

namespace lab {

double now();  ///< seconds of the steady clock

struct Measured {
  double median = 0, low = 0, high = 0;  ///< seconds of one call
  int rounds = 0;
};

/// Measures for about `seconds`, at least `least` rounds however long they take, at most 101.
Measured measure(const std::function<void()>& call, double seconds, int least = 3);

/// The same of values that were collected elsewhere. At least one.
Measured summary_of(std::vector<double> values);

/// Passes over the same thing at different times, as one: the median of their medians, and the widest that was seen. A
/// processor has moods of seconds (its clock, who else computes on the other half of a core), which rounds that follow
/// each other do not show. At least one.
Measured across(const std::vector<Measured>& passes);

/// While it lives, weft computes on `threads` threads.
class Threads {
 public:
  explicit Threads(int threads);
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads();

 private:
  int before_;
};

/// Waits for what is queued on the device, and throws what went wrong there.
void finish(weft::Device device);

}  // namespace lab
