#include <weft/autograd/anomaly.h>

#include <cmath>
#include <limits>

#include <weft/autograd/node.h>
#include <weft/core/message.h>
#include <weft/tensor/ops.h>

namespace weft {
namespace {

constinit thread_local const AnomalyOptions* innermost = nullptr;

bool any_set(const Tensor& flags) {
  return ops::reduce(ReduceOp::any, flags, {}, false, "anomaly", {}).item<bool>(CallSite{});
}

}  // namespace

DetectAnomaly::DetectAnomaly(const AnomalyOptions& options) noexcept : options_(options), outer_(innermost) {
  innermost = &options_;
}

DetectAnomaly::~DetectAnomaly() { innermost = outer_; }

bool DetectAnomaly::active() noexcept { return innermost != nullptr; }

namespace autograd {

const AnomalyOptions* anomaly() noexcept { return innermost; }

std::string anomaly_in(const Tensor& x, const AnomalyOptions& options) {
  if (!is_floating(x.dtype()) || x.numel() == 0) return {};
  constexpr double infinity = std::numeric_limits<double>::infinity();
  bool found = any_set(ops::binary(BinaryOp::ne, x, x, "anomaly", {}));
  if (!found && options.infinities) {
    const Tensor size = ops::unary(UnaryOp::abs, x, "anomaly", {});
    found = any_set(ops::binary(BinaryOp::eq, size, infinity, "anomaly", {}));
  }
  if (!found) return {};
  const auto values = ops::cast(x, DType::float64, "anomaly", {}).to_vector<double>(CallSite{});
  const auto objected = [&](double v) { return std::isnan(v) || (options.infinities && std::isinf(v)); };
  std::size_t first = 0;
  while (first + 1 < values.size() && !objected(values[first])) ++first;
  Shape index = x.shape();
  auto left = static_cast<std::int64_t>(first);
  for (int axis = index.rank() - 1; axis >= 0; --axis) {
    const std::int64_t extent = index[axis];
    index[axis] = left % extent;
    left /= extent;
  }
  return message(std::isnan(values[first]) ? "NaN" : "an infinity", " at ", index);
}

}  // namespace autograd
}  // namespace weft
