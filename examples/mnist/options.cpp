#include "options.h"

#include <string>

#include <CLI/CLI.hpp>

#include <weft/weft.h>

int parse_options(int argc, char** argv, Options& options) {
  CLI::App app("Trains a multi-layer perceptron or a LeNet-5 on MNIST and prints its accuracy on the test digits.");
  app.set_version_flag("--version", weft::version());
  app.get_formatter()->column_width(34);
  app.option_defaults()->always_capture_default()->take_last();  // the later of two wins, as in most programs

  app.add_option("--backend", options.backend, "where to compute: serial, cpu, cuda or auto")
      ->group("What to train on");
  app.add_option(
         "--data", options.data,
         "folder with the four MNIST files (plain or .gz), or 'synthetic'. Without it: $WEFT_DATA_DIR/mnist, the "
         "user's cache, a download into that cache, and last the built-in synthetic digits")
      ->group("What to train on");
  app.add_option("--download", options.download, "download MNIST into this folder and train on it")
      ->group("What to train on");
  app.add_option("--limit", options.limit, "use only the first N training examples; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->group("What to train on");

  app.add_option("--model", options.model, "mlp, or cnn: LeNet-5 with ReLU and max pooling")
      ->check(CLI::IsMember({"mlp", "cnn"}))
      ->group("Network and training");
  CLI::Option* hidden = app.add_option("--hidden", options.hidden, "widths of the mlp's hidden layers");
  hidden->take_all()->delimiter(',')->check(CLI::PositiveNumber)->group("Network and training");
  app.add_option("--dropout", options.dropout, "probability of dropping an input of a fully connected layer")
      ->check(CLI::Range(0.0, 0.999))
      ->group("Network and training");
  app.add_option("--epochs", options.epochs, "passes over the training data")
      ->check(CLI::PositiveNumber)
      ->group("Network and training");
  app.add_option("--batch-size", options.batch_size, "examples per step")
      ->check(CLI::PositiveNumber)
      ->group("Network and training");
  app.add_option("--optimizer", options.optimizer, "sgd, adam, adamw or rmsprop")
      ->check(CLI::IsMember({"sgd", "adam", "adamw", "rmsprop"}))
      ->group("Network and training");
  CLI::Option* lr =
      app.add_option("--lr", options.lr, "highest learning rate: half an epoch of warm-up, then a cosine down to 0")
          ->check(CLI::NonNegativeNumber)
          ->default_str("0.1 for sgd, 0.001 for the others")
          ->group("Network and training");
  CLI::Option* momentum = app.add_option("--momentum", options.momentum, "of sgd, below 1")
                              ->check(CLI::Range(0.0, 0.999999))
                              ->group("Network and training");
  app.add_option("--seed", options.seed, "of weights, dropout and the order of the examples")
      ->group("Network and training");

  app.add_option("--threads", options.threads, "compute threads; 0: $WEFT_NUM_THREADS, or every core")
      ->check(CLI::Range(0, 1024))
      ->group("Machine");
  app.add_option("--workers", options.workers, "background threads that prepare batches; 0: none")
      ->check(CLI::Range(0, 256))
      ->group("Machine");

  app.add_option("--checkpoint", options.checkpoint, "folder to keep checkpoints in")->group("Files");
  app.add_option("--checkpoint-every", options.checkpoint_every, "also every N steps; 0: after each epoch only")
      ->check(CLI::NonNegativeNumber)
      ->group("Files");
  app.add_flag("--resume", options.resume, "go on from the newest checkpoint in that folder, if there is one")
      ->group("Files");
  app.add_option("--json", options.json, "write figures of the run to this file")->group("Files");
  app.add_option("--trace", options.trace, "write a timeline of the run (its first million events) for ui.perfetto.dev")
      ->group("Files");
  app.add_flag("--profile", options.profile, "print, per operation, where the time went and what limits it")
      ->group("Files");
  app.add_option("--predictions", options.predictions,
                 "draw test digits with predictions as PNG; mistakes first, framed: 3>5 is a 5 taken for a 3")
      ->group("Files");

  try {
    app.parse(argc, argv);
    if (options.optimizer != "sgd") {
      if (lr->count() == 0) options.lr = 0.001;  // PyTorch's default for Adam and AdamW
      if (momentum->count() > 0) throw CLI::ValidationError("--momentum", "is an option of sgd alone");
      options.momentum = 0;
    }
    if (options.resume && options.checkpoint.empty()) {
      throw CLI::ValidationError("--resume", "needs --checkpoint DIR");
    }
    if (options.model != "mlp" && hidden->count() > 0) {
      throw CLI::ValidationError("--hidden", "belongs to --model mlp");
    }
    if (!options.data.empty() && !options.download.empty()) {
      throw CLI::ValidationError("--download", "and --data exclude each other");
    }
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return -1;
}
