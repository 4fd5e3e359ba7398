#pragma once
// How every measuring program of this folder is called, weft's and its peers' alike, so that run.py can interleave
// them:
//
//     bench_x                  lists its cases, one a line
//     bench_x CASE [SECONDS]   prints "median fastest cpu", the seconds of one call of CASE over slices of a run of
//                              SECONDS: on the clock, and the median of the processor time of all threads
//
// A call is warmed up first. A slice lasts at least 2 ms, so that reading the clock costs nothing. The processor time
// is what to look at on one thread of a machine that others use.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace bench {

struct Case {
  std::string name;
  /// Makes the data of the case and returns the call to be timed.
  std::function<std::function<void()>()> make;
};

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Of all threads of this process.
inline double processor_now() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

inline void measure(const std::function<void()>& call, double seconds) {
  call();
  double begin = now();
  int warm = 0;
  do {
    call();
    ++warm;
  } while (now() - begin < seconds / 5);
  const double each = (now() - begin) / warm;
  const int calls = std::max(1, static_cast<int>(2e-3 / each));
  std::vector<double> slices, processor;
  begin = now();
  do {
    const double start = now(), processor_start = processor_now();
    for (int i = 0; i < calls; ++i) call();
    slices.push_back((now() - start) / calls);
    processor.push_back((processor_now() - processor_start) / calls);
  } while (now() - begin < seconds || slices.size() < 3);
  std::printf("%.9g %.9g %.9g\n", median(slices), *std::min_element(slices.begin(), slices.end()), median(processor));
}

inline int run(int argc, char** argv, const std::vector<Case>& cases) {
  if (argc < 2) {
    for (const Case& c : cases) std::printf("%s\n", c.name.c_str());
    return 0;
  }
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0.5;
  for (const Case& c : cases) {
    if (c.name != argv[1]) continue;
    try {
      measure(c.make(), seconds);
      return 0;
    } catch (const std::exception& e) {  // a WEFT_CPU_ISA this machine does not have, for one
      std::fprintf(stderr, "%s\n", e.what());
      return 1;
    }
  }
  std::fprintf(stderr, "%s has no case \"%s\"; called without arguments it lists them\n", argv[0], argv[1]);
  return 2;
}

}  // namespace bench
