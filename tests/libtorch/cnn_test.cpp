// A small CNN (strided, padded and grouped convolutions, batch norm, max and average pooling) from the same weights, by
// name, over three steps of SGD: output, the input's gradient and every parameter's as ||a - b|| / ||b||. tanh instead
// of ReLU, so that no sign of a rounding error decides.

#include "compare.h"

namespace weft::test {
namespace {

struct Net : nn::Module {
  nn::Ptr<nn::Conv2d> conv1 = register_module("conv1", nn::Conv2d(3, 8, 3, {.stride = 1, .padding = 1}));
  nn::Ptr<nn::BatchNorm2d> norm = register_module("norm", nn::BatchNorm2d(8));
  nn::Ptr<nn::Conv2d> conv2 =
      register_module("conv2", nn::Conv2d(8, 12, 3, {.stride = 2, .padding = 1, .dilation = 1, .groups = 4}));
  nn::Ptr<nn::Linear> head = register_module("head", nn::Linear(12 * 2 * 2, 5));

  Tensor forward(const Tensor& x) override {
    const Tensor h = max_pool2d(norm(conv1(x)).tanh(), 2);
    return head(avg_pool2d(conv2(h).tanh(), 2).flatten(1));
  }
};

struct TorchNet : torch::nn::Module {
  torch::nn::Conv2d conv1 = register_module("conv1", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 8, 3).padding(1)));
  torch::nn::BatchNorm2d norm = register_module("norm", torch::nn::BatchNorm2d(8));
  torch::nn::Conv2d conv2 =
      register_module("conv2", torch::nn::Conv2d(torch::nn::Conv2dOptions(8, 12, 3).stride(2).padding(1).groups(4)));
  torch::nn::Linear head = register_module("head", torch::nn::Linear(12 * 2 * 2, 5));

  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor h = torch::max_pool2d(norm(conv1(x)).tanh(), 2);
    return head(torch::avg_pool2d(conv2(h).tanh(), 2).flatten(1));
  }
};

template <class T>
void compare(Device device, double limit) {
  manual_seed(21);
  Net ours;
  ours.to(device, dtype_of<T>);
  TorchNet theirs;
  copy_by_name<T>(ours, theirs);
  nn::SGD sgd(ours.parameters(), {.lr = 0.1, .momentum = 0.9});
  torch::optim::SGD their_sgd(theirs.parameters(), torch::optim::SGDOptions(0.1).momentum(0.9));
  int compared = 0;
  for (int step = 0; step < 3; ++step) {
    Tensor x = randn({6, 3, 16, 16}, {device, dtype_of<T>}).requires_grad_();
    const Tensor labels = randint(0, 5, {6}, {device, DType::int64});
    const torch::Tensor their_x = to_torch<T>(x).requires_grad_();
    sgd.zero_grad();
    their_sgd.zero_grad();
    const Tensor y = ours(x);
    const torch::Tensor expected = theirs.forward(their_x);
    EXPECT_LE(distance<T>(y, expected), limit) << "step " << step;
    cross_entropy(y, labels).backward();
    torch::nn::functional::cross_entropy(expected, to_torch<std::int64_t>(labels)).backward();
    EXPECT_LE(distance<T>(x.grad(), their_x.grad()), limit) << "step " << step;
    const auto named = theirs.named_parameters();
    for (const auto& [name, tensor] : ours.named_parameters()) {
      // The bias before a batch norm has a gradient of zero but for rounding: nothing to divide by.
      if (std::string_view(name) == "conv1.bias") continue;
      EXPECT_LE(distance<T>(tensor.grad(), named.find(name)->grad()), limit) << name << ", step " << step;
      ++compared;
    }
    sgd.step();
    their_sgd.step();
  }
  EXPECT_EQ(compared, 3 * 7);
}

TEST(LibTorchCnn, Float32AgreesOnCpu) { compare<float>(cpu(), 1e-5); }
TEST(LibTorchCnn, Float64AgreesOnCpu) { compare<double>(cpu(), 1e-10); }
TEST(LibTorchCnn, Float32AgreesOnSerial) { compare<float>(serial(), 1e-5); }
TEST(LibTorchCnn, Float64AgreesOnSerial) { compare<double>(serial(), 1e-10); }

}  // namespace
}  // namespace weft::test
