#include <limits>

#include "libtorch/torch_functions.h"

namespace weft::test {
namespace {

using T = torch::Tensor;
using Ts = std::vector<torch::Tensor>;
using Axes = std::vector<std::int64_t>;

/// LibTorch has no argmax of bool.
T ordered(const T& x) { return x.scalar_type() == torch::kBool ? x.to(torch::kUInt8) : x; }

/// f(x, axes, keepdim) in every form of op_cases/reduce.cpp.
template <class F>
void add_forms(std::map<std::string, TorchCall>& t, const std::string& name, F f) {
  for (const char* suffix : {"", "/rank-0", "/long"}) {
    t[name + suffix] = [f](const Ts& x) {
      Axes all;
      for (std::int64_t i = 0; i < x[0].dim(); ++i) all.push_back(i);
      return f(x[0], all, false);
    };
  }
  t[name + "/rows"] = [f](const Ts& x) { return f(x[0], Axes{-1}, false); };
  t[name + "/columns"] = [f](const Ts& x) { return f(x[0], Axes{0}, true); };
  t[name + "/middle"] = [f](const Ts& x) { return f(x[0], Axes{1}, false); };
  t[name + "/apart"] = [f](const Ts& x) { return f(x[0], Axes{0, 2}, true); };
}

}  // namespace

void add_torch_reduce(std::map<std::string, TorchCall>& t) {
  add_forms(t, "prod", [](const T& x, const Axes& axes, bool keep) {
    T y = x;
    for (const std::int64_t axis : axes) y = y.prod(axis, true);
    if (axes.empty()) y = y.prod();
    if (keep) return y;
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) y = y.squeeze(*axis);
    return y;
  });
  for (const int correction : {0, 1}) {
    const std::string suffix = correction == 0 ? "/population" : "";
    add_forms(t, "var" + suffix, [=](const T& x, const Axes& axes, bool keep) {
      return torch::var(x, axes, c10::optional<std::int64_t>(correction), keep);
    });
    add_forms(t, "std" + suffix, [=](const T& x, const Axes& axes, bool keep) {
      return torch::std(x, axes, c10::optional<std::int64_t>(correction), keep);
    });
  }
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& [suffix, p] : std::vector<std::pair<std::string, double>>{
           {"", 2}, {"/1", 1}, {"/1.5", 1.5}, {"/3", 3}, {"/0", 0}, {"/inf", infinity}, {"/-inf", -infinity}}) {
    const double power = p;
    add_forms(t, "norm" + suffix, [power](const T& x, const Axes& axes, bool keep) {
      const T y = torch::linalg_vector_norm(x, power, axes, keep);
      return power == 0 ? y + 0 * x.sum(axes, keep) : y;  // of p = 0 LibTorch leaves the gradient undefined
    });
  }
  add_forms(t, "logsumexp", [](const T& x, const Axes& axes, bool keep) { return torch::logsumexp(x, axes, keep); });
  t["argmax/all"] = [](const Ts& x) { return ordered(x[0]).argmax(); };
  t["argmin/all"] = [](const Ts& x) { return ordered(x[0]).argmin().reshape({1, 1, 1}); };
  t["cumsum"] = [](const Ts& x) { return x[0].cumsum(1); };
  t["cumsum/columns"] = t["cumsum/rank-0"] = [](const Ts& x) { return x[0].cumsum(0); };
  t["cumsum/middle"] = [](const Ts& x) { return x[0].cumsum(-2); };
  t["topk"] = [](const Ts& x) { return std::get<0>(ordered(x[0]).topk(3)); };
  t["topk/smallest"] = [](const Ts& x) { return std::get<0>(ordered(x[0]).topk(2, 0, false)); };
  t["topk/middle"] = [](const Ts& x) { return std::get<0>(ordered(x[0]).topk(5, 1)); };
  t["topk/none"] = [](const Ts& x) { return std::get<0>(ordered(x[0]).topk(0, 1)); };
  t["topk/rank-0"] = [](const Ts& x) { return std::get<0>(ordered(x[0]).topk(1)); };
}

}  // namespace weft::test
