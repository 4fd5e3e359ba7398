#pragma once
// The training loop of train_mnist.

#include <functional>
#include <memory>
#include <vector>

#include <weft/weft.h>

#include "options.h"
#include "progress.h"
#include "report.h"

class Trainer {
 public:
  Trainer(const Options& options, weft::Device device, const weft::ImageDataset& train, const weft::ImageDataset& test);

  /// Trains what is left of the epochs. False when `stop` asked for an end: the state is saved, if there is a folder.
  bool run(const std::function<bool()>& stop);

  const std::vector<EpochFigures>& epochs() const { return figures_; }
  weft::LoaderStats waits() const { return loader_.stats(); }
  std::int64_t parameters() const { return model_->num_parameters(); }
  /// The class of every test digit, as the network sees it now.
  std::vector<std::int64_t> predict_test();
  /// What one training step keeps in memory, by layer and kind.
  weft::nn::MemoryReport memory();

 private:
  struct Running {  // sums over the examples of the current epoch
    double loss = 0, hits = 0, examples = 0, seconds = 0;
  };

  bool run_epoch(weft::DataLoader::Epoch batches, const std::function<bool()>& stop);
  void train_on(const weft::Batch& batch);
  void finish_epoch();
  void show_progress(std::int64_t step);
  void save(const weft::LoaderState& position);
  bool resume();

  const Options& options_;
  weft::Device device_;
  weft::ImageDataset test_;
  std::shared_ptr<weft::nn::Sequential> model_;
  weft::DataLoader loader_;
  weft::DataLoader test_loader_;
  std::unique_ptr<weft::nn::Optimizer> optimizer_;
  weft::nn::WarmupCosine schedule_;
  std::unique_ptr<weft::nn::CheckpointFolder> folder_;
  weft::nn::RunIdentity identity_;
  Progress progress_;

  int epoch_ = 0;
  bool mid_epoch_ = false;  // resumed inside an epoch
  Running running_;
  std::vector<EpochFigures> figures_;
};
