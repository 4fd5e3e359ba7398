#include "libtorch/torch_functions.h"

namespace weft::test {
namespace {

using T = torch::Tensor;
using Ts = std::vector<torch::Tensor>;
namespace F = torch::nn::functional;

void add_binary(std::map<std::string, TorchCall>& table, const std::string& name, T (*function)(const T&, const T&)) {
  for (const char* suffix : {"", "/row", "/column", "/outer", "/rank-0"}) {
    table[name + suffix] = [function](const Ts& x) { return function(x[0], x[1]); };
  }
  table[name + "/tensor-number"] = [function](const Ts& x) {
    return function(x[0], torch::full({}, 3, x[0].options()));
  };
  table[name + "/number-tensor"] = [function](const Ts& x) {
    return function(torch::full({}, 2, x[0].options()), x[0]);
  };
}

/// LibTorch has no argmax of bool.
T ordered(const T& x) { return x.scalar_type() == torch::kBool ? x.to(torch::kUInt8) : x; }

/// whole(x) reduces everything, some(x, axes, keepdim) the axes named.
template <class Whole, class Some>
void add_reduction(std::map<std::string, TorchCall>& table, const std::string& name, Whole whole, Some some) {
  for (const char* suffix : {"", "/rank-0", "/long"})
    table[name + suffix] = [whole](const Ts& x) { return whole(x[0]); };
  table[name + "/rows"] = [some](const Ts& x) { return some(x[0], std::vector<std::int64_t>{-1}, false); };
  table[name + "/columns"] = [some](const Ts& x) { return some(x[0], std::vector<std::int64_t>{0}, true); };
  table[name + "/middle"] = [some](const Ts& x) { return some(x[0], std::vector<std::int64_t>{1}, false); };
  table[name + "/apart"] = [some](const Ts& x) { return some(x[0], std::vector<std::int64_t>{0, 2}, true); };
}

}  // namespace

const std::map<std::string, TorchCall>& torch_functions() {
  static const auto& all = *[] {
    auto* made = new std::map<std::string, TorchCall>;
    auto& t = *made;
    t["neg"] = [](const Ts& x) { return torch::neg(x[0]); };
    t["abs"] = [](const Ts& x) { return torch::abs(x[0]); };
    t["sign"] = [](const Ts& x) { return torch::sign(x[0]); };
    t["exp"] = [](const Ts& x) { return torch::exp(x[0]); };
    t["log"] = [](const Ts& x) { return torch::log(x[0]); };
    t["sqrt"] = [](const Ts& x) { return torch::sqrt(x[0]); };
    t["tanh"] = [](const Ts& x) { return torch::tanh(x[0]); };
    t["sigmoid"] = [](const Ts& x) { return torch::sigmoid(x[0]); };
    t["relu"] = [](const Ts& x) { return torch::relu(x[0]); };
    add_binary(t, "add", [](const T& a, const T& b) { return a + b; });
    add_binary(t, "sub", [](const T& a, const T& b) { return a - b; });
    add_binary(t, "mul", [](const T& a, const T& b) { return a * b; });
    add_binary(t, "div", [](const T& a, const T& b) { return a / b; });
    add_binary(t, "maximum", [](const T& a, const T& b) { return torch::maximum(a, b); });
    add_binary(t, "minimum", [](const T& a, const T& b) { return torch::minimum(a, b); });
    t["eq"] = [](const Ts& x) { return torch::eq(x[0], x[1]); };
    t["ne"] = [](const Ts& x) { return torch::ne(x[0], x[1]); };
    t["lt"] = [](const Ts& x) { return torch::lt(x[0], x[1]); };
    t["le"] = [](const Ts& x) { return torch::le(x[0], x[1]); };
    t["gt"] = [](const Ts& x) { return torch::gt(x[0], x[1]); };
    t["ge"] = [](const Ts& x) { return torch::ge(x[0], x[1]); };
    t["lt/number"] = [](const Ts& x) { return torch::lt(x[0], 1); };
    t["logical_and"] = [](const Ts& x) { return torch::logical_and(x[0], x[1]); };
    t["logical_or"] = [](const Ts& x) { return torch::logical_or(x[0], x[1]); };
    t["logical_not"] = [](const Ts& x) { return torch::logical_not(x[0]); };
    t["where"] = t["where/broadcast"] = [](const Ts& x) { return torch::where(x[0], x[1], x[2]); };
    t["where/number"] = [](const Ts& x) { return torch::where(x[0], x[1], torch::ones({}, x[1].options())); };
    add_reduction(
        t, "sum", [](const T& x) { return x.sum(); },
        [](const T& x, const auto& axes, bool keep) { return x.sum(axes, keep); });
    add_reduction(
        t, "mean", [](const T& x) { return x.mean(); },
        [](const T& x, const auto& axes, bool keep) { return x.mean(axes, keep); });
    add_reduction(
        t, "max", [](const T& x) { return torch::amax(x); },
        [](const T& x, const auto& axes, bool keep) { return torch::amax(x, axes, keep); });
    add_reduction(
        t, "min", [](const T& x) { return torch::amin(x); },
        [](const T& x, const auto& axes, bool keep) { return torch::amin(x, axes, keep); });
    for (const char* name : {"any", "all"}) {
      const bool is_any = name[1] == 'n';
      add_reduction(
          t, name, [=](const T& x) { return is_any ? x.any() : x.all(); },
          [=](const T& x, const auto& axes, bool keep) {
            T y = x;
            for (const std::int64_t axis : axes) y = is_any ? y.any(axis, true) : y.all(axis, true);
            return keep ? y : y.squeeze(axes[0]);
          });
    }
    t["argmax/last"] = [](const Ts& x) { return ordered(x[0]).argmax(-1, false); };
    t["argmax/middle"] = [](const Ts& x) { return ordered(x[0]).argmax(1, true); };
    t["argmin/last"] = [](const Ts& x) { return ordered(x[0]).argmin(-1, true); };
    for (const char* suffix : {"", "/vector-vector", "/matrix-vector", "/vector-matrix", "/batched", "/broadcast-batch",
                               "/batch-matrix", "/one", "/two-panels", "/odd-tiles"}) {
      t[std::string("matmul") + suffix] = [](const Ts& x) { return torch::matmul(x[0], x[1]); };
    }
    for (const char* name : {"linear", "linear/no-bias", "linear/vector", "linear/rank-3"}) {
      t[name] = [](const Ts& x) { return torch::linear(x[0], x[1], x.size() > 2 ? x[2] : T()); };
    }
    t["linear/relu"] = [](const Ts& x) { return torch::relu(torch::linear(x[0], x[1], x[2])); };
    t["linear/tanh"] = [](const Ts& x) { return torch::tanh(torch::linear(x[0], x[1], x[2])); };
    t["linear/sigmoid"] = [](const Ts& x) { return torch::sigmoid(torch::linear(x[0], x[1], x[2])); };
    t["linear/gelu-tanh"] = [](const Ts& x) { return torch::gelu(torch::linear(x[0], x[1], x[2]), "tanh"); };
    t["reshape"] = [](const Ts& x) { return x[0].reshape({2, -1}); };
    t["reshape/rank-0"] = [](const Ts& x) { return x[0].reshape({}); };
    t["reshape/empty"] = [](const Ts& x) { return x[0].reshape({x[0].numel(), 1}); };
    t["flatten"] = [](const Ts& x) { return x[0].flatten(1); };
    t["transpose"] = [](const Ts& x) { return x[0].transpose(0, -1); };
    t["permute"] = [](const Ts& x) { return x[0].permute({2, 0, 1}); };
    t["expand"] = [](const Ts& x) { return x[0].expand({2, -1, 4}); };
    t["unsqueeze"] = [](const Ts& x) { return x[0].unsqueeze(-2); };
    t["squeeze"] = [](const Ts& x) { return x[0].squeeze(1); };
    t["slice"] = [](const Ts& x) { return x[0].slice(1, 1, 6, 2); };
    t["slice/backwards"] = [](const Ts& x) { return x[0].flip(0); };
    t["slice/to-nothing"] = [](const Ts& x) { return x[0].slice(0, 3, 3); };
    t["narrow"] = [](const Ts& x) { return x[0].narrow(0, 1, 3); };
    t["select"] = [](const Ts& x) { return x[0].select(1, -2); };
    t["contiguous"] = [](const Ts& x) { return x[0].contiguous(); };
    t["clone"] = [](const Ts& x) { return x[0].clone(); };
    t["to/float64"] = [](const Ts& x) { return x[0].to(torch::kFloat64); };
    t["cat"] = [](const Ts& x) { return torch::cat({x[0], x[1], x[2]}, 0); };
    t["cat/inner"] = [](const Ts& x) { return torch::cat({x[0], x[1]}, -1); };
    t["cat/itself"] = [](const Ts& x) { return torch::cat({x[0], x[0]}, 1); };
    t["index_select"] = [](const Ts& x) { return x[0].index_select(0, x[1]); };
    t["index_select/inner"] = [](const Ts& x) { return x[0].index_select(1, x[1]); };
    t["index_select/int32"] = [](const Ts& x) { return x[0].index_select(1, x[1].to(torch::kInt32)); };
    t["index_add"] = [](const Ts& x) { return x[0].index_add(0, x[1], x[2]); };
    t["index_add/inner"] = [](const Ts& x) { return x[0].index_add(1, x[1], x[2]); };
    t["softmax"] = [](const Ts& x) { return torch::softmax(x[0], -1); };
    t["softmax/columns"] = [](const Ts& x) { return torch::softmax(x[0], 0); };
    t["softmax/middle"] = [](const Ts& x) { return torch::softmax(x[0], 1); };
    t["log_softmax"] = [](const Ts& x) { return torch::log_softmax(x[0], -1); };
    t["log_softmax/columns"] = [](const Ts& x) { return torch::log_softmax(x[0], 0); };
    t["cross_entropy"] = [](const Ts& x) { return F::cross_entropy(x[0], x[1]); };
    t["cross_entropy/sum"] = [](const Ts& x) {
      return F::cross_entropy(x[0], x[1], F::CrossEntropyFuncOptions().reduction(torch::kSum));
    };
    t["cross_entropy/none"] = [](const Ts& x) {
      return F::cross_entropy(x[0], x[1], F::CrossEntropyFuncOptions().reduction(torch::kNone));
    };
    add_torch_elementwise(t);
    add_torch_reduce(t);
    add_torch_losses(t);
    add_window_functions(t);
    t["dropout/off"] = [](const Ts& x) { return torch::dropout(x[0], 0.25, false); };
    add_norm_functions(t);
    add_index_functions(t);
    add_attention_functions(t);
    return made;
  }();
  return all;
}

const std::map<std::string, std::string>& without_counterpart() {
  static const auto& all = *new std::map<std::string, std::string>{
      {"topk/indices", "equal elements are ordered by position here, as it comes there"},
      {"scaled_dot_product_attention/dropout", "another random number generator draws another mask"},
      {"dropout", "another random number generator draws another mask"},
  };
  return all;
}

}  // namespace weft::test
