// The exclusive or of two inputs, learned by a network with one hidden layer.

#include <cstdio>

#include <weft/weft.h>

int main() {
  weft::manual_seed(1);
  const auto inputs = weft::tensor({0, 0, 0, 1, 1, 0, 1, 1}).reshape({4, 2});
  const auto labels = weft::tensor({0, 1, 1, 0}, weft::DType::int64);

  weft::nn::Sequential model{weft::nn::Linear(2, 16), weft::nn::Tanh(), weft::nn::Linear(16, 2)};
  weft::nn::SGD optimizer(model.parameters(), {.lr = 0.5, .momentum = 0.9});

  double first = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    const auto loss = weft::cross_entropy(model(inputs), labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    last = loss.item<float>();
    if (step == 0) first = last;
  }
  std::printf("weft %s: the loss fell from %.4f to %.4f\n", weft::version(), first, last);
  return last < 0.01 ? 0 : 1;
}
