#include "train.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "model.h"

namespace nn = weft::nn;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

std::string exact(double value) {  // text that reads back to the same bits
  char text[40];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

double number(const weft::nn::Progress& progress, const std::string& name) {
  return std::strtod(progress.note(name, "0").c_str(), nullptr);
}

nn::WarmupCosineOptions schedule_for(const Options& options, std::int64_t steps_per_epoch) {
  return {.base_lr = options.lr, .warmup_steps = steps_per_epoch / 2, .total_steps = steps_per_epoch * options.epochs};
}

std::unique_ptr<nn::Optimizer> make_optimizer(const Options& options, const std::vector<weft::Tensor>& parameters) {
  if (options.optimizer == "adam") return std::make_unique<nn::Adam>(parameters, nn::AdamOptions{.lr = options.lr});
  if (options.optimizer == "adamw") return std::make_unique<nn::AdamW>(parameters, nn::AdamWOptions{.lr = options.lr});
  if (options.optimizer == "rmsprop") {
    return std::make_unique<nn::RMSprop>(parameters, nn::RMSpropOptions{.lr = options.lr});
  }
  return std::make_unique<nn::SGD>(parameters, nn::SGDOptions{.lr = options.lr, .momentum = options.momentum});
}

weft::LoaderOptions loading(const Options& options, weft::Device device) {
  return {.batch_size = options.batch_size,
          .shuffle = true,
          .workers = options.workers,
          .seed = options.seed,
          .device = device};
}

}  // namespace

Trainer::Trainer(const Options& options, weft::Device device, const weft::ImageDataset& train,
                 const weft::ImageDataset& test)
    : options_(options),
      device_(device),
      test_(test),
      model_((weft::manual_seed(options.seed),  // weights first: the same for any data set
              make_model(options, train.layout().input, train.num_classes()))),
      loader_(train, loading(options, device)),
      test_loader_(test, {.batch_size = 1000, .workers = 0, .device = device}),
      optimizer_(make_optimizer(options, model_->to(device).parameters())),
      schedule_(*optimizer_, schedule_for(options, loader_.batches_per_epoch())),
      identity_{{"model", options.model},
                {"data", train.name() + ", " + std::to_string(train.size()) + " examples"},
                {"dropout", std::to_string(options.dropout)}},
      progress_(options.epochs, loader_.batches_per_epoch()) {
  if (options.checkpoint.empty()) return;
  folder_ = std::make_unique<nn::CheckpointFolder>(options.checkpoint);
  if (options.resume && !resume()) progress_.note("no checkpoint in " + folder_->path() + " yet: starting anew");
}

bool Trainer::run(const std::function<bool()>& stop) {
  while (epoch_ < options_.epochs) {
    model_->train();
    const bool whole = run_epoch(mid_epoch_ ? loader_.rest_of_epoch() : loader_.epoch(epoch_), stop);
    mid_epoch_ = false;
    if (!whole) {
      if (folder_ != nullptr) save(loader_.state());
      return false;
    }
    finish_epoch();
    ++epoch_;
    running_ = {};
    if (folder_ != nullptr) {
      weft::LoaderState next = loader_.state();
      next.epoch = epoch_;
      next.batch = 0;
      save(next);
    }
  }
  return true;
}

bool Trainer::run_epoch(weft::DataLoader::Epoch batches, const std::function<bool()>& stop) {
  const double before = running_.seconds;
  const Clock::time_point begin = Clock::now();
  for (const weft::Batch& batch : batches) {
    train_on(batch);
    running_.seconds = before + seconds_since(begin);
    if (progress_.due()) show_progress(batch.number + 1);
    if (stop()) return false;
    const bool last = batch.number + 1 == loader_.batches_per_epoch();
    if (folder_ != nullptr && options_.checkpoint_every > 0 && !last &&
        schedule_.position() % options_.checkpoint_every == 0) {
      save(loader_.state());
    }
  }
  return true;
}

void Trainer::train_on(const weft::Batch& batch) {
  const double lr = optimizer_->lr();
  optimizer_->zero_grad();
  const weft::Tensor logits = (*model_)(batch.inputs);
  const weft::Tensor loss = weft::cross_entropy(logits, batch.targets);
  loss.backward();
  const double value = loss.item();
  if (!std::isfinite(value)) {
    throw weft::ValueError(weft::ErrorCode::value_out_of_range, "train_mnist",
                           "the loss is " + std::to_string(value) + " at step " + std::to_string(schedule_.position()) +
                               " (epoch " + std::to_string(epoch_ + 1) + ", batch " + std::to_string(batch.number) +
                               ", first example " + std::to_string(batch.indices[0]) + ", learning rate " +
                               std::to_string(lr) + "); a smaller --lr may help");
  }
  optimizer_->step();
  schedule_.step();
  const weft::NoGrad off;
  const auto examples = static_cast<double>(batch.size());
  running_.loss += value * examples;
  running_.hits += (logits.argmax(1) == batch.targets).sum().item();
  running_.examples += examples;
}

void Trainer::show_progress(std::int64_t step) {
  const double rate = running_.examples / running_.seconds;
  const double left = static_cast<double>(loader_.dataset().size()) * (options_.epochs - epoch_) - running_.examples;
  progress_.show(epoch_, step, running_.loss / running_.examples, running_.hits / running_.examples, rate, left / rate);
}

void Trainer::finish_epoch() {
  const std::vector<std::int64_t> predicted = predict_test();
  const std::vector<std::int64_t> truth = test_.labels().to_vector<std::int64_t>();
  double hits = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) hits += predicted[i] == truth[i] ? 1 : 0;
  EpochFigures figures;
  figures.train_loss = running_.loss / running_.examples;
  figures.test_accuracy = hits / static_cast<double>(truth.size());
  figures.seconds = running_.seconds;
  figures.samples_per_second = running_.examples / running_.seconds;
  figures_.push_back(figures);
  progress_.finish_epoch(epoch_, figures.train_loss, figures.test_accuracy, figures.seconds,
                         figures.samples_per_second);
}

std::vector<std::int64_t> Trainer::predict_test() {
  const weft::NoGrad off;
  model_->eval();
  std::vector<std::int64_t> predicted;
  for (const weft::Batch& batch : test_loader_.epoch(0)) {
    const std::vector<std::int64_t> classes = (*model_)(batch.inputs).argmax(1).to_vector<std::int64_t>();
    predicted.insert(predicted.end(), classes.begin(), classes.end());
  }
  return predicted;
}

weft::nn::MemoryReport Trainer::memory() {
  weft::DataLoader one(test_, {.batch_size = options_.batch_size, .workers = 0, .device = device_});
  model_->train();
  return weft::nn::memory_report(*model_, (*one.epoch(0).begin()).inputs, optimizer_.get());
}

void Trainer::save(const weft::LoaderState& position) {
  nn::Progress progress;
  progress.step = schedule_.position();
  progress.counters = {{"epoch", epoch_}};
  progress.identity = identity_;
  progress.notes = {{"loader", weft::to_string(position)},
                    {"loss", exact(running_.loss)},
                    {"hits", exact(running_.hits)},
                    {"examples", exact(running_.examples)},
                    {"seconds", exact(running_.seconds)}};
  for (std::size_t i = 0; i < figures_.size(); ++i) {
    const std::string prefix = "epoch." + std::to_string(i) + ".";
    progress.notes.emplace_back(prefix + "train_loss", exact(figures_[i].train_loss));
    progress.notes.emplace_back(prefix + "test_accuracy", exact(figures_[i].test_accuracy));
    progress.notes.emplace_back(prefix + "seconds", exact(figures_[i].seconds));
    progress.notes.emplace_back(prefix + "samples_per_second", exact(figures_[i].samples_per_second));
  }
  folder_->save({.model = model_.get(), .optimizer = optimizer_.get(), .schedule = &schedule_}, progress);
}

bool Trainer::resume() {
  const auto loaded =
      folder_->load_latest({.model = model_.get(), .optimizer = optimizer_.get(), .schedule = &schedule_}, identity_);
  if (!loaded) return false;
  for (const std::string& damaged : loaded->skipped) progress_.note("damaged, not used: " + damaged);
  const nn::Progress& progress = loaded->progress;
  const weft::LoaderState position = weft::parse_loader_state(progress.note("loader"));
  loader_.load_state(position);
  epoch_ = static_cast<int>(progress.counter("epoch"));
  mid_epoch_ = position.batch > 0;
  running_ = {number(progress, "loss"), number(progress, "hits"), number(progress, "examples"),
              number(progress, "seconds")};
  for (int i = 0; i < epoch_; ++i) {
    const std::string prefix = "epoch." + std::to_string(i) + ".";
    figures_.push_back({number(progress, prefix + "train_loss"), number(progress, prefix + "test_accuracy"),
                        number(progress, prefix + "seconds"), number(progress, prefix + "samples_per_second")});
  }
  progress_.note("resumed from " + loaded->path + ": step " + std::to_string(progress.step) + ", epoch " +
                 std::to_string(epoch_ + 1) + ", batch " + std::to_string(position.batch));
  return true;
}
