#include "options.h"

#include <algorithm>
#include <cstdio>

#include <CLI/CLI.hpp>

#include <weft/weft.h>

#include "experiment.h"
#include "units.h"

namespace {

std::string names_and_titles() {
  std::string out = "Experiments:\n";
  for (const lab::Experiment& e : lab::experiments()) out += lab::format("  %-13s %s\n", e.name, e.title);
  return out + lab::format("  %-13s %s\n", "all", "every one of them") +
         lab::format("  %-13s %s\n", "list", "prints this list") +
         lab::format("  %-13s %s\n", "report [FILE]", "makes report.html and the charts from a results.json again");
}

/// Sorts the words into options; throws CLI::ValidationError.
void read_words(const std::vector<std::string>& words, Options& options) {
  const auto refuse = [](const std::string& why) { throw CLI::ValidationError("experiment", why); };
  if (words.front() == "list") {
    options.list = true;
    if (words.size() > 1) refuse("list stands alone");
    return;
  }
  if (words.front() == "report") {
    options.report = true;
    if (words.size() > 2) refuse("report takes one file");
    if (words.size() == 2) options.results = words[1];
    return;
  }
  for (const std::string& word : words) {
    if (word != "all" && lab::find_experiment(word) == nullptr) {
      refuse("there is no experiment \"" + word + "\"; did you mean \"" + lab::nearest_name(word) +
             "\"? `backend_swap list` names them all");
    }
  }
  for (const lab::Experiment& e : lab::experiments()) {
    const bool asked =
        std::any_of(words.begin(), words.end(), [&](const std::string& w) { return w == "all" || w == e.name; });
    if (asked) options.experiments.emplace_back(e.name);
  }
}

}  // namespace

int parse_options(int argc, char** argv, Options& options) {
  CLI::App app(
      "Experiments that show, with figures of this machine, where the speed of a GPU comes from and where it does not "
      "pay.");
  app.set_version_flag("--version", weft::version());
  app.get_formatter()->column_width(30);
  app.option_defaults()->always_capture_default();
  app.footer(names_and_titles());

  std::vector<std::string> words;
  app.add_option("experiment", words, "one or more names, all, list, or report")->required()->type_name("");
  app.add_flag("--quick", options.quick,
               "at most 10 s for each experiment, 2 s for a figure; larger ones say how long they would take");
  app.add_option("--backends", options.backends, "which to measure")
      ->delimiter(',')
      ->take_all()
      ->check(CLI::IsMember({"serial", "cpu", "cuda"}));
  app.add_option("--threads", options.threads, "all threads of cpu; 0: $WEFT_NUM_THREADS, or every core")
      ->check(CLI::Range(0, 1024));
  app.add_option("--out", options.out,
                 "folder for results.json, report.html and the charts; sections of an earlier run on this machine stay")
      ->take_last();
  app.add_option("--overlay", options.overlays, "results.json of another machine, shown beside this one's");
  app.add_option(
         "--data", options.data,
         "folder with MNIST, or 'synthetic'. Without it: $WEFT_DATA_DIR/mnist, the user's cache, last synthetic digits")
      ->take_last();
  app.add_option("--limit", options.limit, "train: how many examples serial trains on; 0: as many as fit")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--sizes", options.sizes, "matmul: edge lengths instead of 16 .. 4096")
      ->delimiter(',')
      ->check(CLI::Range(2, 8192));

  try {
    app.parse(argc, argv);
    if (options.out.empty()) throw CLI::ValidationError("--out", "is empty");
    read_words(words, options);
    std::sort(options.sizes.begin(), options.sizes.end());
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return -1;
}
