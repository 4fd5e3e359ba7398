#include "libtorch/torch_functions.h"

namespace weft::test {
namespace {

using Ts = std::vector<torch::Tensor>;

}  // namespace

void add_torch_elementwise(std::map<std::string, TorchCall>& t) {
  t["expm1"] = [](const Ts& x) { return torch::expm1(x[0]); };
  t["log1p"] = [](const Ts& x) { return torch::log1p(x[0]); };
  t["rsqrt"] = [](const Ts& x) { return torch::rsqrt(x[0]); };
  t["square"] = [](const Ts& x) { return torch::square(x[0]); };
  t["sin"] = [](const Ts& x) { return torch::sin(x[0]); };
  t["cos"] = [](const Ts& x) { return torch::cos(x[0]); };
  t["erf"] = [](const Ts& x) { return torch::erf(x[0]); };
  t["floor"] = [](const Ts& x) { return torch::floor(x[0]); };
  t["ceil"] = [](const Ts& x) { return torch::ceil(x[0]); };
  t["round"] = [](const Ts& x) { return torch::round(x[0]); };
  t["silu"] = [](const Ts& x) { return torch::silu(x[0]); };
  t["leaky_relu"] = [](const Ts& x) { return torch::leaky_relu(x[0]); };
  t["leaky_relu/slope"] = [](const Ts& x) { return torch::leaky_relu(x[0], -0.3); };
  t["elu"] = [](const Ts& x) { return torch::elu(x[0]); };
  t["elu/alpha"] = [](const Ts& x) { return torch::elu(x[0], 0.7); };
  t["gelu"] = [](const Ts& x) { return torch::gelu(x[0]); };
  t["gelu/tanh"] = [](const Ts& x) { return torch::gelu(x[0], "tanh"); };
  t["softplus"] = [](const Ts& x) { return torch::softplus(x[0]); };
  t["softplus/threshold"] = [](const Ts& x) { return torch::softplus(x[0], 2, 5.01); };
  t["clamp/real"] = [](const Ts& x) { return torch::clamp(torch::tanh(x[0]), -0.3, 0.7); };
  t["clamp"] = [](const Ts& x) { return torch::clamp(x[0], 0, 2); };
  t["clamp/min"] = [](const Ts& x) { return torch::clamp_min(x[0], 1); };
  t["clamp/max"] = [](const Ts& x) { return torch::clamp_max(x[0], 1); };
  t["isnan"] = [](const Ts& x) { return torch::isnan(x[0]); };
  t["isinf"] = [](const Ts& x) { return torch::isinf(x[0]); };
  t["isfinite"] = [](const Ts& x) { return torch::isfinite(x[0]); };
  for (const char* suffix : {"", "/row", "/column", "/outer", "/rank-0"}) {
    t[std::string("pow") + suffix] = [](const Ts& x) { return torch::pow(x[0], x[1]); };
  }
  t["pow/tensor-number"] = t["pow/cube"] = [](const Ts& x) { return torch::pow(x[0], 3); };
  t["pow/number-tensor"] = [](const Ts& x) { return torch::pow(2, x[0]); };
  t["pow/square"] = [](const Ts& x) { return torch::pow(x[0], 2); };
  t["pow/zero"] = [](const Ts& x) { return torch::pow(x[0], 0); };
  t["pow/inverse"] = [](const Ts& x) { return torch::pow(x[0], -1.5); };
  t["lerp"] = [](const Ts& x) { return torch::lerp(x[0], x[1], x[2]); };
  t["lerp/number"] = [](const Ts& x) { return torch::lerp(x[0], x[1], 0.25); };
  t["lerp/late"] = [](const Ts& x) { return torch::lerp(x[0], x[1], 0.75); };
}

}  // namespace weft::test
