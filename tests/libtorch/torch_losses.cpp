#include "libtorch/torch_functions.h"

namespace weft::test {
namespace {

using T = torch::Tensor;
using Ts = std::vector<torch::Tensor>;
namespace F = torch::nn::functional;

T class_weights(const T& x) { return torch::tensor({0.5, 2.0, 0.0, 1.25}, x.options().requires_grad(false)); }

F::CrossEntropyFuncOptions entropy(const Ts& x, bool weighted, std::int64_t ignored, double smoothing) {
  auto options = F::CrossEntropyFuncOptions().ignore_index(ignored).label_smoothing(smoothing);
  if (weighted) options.weight(class_weights(x[0]));
  return options;
}

}  // namespace

void add_torch_losses(std::map<std::string, TorchCall>& t) {
  t["cross_entropy/weight"] = [](const Ts& x) { return F::cross_entropy(x[0], x[1], entropy(x, true, -100, 0)); };
  t["cross_entropy/weight-sum"] = [](const Ts& x) {
    return F::cross_entropy(x[0], x[1], entropy(x, true, -100, 0).reduction(torch::kSum));
  };
  t["cross_entropy/ignore"] = [](const Ts& x) { return F::cross_entropy(x[0], x[1], entropy(x, false, 2, 0)); };
  t["cross_entropy/smoothing"] = [](const Ts& x) { return F::cross_entropy(x[0], x[1], entropy(x, false, -100, 0.1)); };
  t["cross_entropy/all-options"] = [](const Ts& x) { return F::cross_entropy(x[0], x[1], entropy(x, true, 3, 0.2)); };
  t["cross_entropy/all-options-none"] = [](const Ts& x) {
    return F::cross_entropy(x[0], x[1], entropy(x, true, 3, 0.2).reduction(torch::kNone));
  };
  t["cross_entropy/spatial"] = [](const Ts& x) { return F::cross_entropy(x[0], x[1]); };
  t["cross_entropy/spatial-options"] = [](const Ts& x) {
    return F::cross_entropy(x[0], x[1], entropy(x, true, 1, 0.1).reduction(torch::kNone));
  };
  t["nll_loss"] = t["nll_loss/spatial"] = [](const Ts& x) { return F::nll_loss(x[0], x[1]); };
  t["nll_loss/sum"] = [](const Ts& x) {
    return F::nll_loss(x[0], x[1], F::NLLLossFuncOptions().reduction(torch::kSum));
  };
  t["nll_loss/none"] = [](const Ts& x) {
    return F::nll_loss(x[0], x[1], F::NLLLossFuncOptions().ignore_index(1).reduction(torch::kNone));
  };
  t["nll_loss/options"] = [](const Ts& x) {
    return F::nll_loss(x[0], x[1], F::NLLLossFuncOptions().weight(class_weights(x[0])).ignore_index(3));
  };
  t["mse_loss"] = [](const Ts& x) { return torch::mse_loss(x[0], -x[1]); };
  t["mse_loss/sum"] = [](const Ts& x) { return torch::mse_loss(x[0], -x[1], at::Reduction::Sum); };
  t["mse_loss/none"] = [](const Ts& x) { return torch::mse_loss(x[0], -x[1], at::Reduction::None); };
  t["l1_loss"] = [](const Ts& x) { return torch::l1_loss(x[0], -x[1]); };
  t["l1_loss/sum"] = [](const Ts& x) { return torch::l1_loss(x[0], -x[1], at::Reduction::Sum); };
  t["l1_loss/none"] = [](const Ts& x) { return torch::l1_loss(x[0], -x[1], at::Reduction::None); };
  t["smooth_l1_loss"] = [](const Ts& x) { return torch::smooth_l1_loss(x[0], -x[1]); };
  t["smooth_l1_loss/beta"] = [](const Ts& x) { return torch::smooth_l1_loss(x[0], -x[1], at::Reduction::Sum, 0.5); };
  t["smooth_l1_loss/none"] = [](const Ts& x) { return torch::smooth_l1_loss(x[0], -x[1], at::Reduction::None); };
  t["smooth_l1_loss/beta-0"] = [](const Ts& x) { return torch::smooth_l1_loss(x[0], -x[1], at::Reduction::Mean, 0); };
  t["bce_with_logits"] = [](const Ts& x) {
    return torch::binary_cross_entropy_with_logits(x[0], torch::sigmoid(x[1]));
  };
  t["bce_with_logits/sum"] = [](const Ts& x) {
    return torch::binary_cross_entropy_with_logits(x[0], torch::sigmoid(x[1]), {}, {}, at::Reduction::Sum);
  };
  t["bce_with_logits/options"] = [](const Ts& x) {
    const auto plain = x[0].options().requires_grad(false);
    return torch::binary_cross_entropy_with_logits(x[0], torch::sigmoid(x[1]), torch::full({1}, 2, plain),
                                                   torch::full({1, 1}, 3, plain), at::Reduction::None);
  };
}

}  // namespace weft::test
