#pragma once
// What an experiment is, and the list of them. A new one: a file in experiments/, a line in experiments.cpp.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weft/core/device.h>

#include "budget.h"
#include "section.h"

namespace lab {

/// A backend with a number of threads: what the rows of most tables are.
struct Place {
  std::string name;  ///< "serial", "cpu, 1 thread", "cpu, all threads", "cuda"
  weft::Device device;
  int threads = 1;
  std::string why_not = {};  ///< empty: it is here. Otherwise why not, and its cells say so.

  bool here() const { return why_not.empty(); }
};

struct Context {
  bool quick = false;
  std::vector<Place> places;  ///< always the same four, those that cannot be had included
  int threads = 1;            ///< all
  Budget budget{limits_for(false)};
  std::string out;                  ///< a folder that exists, for files besides the report (traces)
  std::string data;                 ///< folder with MNIST, "synthetic", or empty: look for it
  std::int64_t limit = 0;           ///< examples that serial trains on; 0: as many as fit
  std::vector<std::int64_t> sizes;  ///< of matmul; empty: 16 .. 4096

  const Place& serial() const { return places[0]; }
  const Place& one_thread() const { return places[1]; }
  const Place& all_threads() const { return places[2]; }
  const Place& gpu() const { return places[3]; }
};

struct Experiment {
  const char* name;
  const char* title;
  const char* claim;  ///< one line
  const char* see;    ///< what to see, in plain words
  void (*run)(Context&, Section&);
};

const std::vector<Experiment>& experiments();
/// Null when there is none of that name.
const Experiment* find_experiment(std::string_view name);
/// Of the known names, with "all", "report" and "list", the closest one.
std::string nearest_name(std::string_view name);

/// Runs it: fills in the texts, the date and the seconds, and keeps what stopped it as the section's failure.
Section run_experiment(const Experiment& experiment, Context& context);

void run_matmul(Context&, Section&);
void run_train(Context&, Section&);
void run_cores(Context&, Section&);
void run_peaks(Context&, Section&);
void run_loading(Context&, Section&);
void run_vector_add(Context&, Section&);
void run_reduce(Context&, Section&);
void run_parity(Context&, Section&);
void run_precision(Context&, Section&);
void run_conv(Context&, Section&);
void run_timeline(Context&, Section&);
void run_processes(Context&, Section&);
void run_simt(Context&, Section&);

}  // namespace lab
