// backend_swap: where the speed comes from, in experiments that a reader runs on a machine of their own.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>

#include <weft/weft.h>

#include "console.h"
#include "experiment.h"
#include "isa_probe.h"
#include "options.h"
#include "output.h"
#include "overlay.h"
#include "units.h"

namespace {

/// Always the same four, so that tables of different machines have the same columns; what was not asked for or is not
/// there says so.
std::vector<lab::Place> places_for(const Options& options, int threads) {
  std::vector<lab::Place> places = {{"serial", weft::serial(), 1},
                                    {"cpu, 1 thread", weft::cpu(), 1},
                                    {"cpu, all threads", weft::cpu(), threads},
                                    {"cuda", weft::cuda(), threads}};
  for (lab::Place& p : places) {
    const std::string backend = weft::name(p.device.kind);
    if (std::find(options.backends.begin(), options.backends.end(), backend) == options.backends.end()) {
      p.why_not = "not measured: --backends leaves " + backend + " out";
      continue;
    }
    // The reason stands once, among the facts of the machine.
    if (!weft::backends::is_available(p.device)) p.why_not = "not measured on this machine";
  }
  return places;
}

std::vector<lab::Results> read_overlays(const Options& options) {
  std::vector<lab::Results> all;
  for (const std::string& path : options.overlays) all.push_back(lab::read_results(path));
  return all;
}

int make_report(const Options& options) {
  const std::string file = options.results.empty() ? options.out + "/results.json" : options.results;
  const lab::Results results = lab::read_results(file);
  const std::vector<lab::Results> overlays = read_overlays(options);
  std::string folder = options.out;
  if (!options.results.empty() && options.out == Options().out) {
    folder = std::filesystem::path(file).parent_path().string();
    if (folder.empty()) folder = ".";
  }
  lab::prepare_folder(folder);
  const std::vector<std::string> files = lab::write_report(folder, results, overlays);
  std::printf("wrote %s/report.html and %zu charts\n", folder.c_str(), files.size() - 1);
  return 0;
}

int run(const Options& options) {
  if (options.list) {
    for (const lab::Experiment& e : lab::experiments()) std::printf("%-13s %s\n", e.name, e.claim);
    return 0;
  }
  if (options.report) return make_report(options);

  // Everything that can be refused is refused before anything is measured.
  const std::vector<lab::Results> overlays = read_overlays(options);
  if (!options.data.empty() && options.data != "synthetic" && !std::filesystem::is_directory(options.data)) {
    throw weft::IoError(weft::ErrorCode::io_open, "--data", options.data + " is no folder");
  }
  lab::prepare_folder(options.out);
  const lab::Machine machine = lab::this_machine();
  lab::Results results = lab::earlier_results(options.out, machine);
  results.quick = options.quick;

  lab::Context context;
  context.quick = options.quick;
  context.threads = options.threads > 0 ? options.threads : weft::num_threads();
  context.places = places_for(options, context.threads);
  context.budget = lab::Budget(lab::limits_for(options.quick));
  context.out = options.out;
  context.data = options.data;
  context.limit = options.limit;
  context.sizes = options.sizes;
  weft::set_num_threads(context.threads);
  for (const auto& [name, value] : machine.facts) std::printf("%-16s %s\n", name.c_str(), value.c_str());

  bool failed = false;
  std::vector<std::string> files;
  for (const std::string& name : options.experiments) {
    std::printf("\n%s ...\n", name.c_str());
    std::fflush(stdout);
    lab::Section section = lab::run_experiment(*lab::find_experiment(name), context);
    failed = failed || !section.failure.empty();
    lab::Results shown = results;
    shown.sections = {section};
    for (const lab::Results& other : overlays) {
      lab::Results part = other;
      part.sections.clear();
      for (const lab::Section& s : other.sections) {
        if (s.name == name) part.sections.push_back(s);
      }
      lab::lay_over(shown, part);
    }
    std::printf("%s", lab::console_text(shown.sections[0]).c_str());
    std::fflush(stdout);
    lab::keep(results, std::move(section));
    lab::write_results(options.out, results);
    files = lab::write_report(options.out, results, overlays);
  }
  std::printf("\nwrote %s: results.json, report.html and %zu charts\n", options.out.c_str(), files.size() - 1);
  return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && argv[1] == std::string(lab::isa_probe_word)) return lab::isa_probe();
  Options options;
  const int status = parse_options(argc, argv, options);
  if (status >= 0) return status;
  try {
    return run(options);
  } catch (const lab::BadResults& e) {
    std::fprintf(stderr, "backend_swap: %s\n", e.what());
    return 2;
  } catch (const weft::IoError& e) {
    std::fprintf(stderr, "backend_swap: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "backend_swap: %s\n", e.what());
    return 1;
  }
}
