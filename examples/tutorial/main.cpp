// A network from nothing: learn to tell two interleaved spirals apart. Run it as `tutorial cpu` or `tutorial serial`:
// the device is one word.

#include <cmath>
#include <cstdio>
#include <vector>

#include <weft/weft.h>

namespace nn = weft::nn;

struct Points {
  weft::Tensor x;       // (n, 2) coordinates, float32
  weft::Tensor labels;  // (n) class 0 or 1, int64
};

Points two_spirals(int n, double noise, weft::Device device) {
  std::vector<float> x;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < n; ++i) {
    const double t = 1 + 9.0 * (i / 2) / (n / 2), turn = i % 2 == 0 ? 0 : M_PI;  // radius grows with the angle
    x.push_back(static_cast<float>(t / 10 * std::cos(t + turn)));
    x.push_back(static_cast<float>(t / 10 * std::sin(t + turn)));
    labels.push_back(i % 2);
  }
  const weft::Tensor shake = noise * weft::randn({n, 2}, device);  // a number and a tensor: no copy, no conversion
  return {weft::from_vector<float>(x, {n, 2}, device) + shake, weft::from_vector<std::int64_t>(labels, {n}, device)};
}

double accuracy(nn::Module& model, const Points& points) {
  const weft::NoGrad off;  // nothing is recorded in this scope
  const weft::Tensor hits = model(points.x).argmax(1) == points.labels;
  return hits.to(weft::DType::float32).mean().item();
}

int main(int argc, char** argv) try {
  const weft::Device device = weft::parse_device(argc > 1 ? argv[1] : "cpu");
  weft::manual_seed(1);  // the same numbers on every device
  const Points train = two_spirals(1000, 0.02, device), test = two_spirals(400, 0.02, device);

  nn::Sequential model{nn::Linear(2, 64), nn::ReLU(), nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 2)};
  model.to(device);
  nn::SGD optimizer(model.parameters(), {.lr = 0.1, .momentum = 0.9});

  for (int epoch = 0; epoch <= 30; ++epoch) {
    const weft::Tensor order = weft::randperm(1000, device);
    for (int start = 0; start < 1000; start += 50) {
      const weft::Tensor batch = order.narrow(0, start, 50);
      const weft::Tensor logits = model(weft::index_select(train.x, 0, batch));
      const weft::Tensor loss = weft::cross_entropy(logits, weft::index_select(train.labels, 0, batch));
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
    }
    if (epoch % 10 == 0) std::printf("epoch %2d  test accuracy %.1f %%\n", epoch, 100 * accuracy(model, test));
  }
  return accuracy(model, test) > 0.95 ? 0 : 1;
} catch (const weft::Error& error) {  // e.g. "tutorial cuda" where there is none
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
