#include "options.h"

#include <string>

#include <CLI/CLI.hpp>

#include <weft/weft.h>

int parse_options(int argc, char** argv, Options& options) {
  CLI::App app("Trains a small causal transformer on text, character by character, and lets it write some.");
  app.set_version_flag("--version", weft::version());
  app.get_formatter()->column_width(30);
  app.option_defaults()->always_capture_default()->take_last();  // the later of two wins, as in most programs

  const char* what = "What to train on";
  app.add_option("--text", options.text, "a text file, or 'synthetic'. Without it: weft's own documentation")
      ->group(what);
  app.add_option("--backend", options.backend, "where to compute: serial, cpu, cuda or auto")->group(what);
  app.add_option("--threads", options.threads, "compute threads; 0: $WEFT_NUM_THREADS, or every core")
      ->check(CLI::Range(0, 1024))
      ->group(what);

  const char* network = "Network and training";
  const auto count = [&](const char* option, std::int64_t& value, const char* text) {
    app.add_option(option, value, text)->check(CLI::PositiveNumber)->group(network);
  };
  count("--steps", options.steps, "optimiser steps");
  count("--layers", options.layers, "transformer blocks");
  count("--heads", options.heads, "attention heads; they divide the width");
  count("--width", options.width, "features per character");
  count("--context", options.context, "characters seen at once");
  count("--batch", options.batch, "sequences per step");
  app.add_option("--lr", options.lr, "highest learning rate: a tenth of the steps of warm-up, then a cosine down to 0")
      ->check(CLI::NonNegativeNumber)
      ->group(network);
  app.add_option("--dropout", options.dropout, "probability of dropping attention weights and block outputs")
      ->check(CLI::Range(0.0, 0.999))
      ->group(network);
  app.add_option("--seed", options.seed, "of weights, batches, dropout and samples")->group(network);

  const char* results = "Results";
  app.add_option("--log-every", options.log_every, "steps between two lines")
      ->check(CLI::PositiveNumber)
      ->group(results);
  app.add_option("--sample", options.sample, "characters to write at the end; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->group(results);
  app.add_option("--prompt", options.prompt, "what the sample begins with")->group(results);
  app.add_option("--temperature", options.temperature, "of the sample: below 1 likelier, above 1 wilder")
      ->check(CLI::Range(0.01, 100.0))
      ->group(results);
  app.add_option("--json", options.json, "write figures of the run to this file")->group(results);

  try {
    app.parse(argc, argv);
    if (options.width % options.heads != 0) {
      throw CLI::ValidationError(
          "--heads", std::to_string(options.heads) + " does not divide --width " + std::to_string(options.width));
    }
    if (options.prompt.empty()) throw CLI::ValidationError("--prompt", "needs at least one character");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return -1;
}
