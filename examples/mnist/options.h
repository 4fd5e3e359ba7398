#pragma once
// What train_mnist is told on the command line.

#include <cstdint>
#include <string>
#include <vector>

struct Options {
  std::string backend = "auto";
  std::string data;      ///< a folder with the four IDX files, "synthetic", or empty: look for it
  std::string download;  ///< a folder to download MNIST into and to train from
  int epochs = 10;
  std::int64_t limit = 0;  ///< training examples; 0 means all
  std::int64_t batch_size = 128;
  std::string model = "mlp";  ///< or "cnn": LeNet-5
  std::vector<std::int64_t> hidden = {512, 512};
  std::string optimizer = "sgd";
  double lr = 0.1;
  double momentum = 0.9;
  double dropout = 0;
  std::uint64_t seed = 1;
  int threads = 0;  ///< 0: every core, or WEFT_NUM_THREADS
  int workers = 1;
  std::string checkpoint;             ///< a folder
  std::int64_t checkpoint_every = 0;  ///< steps; 0: at the end of each epoch
  bool resume = false;
  std::string json;
  std::string trace;
  bool profile = false;
  std::string predictions;
};

/// Reads the command line. Returns the exit status when there is nothing to do (--help, a mistake), -1 to go on.
int parse_options(int argc, char** argv, Options& options);
