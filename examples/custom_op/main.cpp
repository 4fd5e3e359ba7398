// An operation of one's own: its forward, its gradient, the check of both, and a network that trains with it.
// Swish with a learned slope: y = x s(b x), where s is the sigmoid and b one number.

#include <cmath>
#include <cstdio>
#include <vector>

#include <weft/weft.h>

namespace nn = weft::nn;

struct Swish : weft::Function<Swish> {
  static constexpr const char* name = "swish";  // what error messages call it

  // Runs with gradients off: nothing in here is recorded, it could as well be a loop of your own over x.data<float>().
  static weft::Tensor forward(weft::FunctionContext& ctx, const weft::Tensor& x, const weft::Tensor& b) {
    ctx.save_for_backward({x, b});
    return x * weft::sigmoid(x * b);
  }

  // The gradients of x and b. Written with weft's functions, so it can be differentiated again; otherwise the struct
  // would say `static constexpr bool once_differentiable = true;`.
  static std::vector<weft::Tensor> backward(weft::FunctionContext& ctx, const std::vector<weft::Tensor>& dy) {
    const std::vector<weft::Tensor> saved = ctx.saved_tensors();
    const weft::Tensor &x = saved[0], &b = saved[1];
    const weft::Tensor s = weft::sigmoid(x * b);
    const weft::Tensor slope = s * (1 - s);
    weft::Tensor dx, db;
    if (ctx.needs_input_grad(0)) dx = dy[0] * (s + x * b * slope);
    if (ctx.needs_input_grad(1)) db = dy[0] * x * x * slope;  // of x's shape; summed to b's
    return {dx, db};
  }
};

// As a layer: the slope is a parameter like any other.
class SwishLayer : public nn::Module {
 public:
  weft::Tensor forward(const weft::Tensor& x) override { return Swish::apply(x, slope_); }
  std::string describe() const override { return "Swish()"; }

 private:
  weft::Tensor slope_ = register_parameter("slope", weft::ones({1}));
};

// Compared with central differences, in float64: the first derivative and the second.
bool gradient_is_right() {
  const weft::TensorOptions f64(weft::cpu(), weft::DType::float64);
  const std::vector<weft::Tensor> inputs = {weft::randn({4, 3}, f64).requires_grad_(),
                                            weft::full({1}, 0.7, f64).requires_grad_()};
  const auto swish = [](const std::vector<weft::Tensor>& in) { return Swish::apply(in[0], in[1]); };
  const weft::GradcheckResult first = weft::gradcheck(swish, inputs), second = weft::gradgradcheck(swish, inputs);
  if (!first) std::printf("first derivative: %s\n", first.message.c_str());
  if (!second) std::printf("second derivative: %s\n", second.message.c_str());
  return first && second;
}

int main() try {
  weft::manual_seed(1);
  if (!gradient_is_right()) return 1;
  std::printf("gradcheck and gradgradcheck agree\n");

  // Fit a sine.
  const weft::Tensor x = (weft::arange(0, 128) / 64.0 - 1).reshape({128, 1}) * 3;
  std::vector<float> wave;
  for (const float v : x.to_vector<float>()) wave.push_back(std::sin(2 * v));
  const weft::Tensor y = weft::from_vector(wave, {128, 1});
  nn::Sequential model{nn::Linear(1, 32), SwishLayer(), nn::Linear(32, 32), SwishLayer(), nn::Linear(32, 1)};
  nn::SGD optimizer(model.parameters(), {.lr = 0.05, .momentum = 0.9});
  double error = 0;
  for (int step = 0; step <= 1500; ++step) {
    const weft::Tensor difference = model(x) - y;
    const weft::Tensor loss = (difference * difference).mean();
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    error = loss.item();
    if (step % 500 == 0) std::printf("step %4d  mean squared error %.5f\n", step, error);
  }
  for (const auto& [name, parameter] : model.named_parameters()) {
    if (parameter.numel() == 1 && name.find("slope") != std::string::npos) {
      std::printf("%s was 1 and is %.3f\n", name.c_str(), parameter.item());
    }
  }
  return error < 0.01 ? 0 : 1;
} catch (const weft::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
