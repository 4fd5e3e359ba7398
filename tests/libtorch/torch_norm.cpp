// Normalisation.

#include "libtorch/torch_functions.h"

namespace weft::test {
namespace {

using T = torch::Tensor;
using Ts = std::vector<torch::Tensor>;

T at(const Ts& x, std::size_t i) { return x.size() > i ? x[i] : T(); }

}  // namespace

void add_norm_functions(std::map<std::string, TorchCall>& table) {
  const auto layer = [&](const char* name, std::int64_t axes) {
    table[name] = [axes](const Ts& x) {
      return torch::layer_norm(x[0], x[0].sizes().slice(static_cast<std::size_t>(x[0].dim() - axes)), at(x, 1),
                               at(x, 2), 0.5);
    };
  };
  layer("layer_norm", 1);
  layer("layer_norm/plain", 1);
  layer("layer_norm/two-axes", 2);
  layer("layer_norm/everything", 1);
  for (const char* name : {"batch_norm", "batch_norm/plain", "batch_norm/image"}) {
    table[name] = [](const Ts& x) {
      return torch::batch_norm(x[0], at(x, 1), at(x, 2), {}, {}, true, 0.1, 0.5, false);
    };
  }
  for (const char* name : {"batch_norm/evaluation", "batch_norm/evaluation-plain"}) {
    table[name] = [](const Ts& x) {
      const T mean = torch::full({x[0].size(1)}, 0.25, x[0].options().requires_grad(false));
      const T variance = torch::full({x[0].size(1)}, 1.5, x[0].options().requires_grad(false));
      return torch::batch_norm(x[0], at(x, 1), at(x, 2), mean, variance, false, 0.1, 0.5, false);
    };
  }
  for (const char* name : {"group_norm", "group_norm/plain", "group_norm/instance"}) {
    table[name] = [](const Ts& x) {
      TORCH_CHECK(x[0].numel() != 0, "its gradients of nothing are NaN, ours are 0");
      return torch::group_norm(x[0], 2, at(x, 1), at(x, 2), 0.5, false);
    };
  }
}

}  // namespace weft::test
