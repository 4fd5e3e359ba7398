// Reductions, and the two moves between a shape and its reduced or broadcast form that other formulas need.

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
  Tensor y = ops::reduce(ReduceOp::sum, x, axes, keepdim, "sum", at);
  if (Recorder r{"sum", at, x}) {
    r.record(y, [axes, keepdim, shape = x.shape()](Back& back) {
      back[0] = autograd::spread(back.dy, axes, keepdim, shape, back.at);
    });
  }
  return y;
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  Tensor y = autograd::mean_of(x, axes, keepdim, "mean", at);
  if (Recorder r{"mean", at, x}) {
    r.record(y, [axes, keepdim, count = autograd::count_per_result(x, y), shape = x.shape()](Back& back) {
      back[0] = autograd::spread(div({back.dy, back.at}, count), axes, keepdim, shape, back.at);
    });
  }
  return y;
}

namespace {

// The gradient is shared equally between all elements that are as large as the result.
Tensor extreme(ReduceOp op, const Tensor& x, const Axes& axes, bool keepdim, const char* name, CallSite at) {
  Tensor y = ops::reduce(op, x, axes, keepdim, name, at);
  if (Recorder r{name, at, x}) {
    r.record(y, [axes, keepdim, x = r.keep(x), y = r.output(y)](Back& back) {
      const Tensor in = back(x);
      const Tensor hit = eq({in, back.at}, autograd::spread(back(y), axes, keepdim, in.shape(), back.at));
      const Tensor hits = sum(to(hit, in.dtype(), back.at), axes, keepdim, back.at);
      const Tensor share = autograd::spread(div({back.dy, back.at}, hits), axes, keepdim, in.shape(), back.at);
      back[0] = where(hit, {share, back.at}, 0);
    });
  }
  return y;
}

}  // namespace

Tensor max(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return extreme(ReduceOp::max, x, axes, keepdim, "max", at);
}

Tensor min(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return extreme(ReduceOp::min, x, axes, keepdim, "min", at);
}

Tensor any(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return ops::reduce(ReduceOp::any, x, axes, keepdim, "any", at);
}

Tensor all(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return ops::reduce(ReduceOp::all, x, axes, keepdim, "all", at);
}

Tensor argmax(const Tensor& x, int axis, bool keepdim, CallSite at) {
  return ops::arg_reduce(ArgReduceOp::argmax, x, axis, keepdim, "argmax", at);
}

Tensor argmin(const Tensor& x, int axis, bool keepdim, CallSite at) {
  return ops::arg_reduce(ArgReduceOp::argmin, x, axis, keepdim, "argmin", at);
}

}  // namespace weft
