#pragma once
// What the training experiments share: the digits, the network, one run taken apart into its phases.

#include <memory>
#include <string>
#include <vector>

#include <weft/weft.h>

#include "experiment.h"

namespace lab {

/// MNIST where it is, else synthetic digits, with a note in the section that says so. Looked for once.
const weft::FoundMnist& digits(const Context& context, Section& section);

/// pixels - width - width - 10 with ReLU between.
std::shared_ptr<weft::nn::Sequential> make_mlp(std::int64_t width);
/// Two convolutions with pooling, two fully connected layers: LeNet-5 with ReLU and max pooling.
std::shared_ptr<weft::nn::Sequential> make_lenet();

struct TrainingPlan {
  std::shared_ptr<weft::nn::Sequential> (*model)(std::int64_t width) = make_mlp;
  std::int64_t width = 128;
  std::int64_t batch = 64;
  std::int64_t examples = 0;
  int epochs = 2;
  std::int64_t tests = 2000;  ///< test digits; 0: accuracy is not looked at
  double lr = 0.1;            ///< SGD with momentum 0.9
  std::uint64_t seed = 1;
};

inline constexpr const char* phase_names[] = {"load", "copy", "forward", "backward", "optimiser"};
inline constexpr int phases = 5;

struct Training {
  double phase[phases] = {};   ///< seconds over all epochs; each phase waits for the device
  std::vector<double> epochs;  ///< seconds of each
  double accuracy = 0;         ///< percent of the test digits
};

/// Trains from the same weights, in the same order of batches, whatever the place.
Training train(const Place& place, const TrainingPlan& plan, const weft::FoundMnist& data);

/// Seconds of one step on random data, after a warm-up.
double step_seconds(const Place& place, const TrainingPlan& plan);

/// Returns a training step on random data as a call to be timed.
std::function<void()> make_step(weft::Device device, std::int64_t width, std::int64_t batch);

}  // namespace lab
