// Attention. LibTorch 1.13 has no public function; its formula, with rows that may look at nothing set to 0.

#include <algorithm>
#include <cmath>

#include "libtorch/torch_functions.h"

namespace weft::test {
namespace {

using T = torch::Tensor;
using Ts = std::vector<torch::Tensor>;

T attend(const Ts& x, const T& allowed, const T& bias, double scale) {
  T scores = torch::matmul(x[0], x[1].transpose(-2, -1)) * scale;
  if (bias.defined()) scores = scores + bias;
  if (!allowed.defined()) return torch::matmul(torch::softmax(scores, -1), x[2]);
  const T weights = torch::softmax(scores.masked_fill(allowed.logical_not(), -1e30), -1);
  return torch::matmul(weights.masked_fill(allowed.logical_not(), 0), x[2]);
}

double usual(const Ts& x) { return 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(x[0].size(-1), 1))); }

T lower(const Ts& x) { return torch::ones({x[0].size(-2), x[1].size(-2)}, torch::kBool).tril(); }

}  // namespace

void add_attention_functions(std::map<std::string, TorchCall>& table) {
  const std::string name = "scaled_dot_product_attention";
  for (const char* suffix : {"", "/matrices", "/heads"}) {
    table[name + suffix] = [](const Ts& x) { return attend(x, {}, {}, usual(x)); };
  }
  for (const char* suffix : {"/causal", "/causal-long"}) {
    table[name + suffix] = [](const Ts& x) { return attend(x, lower(x), {}, usual(x)); };
  }
  for (const char* suffix : {"/mask", "/padding"}) {
    table[name + suffix] = [](const Ts& x) { return attend(x, x[3], {}, usual(x)); };
  }
  table[name + "/bias"] = [](const Ts& x) { return attend(x, {}, x[3], usual(x)); };
  table[name + "/padding-causal"] = [](const Ts& x) { return attend(x, x[3].logical_and(lower(x)), {}, usual(x)); };
  table[name + "/nothing"] = [](const Ts& x) {
    T allowed = torch::ones({x[0].size(-2), x[1].size(-2)}, torch::kBool);
    allowed[0].fill_(false);
    return attend(x, allowed, {}, usual(x));
  };
  table[name + "/scale"] = [](const Ts& x) { return attend(x, {}, {}, 0.25); };
}

}  // namespace weft::test
