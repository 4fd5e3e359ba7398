// A data set of one's own, changed at random while it is loaded, split, and learned by a small network.
// The pictures are rings, crosses and squares of 20 x 20 bytes, drawn when they are asked for: nothing is kept.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <weft/weft.h>

namespace nn = weft::nn;
namespace transforms = weft::transforms;

class Shapes : public weft::Dataset {
 public:
  std::int64_t size() const override { return 3000; }

  // What one example looks like: bytes (channels, rows, columns), and a class number.
  weft::ExampleLayout layout() const override {
    return {
        .input = {1, side, side}, .input_dtype = weft::DType::uint8, .target = {}, .target_dtype = weft::DType::int64};
  }

  // Writes example `index` straight into the batch. Called by several threads at once, so it must not change anything;
  // its random numbers follow from the index alone.
  void get(std::int64_t index, const weft::ExampleSlot& slot) const override {
    weft::RandomStream random = weft::RandomStream(2024).child(index);
    const std::int64_t kind = index % 3;
    const double radius = random.uniform(4, 7), bright = random.uniform(120, 255);
    const auto pixels = slot.input<std::uint8_t>();
    for (std::int64_t y = 0; y < side; ++y) {
      for (std::int64_t x = 0; x < side; ++x) {
        const double dy = std::abs(static_cast<double>(y) - 9.5), dx = std::abs(static_cast<double>(x) - 9.5);
        const double edge = kind == 0   ? std::hypot(dx, dy) - radius                         // a ring
                            : kind == 1 ? (std::max(dx, dy) > radius ? 9 : std::min(dx, dy))  // a cross
                                        : std::max(dx, dy) - radius;                          // a square
        const double ink = std::abs(edge) < 1 ? bright : 0, noise = random.uniform(0, 60);
        pixels[static_cast<std::size_t>(y * side + x)] = static_cast<std::uint8_t>(std::min(255.0, ink + noise));
      }
    }
    slot.target<std::int64_t>()[0] = kind;
  }

  std::string name() const override { return "rings, crosses and squares"; }

 private:
  static constexpr std::int64_t side = 20;
};

double accuracy(nn::Module& model, weft::DataLoader& loader) {
  const weft::NoGrad off;
  double right = 0;
  for (const weft::Batch& batch : loader.epoch(0)) {
    right += (model(batch.inputs).argmax(1) == batch.targets).to(weft::DType::float32).sum().item();
  }
  return right / static_cast<double>(loader.dataset().size());
}

int main() try {
  weft::manual_seed(1);
  // 80 % to learn from, 20 % to be asked about. The numbers a transform draws follow from seed, epoch and example, so
  // every run trains on the same pictures, with any number of workers.
  const std::vector<weft::Subset> parts = weft::random_split(Shapes(), {0.8, 0.2}, 1);
  const weft::TransformedDataset train(
      parts[0], transforms::Compose{transforms::RandomAffine({.degrees = 20, .min_scale = 0.8, .max_scale = 1.2}),
                                    transforms::RandomCrop(20, 20, {.padding = 2}), transforms::RandomHorizontalFlip(),
                                    transforms::Normalize({0.2}, {0.25})});
  const weft::TransformedDataset test(parts[1], transforms::Normalize({0.2}, {0.25}));
  weft::DataLoader loader(train, {.batch_size = 64, .shuffle = true, .workers = 2, .seed = 1});
  weft::DataLoader questions(test, {.batch_size = 200, .workers = 2});

  nn::Sequential model{nn::Flatten(), nn::Linear(400, 64), nn::ReLU(), nn::Linear(64, 3)};
  nn::SGD optimizer(model.parameters(), {.lr = 0.05, .momentum = 0.9});
  for (int epoch = 0; epoch < 8; ++epoch) {
    double total = 0;
    for (const weft::Batch& batch : loader.epoch(epoch)) {
      const weft::Tensor loss = weft::cross_entropy(model(batch.inputs), batch.targets);
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      total += loss.item();
    }
    std::printf("epoch %d  loss %.3f  test accuracy %.1f %%\n", epoch + 1,
                total / static_cast<double>(loader.batches_per_epoch()), 100 * accuracy(model, questions));
  }
  return accuracy(model, questions) > 0.95 ? 0 : 1;
} catch (const weft::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
