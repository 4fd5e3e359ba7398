// The MLP from the same weights and the same batches: every gradient, per tensor, as ||a - b|| / ||b||: 1e-5 in float32
// (tanh, so that no sign of a ReLU decides), 1e-10 in float64; and the weights after ten steps of SGD with momentum.

#include "compare.h"

namespace weft::test {
namespace {

template <class T>
void compare(Device device, double limit, int steps) {
  manual_seed(11);
  const DType dtype = dtype_of<T>;
  const auto model = std::make_shared<nn::Sequential>();
  model->push_back(std::make_shared<nn::Linear>(784, 512));
  model->push_back(std::make_shared<nn::Tanh>());
  model->push_back(std::make_shared<nn::Linear>(512, 512));
  model->push_back(std::make_shared<nn::Tanh>());
  model->push_back(std::make_shared<nn::Linear>(512, 10));
  model->to(dtype);
  model->to(device);
  nn::SGD ours(model->parameters(), {.lr = 0.1, .momentum = 0.9});
  std::vector<torch::Tensor> weights;
  for (const Tensor& p : model->parameters()) weights.push_back(to_torch<T>(p).requires_grad_());
  torch::optim::SGD theirs(weights, torch::optim::SGDOptions(0.1).momentum(0.9));

  for (int step = 0; step < steps; ++step) {
    const Tensor x = rand({128, 784}, {device, dtype});
    const Tensor labels = randint(0, 10, {128}, {device, DType::int64});
    model->zero_grad();
    const Tensor loss = cross_entropy((*model)(x), labels);
    loss.backward();

    theirs.zero_grad();
    torch::Tensor h = to_torch<T>(x);
    for (std::size_t layer = 0; layer < 3; ++layer) {
      h = torch::linear(h, weights[2 * layer], weights[2 * layer + 1]);
      if (layer < 2) h = h.tanh();
    }
    const torch::Tensor expected = torch::nn::functional::cross_entropy(h, to_torch<std::int64_t>(labels));
    expected.backward();

    EXPECT_NEAR(loss.item(), expected.item<double>(), limit * expected.item<double>());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_LE(distance<T>(model->parameters()[i].grad(), weights[i].grad()), limit)
          << "step " << step << " tensor " << i;
    }
    ours.step();
    theirs.step();
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_LE(distance<T>(model->parameters()[i], weights[i]), limit)
        << "weights after " << steps << " steps, tensor " << i;
  }
}

TEST(LibTorchTraining, Float32GradientsAgreeOnCpu) { compare<float>(cpu(), 1e-5, 10); }
TEST(LibTorchTraining, Float64GradientsAgreeOnCpu) { compare<double>(cpu(), 1e-10, 10); }
TEST(LibTorchTraining, Float32GradientsAgreeOnSerial) { compare<float>(serial(), 1e-5, 2); }
TEST(LibTorchTraining, Float64GradientsAgreeOnSerial) { compare<double>(serial(), 1e-10, 2); }

}  // namespace
}  // namespace weft::test
