// Reductions, and the two moves between a shape and its reduced or broadcast form that other formulas need.

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/tensor/checks.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace autograd {

Tensor sum_to(const Tensor& x, const Shape& shape, CallSite at) {
  Tensor y = ops::sum_to(x, shape, "sum_to", at);
  if (y.is_same(x)) return y;
  if (Recorder r{"sum_to", at, x}) {
    r.record(y, [shape = x.shape()](Back& back) { back[0] = expand(back.dy, shape, back.at); });
  }
  return y;
}

Tensor spread(const Tensor& dy, const Axes& axes, bool keepdim, const Shape& shape, CallSite at) {
  if (keepdim || dy.rank() == shape.rank()) return expand(dy, shape, at);
  Shape kept = shape;
  for (int i = 0; i < (axes.empty() ? shape.rank() : axes.size()); ++i) {
    kept[axes.empty() ? i : normalize_axis(axes[i], shape.rank(), "spread", at)] = 1;
  }
  return expand(reshape(dy, kept, at), shape, at);
}

// 16-bit sums leave the range of their dtype long before their mean does, so they are formed in float32.
Tensor mean_of(const Tensor& x, const Axes& axes, bool keepdim, const char* name, CallSite at) {
  ops::check_defined(x, name, "x", at);
  ops::check_floating(x, "x", name, at);
  const bool narrow = item_size(x.dtype()) < sizeof(float);
  const Tensor wide = narrow ? ops::cast(x, DType::float32, name, at) : x;
  const Tensor total = ops::reduce(ReduceOp::sum, wide, axes, keepdim, name, at);
  const Tensor y = ops::binary(BinaryOp::div, {total, at}, {count_per_result(x, total), at}, name, at);
  return narrow ? ops::cast(y, x.dtype(), name, at) : y;
}

double count_per_result(const Tensor& x, const Tensor& y) {
  const std::int64_t results = y.numel();
  return results == 0 ? 1.0 : static_cast<double>(x.numel() / results);
}

}  // namespace autograd

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  if (const autograd::In32 in; in) return sum(in(x, at), axes, keepdim, at);
  Tensor y = ops::reduce(ReduceOp::sum, x, axes, keepdim, "sum", at);
  if (Recorder r{"sum", at, x}) {
    r.record(y, [axes, keepdim, shape = x.shape()](Back& back) {
      back[0] = autograd::spread(back.dy, axes, keepdim, shape, back.at);
    });
  }
  return y;
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  if (const autograd::In32 in; in) return mean(in(x, at), axes, keepdim, at);
  Tensor y = autograd::mean_of(x, axes, keepdim, "mean", at);
  if (Recorder r{"mean", at, x}) {
    r.record(y, [axes, keepdim, count = autograd::count_per_result(x, y), shape = x.shape()](Back& back) {
      back[0] = autograd::spread(div({back.dy, back.at}, count), axes, keepdim, shape, back.at);
    });
  }
  return y;
}

namespace autograd {

// The gradient is shared equally between all elements that are as large as the result.
Tensor extreme(ReduceOp op, const Tensor& x, const Axes& axes, bool keepdim, const char* name, CallSite at) {
  Tensor y = ops::reduce(op, x, axes, keepdim, name, at);
  if (Recorder r{name, at, x}) {
    r.record(y, [axes, keepdim, x = r.keep(x), y = r.output(y)](Back& back) {
      const Tensor in = back(x);
      const Tensor hit = eq({in, back.at}, spread(back(y), axes, keepdim, in.shape(), back.at));
      const Tensor hits = sum(to(hit, in.dtype(), back.at), axes, keepdim, back.at);
      const Tensor share = spread(div({back.dy, back.at}, hits), axes, keepdim, in.shape(), back.at);
      back[0] = where(hit, {share, back.at}, 0);
    });
  }
  return y;
}

}  // namespace autograd

Tensor max(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return autograd::extreme(ReduceOp::max, x, axes, keepdim, "max", at);
}

Tensor min(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return autograd::extreme(ReduceOp::min, x, axes, keepdim, "min", at);
}

Tensor any(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return ops::reduce(ReduceOp::any, x, axes, keepdim, "any", at);
}

Tensor all(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return ops::reduce(ReduceOp::all, x, axes, keepdim, "all", at);
}

namespace {

// Without an axis the position is counted in row-major order, over a contiguous copy if need be.
Tensor arg_extreme(ArgReduceOp op, const Tensor& x, std::optional<int> axis, bool keepdim, const char* name,
                   CallSite at) {
  if (axis) return ops::arg_reduce(op, x, *axis, keepdim, name, at);
  ops::check_defined(x, name, "x", at);
  const Tensor line = ops::reshape(x, {x.numel()}, name, at);
  const Tensor y = ops::arg_reduce(op, line, 0, false, name, at);
  return keepdim ? ops::reshape(y, Shape::filled(x.rank(), 1), name, at) : y;
}

}  // namespace

Tensor argmax(const Tensor& x, std::optional<int> axis, bool keepdim, CallSite at) {
  return arg_extreme(ArgReduceOp::argmax, x, axis, keepdim, "argmax", at);
}

Tensor argmin(const Tensor& x, std::optional<int> axis, bool keepdim, CallSite at) {
  return arg_extreme(ArgReduceOp::argmin, x, axis, keepdim, "argmin", at);
}

}  // namespace weft
