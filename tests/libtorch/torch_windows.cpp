#include "libtorch/torch_functions.h"

namespace weft::test {
namespace {

using T = torch::Tensor;
using Ts = std::vector<torch::Tensor>;
using Extents = std::vector<std::int64_t>;
namespace F = torch::nn::functional;

T bias_of(const Ts& x) { return x.size() > 2 ? x[2] : T(); }

/// conv1d or conv2d after the rank of the weight.
TorchCall conv(const Extents& stride, const Extents& padding, const Extents& dilation = {1}, std::int64_t groups = 1) {
  return [=](const Ts& x) {
    const auto of = [&](Extents e) {
      while (e.size() + 2 < static_cast<std::size_t>(x[1].dim())) e.push_back(e.back());
      return e;
    };
    return x[1].dim() == 3 ? torch::conv1d(x[0], x[1], bias_of(x), of(stride), of(padding), of(dilation), groups)
                           : torch::conv2d(x[0], x[1], bias_of(x), of(stride), of(padding), of(dilation), groups);
  };
}

TorchCall transposed(const Extents& stride, const Extents& padding, const Extents& added, std::int64_t groups = 1,
                     const Extents& dilation = {1}) {
  return [=](const Ts& x) {
    const auto of = [&](Extents e) {
      while (e.size() + 2 < static_cast<std::size_t>(x[1].dim())) e.push_back(e.back());
      return e;
    };
    const auto call =
        x[1].dim() == 3
            ? static_cast<T (*)(const T&, const T&, const c10::optional<T>&, at::IntArrayRef, at::IntArrayRef,
                                at::IntArrayRef, std::int64_t, at::IntArrayRef)>(torch::conv_transpose1d)
            : static_cast<T (*)(const T&, const T&, const c10::optional<T>&, at::IntArrayRef, at::IntArrayRef,
                                at::IntArrayRef, std::int64_t, at::IntArrayRef)>(torch::conv_transpose2d);
    return call(x[0], x[1], bias_of(x), of(stride), of(padding), of(added), groups, of(dilation));
  };
}

}  // namespace

void add_window_functions(std::map<std::string, TorchCall>& t) {
  t["conv1d"] = t["conv1d/unbatched"] = t["conv2d/no-padding"] = t["conv2d/whole-image"] = t["conv2d/pointwise"] =
      conv({1}, {0});
  t["conv1d/strided-padded-dilated"] = conv({2}, {3}, {2});
  t["conv1d/grouped"] = t["conv2d/grouped"] = conv({1}, {1}, {1}, 2);
  t["conv2d"] = t["conv2d/unbatched"] = t["conv2d/two-panels"] = conv({1}, {1});
  t["conv2d/strided"] = conv({2, 3}, {1, 0});
  t["conv2d/dilated"] = conv({1}, {2}, {2, 3});
  t["conv2d/depthwise"] = conv({2}, {1}, {1}, 3);
  t["conv2d/pointwise-strided"] = conv({2}, {0});
  t["conv2d/wide-padding"] = conv({1}, {3});
  t["conv_transpose1d"] = transposed({1}, {0}, {0});
  t["conv_transpose1d/strided"] = transposed({3}, {1}, {2}, 1, {2});
  t["conv_transpose2d"] = transposed({1}, {1}, {0});
  t["conv_transpose2d/strided"] = transposed({2, 3}, {0, 1}, {1, 2});
  t["conv_transpose2d/grouped"] = transposed({2}, {0}, {0}, 2, {1, 2});
  t["conv_transpose2d/wide-output-padding"] = transposed({1}, {0}, {1}, 1, {2});
  t["conv_transpose2d/unbatched"] = transposed({2}, {0}, {0});
  t["max_pool1d"] = [](const Ts& x) { return torch::max_pool1d(x[0], 2); };
  t["max_pool2d"] = [](const Ts& x) { return torch::max_pool2d(x[0], 2); };
  t["max_pool2d/overlapping"] = [](const Ts& x) { return torch::max_pool2d(x[0], {3, 2}, {2, 1}); };
  t["max_pool2d/padded-dilated"] = [](const Ts& x) { return torch::max_pool2d(x[0], 3, 2, 1, 2); };
  t["max_pool2d/ceil"] = [](const Ts& x) { return torch::max_pool2d(x[0], 3, 2, 1, 1, true); };
  t["max_pool2d/unbatched"] = [](const Ts& x) { return torch::max_pool2d(x[0], {2, 3}); };
  t["adaptive_max_pool2d"] = [](const Ts& x) { return std::get<0>(torch::adaptive_max_pool2d(x[0], {3, 2})); };
  t["avg_pool1d"] = [](const Ts& x) { return torch::avg_pool1d(x[0], 3, 2); };
  t["avg_pool2d"] = [](const Ts& x) { return torch::avg_pool2d(x[0], 2); };
  t["avg_pool2d/padded"] = [](const Ts& x) { return torch::avg_pool2d(x[0], 3, {1, 2}, 1); };
  t["avg_pool2d/padding-not-counted"] = [](const Ts& x) { return torch::avg_pool2d(x[0], 3, 2, 1, false, false); };
  t["avg_pool2d/ceil"] = [](const Ts& x) { return torch::avg_pool2d(x[0], 3, 2, 1, true); };
  t["avg_pool2d/unbatched"] = [](const Ts& x) { return torch::avg_pool2d(x[0], {2, 3}); };
  t["adaptive_avg_pool1d"] = [](const Ts& x) { return torch::adaptive_avg_pool1d(x[0], 4); };
  t["adaptive_avg_pool2d"] = [](const Ts& x) { return torch::adaptive_avg_pool2d(x[0], {3, 4}); };
  t["adaptive_avg_pool2d/global"] = [](const Ts& x) { return torch::adaptive_avg_pool2d(x[0], {1, 1}); };
  t["adaptive_avg_pool2d/larger"] = [](const Ts& x) { return torch::adaptive_avg_pool2d(x[0], {5, 4}); };
}

}  // namespace weft::test
