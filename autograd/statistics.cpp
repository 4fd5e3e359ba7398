// Reductions that are more than one call of a backend: prod's gradient, var, std, norm, logsumexp. 16-bit dtypes are
// computed in float32 and rounded once.

#include <cmath>
#include <limits>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/checks.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor widened(const Tensor& x, const char* name, CallSite at) {
  ops::check_defined(x, name, "x", at);
  ops::check_floating(x, "x", name, at);
  return item_size(x.dtype()) < sizeof(float) ? ops::cast(x, DType::float32, name, at) : x;
}
Tensor rounded(const Tensor& y, const Tensor& like, const char* name, CallSite at) {
  return y.dtype() == like.dtype() ? y : ops::cast(y, like.dtype(), name, at);
}

// y with 1 in place of 0: for quotients that are 0 there because their numerator is.
Tensor never_zero(const Tensor& y, CallSite at) { return where(eq({y, at}, 0), {1.0, at}, y); }

// ---- prod

// For each element the product of all others on the last axis: products of halves going up, and going down each half
// times the other. Nothing is divided by, so zeros are no matter; and it can be differentiated again.
Tensor products_of_others(const Tensor& x, CallSite at) {
  const std::int64_t n = x.size(-1), half = n / 2;
  if (n == 1) return ones_like(x, at);
  const Tensor left = narrow(x, -1, 0, half, at), right = narrow(x, -1, half, half, at);
  const Tensor pairs = mul({left, at}, right);
  const bool odd = n % 2 != 0;
  const Tensor rest = odd ? narrow(x, -1, n - 1, 1, at) : Tensor();
  const Tensor above = products_of_others(odd ? cat({pairs, rest}, -1, at) : pairs, at);
  const Tensor of_pairs = odd ? narrow(above, -1, 0, half, at) : above;
  const Tensor from_left = mul({of_pairs, at}, right), from_right = mul({of_pairs, at}, left);
  if (!odd) return cat({from_left, from_right}, -1, at);
  return cat({from_left, from_right, narrow(above, -1, half, 1, at)}, -1, at);
}

// The same over several axes: they are brought to the end and made one.
Tensor products_of_others(const Tensor& x, const Axes& axes, CallSite at) {
  if (x.numel() == 0) return zeros_like(x, at);
  const int rank = x.rank();
  bool reduced[max_rank] = {};
  for (int i = 0; i < rank && axes.empty(); ++i) reduced[i] = true;
  for (int i = 0; i < axes.size(); ++i) reduced[normalize_axis(axes[i], rank, "prod", at)] = true;
  Axes order, back = Axes();
  int place[max_rank] = {};
  Shape lines;
  std::int64_t length = 1;
  for (const bool last : {false, true}) {
    for (int i = 0; i < rank; ++i) {
      if (reduced[i] != last) continue;
      place[i] = order.size();
      order.push_back(i);
      if (last) {
        length *= x.size(i);
      } else {
        lines.push_back(x.size(i));
      }
    }
  }
  for (int i = 0; i < rank; ++i) back.push_back(place[i]);
  lines.push_back(length);
  const Tensor turned = rank > 1 ? permute(x, order, at) : x;
  const Tensor others = reshape(products_of_others(reshape(turned, lines, at), at), turned.shape(), at);
  return rank > 1 ? permute(others, back, at) : others;
}

}  // namespace

Tensor prod(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  if (const autograd::In32 in; in) return prod(in(x, at), axes, keepdim, at);
  Tensor y = ops::reduce(ReduceOp::prod, x, axes, keepdim, "prod", at);
  if (Recorder r{"prod", at, x}) {
    r.record(y, [axes, keepdim, x = r.keep(x)](Back& back) {
      const Tensor in = back(x);
      const Tensor dy = autograd::spread(back.dy, axes, keepdim, in.shape(), back.at);
      back[0] = mul({dy, back.at}, products_of_others(in, axes, back.at));
    });
  }
  return y;
}

// ---- var and std

namespace {

struct Deviations {
  Tensor y;        // the variance, in x's dtype
  double freedom;  // what the sum of squares was divided by; NaN where that is not positive
};

Deviations variance(const Tensor& x, const Axes& axes, std::int64_t correction, bool keepdim, const char* name,
                    CallSite at) {
  const Tensor wide = widened(x, name, at);
  const Tensor center = autograd::mean_of(wide, axes, true, name, at);
  const Tensor d = ops::binary(BinaryOp::sub, {wide, at}, {center, at}, name, at);
  const Tensor squares = ops::binary(BinaryOp::mul, {d, at}, {d, at}, name, at);
  const Tensor total = ops::reduce(ReduceOp::sum, squares, axes, keepdim, name, at);
  const double left = autograd::count_per_result(x, total) - static_cast<double>(correction);
  const double freedom = x.numel() > 0 && left > 0 ? left : std::numeric_limits<double>::quiet_NaN();
  return {ops::binary(BinaryOp::div, {total, at}, {freedom, at}, name, at), freedom};
}

// (x - mean) / freedom, dy spread over it
Tensor variance_slope(const Tensor& x, const Tensor& dy, const Axes& axes, bool keepdim, double freedom, CallSite at) {
  const Tensor d = sub({x, at}, mean(x, axes, true, at));
  return mul({autograd::spread(dy, axes, keepdim, x.shape(), at), at}, div({d, at}, freedom));
}

}  // namespace

Tensor var(const Tensor& x, const Axes& axes, std::int64_t correction, bool keepdim, CallSite at) {
  if (const autograd::In32 in; in) return var(in(x, at), axes, correction, keepdim, at);
  const Deviations v = variance(x, axes, correction, keepdim, "var", at);
  Tensor y = rounded(v.y, x, "var", at);
  if (Recorder r{"var", at, x}) {
    r.record(y, [axes, keepdim, freedom = v.freedom, x = r.keep(x)](Back& back) {
      back[0] = variance_slope(back(x), mul({back.dy, back.at}, 2), axes, keepdim, freedom, back.at);
    });
  }
  return y;
}

Tensor std(const Tensor& x, const Axes& axes, std::int64_t correction, bool keepdim, CallSite at) {
  if (const autograd::In32 in; in) return weft::std(in(x, at), axes, correction, keepdim, at);
  const Deviations v = variance(x, axes, correction, keepdim, "std", at);
  Tensor y = rounded(ops::unary(UnaryOp::sqrt, v.y, "std", at), x, "std", at);
  if (Recorder r{"std", at, x}) {
    r.record(y, [axes, keepdim, freedom = v.freedom, x = r.keep(x), y = r.output(y)](Back& back) {
      const Tensor dy = div({back.dy, back.at}, never_zero(back(y), back.at));
      back[0] = variance_slope(back(x), dy, axes, keepdim, freedom, back.at);
    });
  }
  return y;
}

// ---- norm

namespace {

// With y = norm(x): sign(x) |x|^(p-1) / y^(p-1). Where an element is 0 so is the numerator.
Tensor norm_slope(const Tensor& x, const Tensor& y, double p, CallSite at) {
  if (p == 2) return div({x, at}, y);
  const Tensor size = never_zero(abs(x, at), at);
  return mul({sign(x, at), at}, pow(div({size, at}, y), {p - 1, at}));
}

Tensor p_norm(const Tensor& x, double p, const Axes& axes, bool keepdim, CallSite at) {
  const Tensor wide = widened(x, "norm", at);
  const Tensor size = ops::unary(UnaryOp::abs, wide, "norm", at);
  const Tensor powers = p == 1   ? size
                        : p == 2 ? ops::binary(BinaryOp::mul, {wide, at}, {wide, at}, "norm", at)
                                 : ops::binary(BinaryOp::pow, {size, at}, {p, at}, "norm", at);
  const Tensor total = ops::reduce(ReduceOp::sum, powers, axes, keepdim, "norm", at);
  const Tensor y = p == 1   ? total
                   : p == 2 ? ops::unary(UnaryOp::sqrt, total, "norm", at)
                            : ops::binary(BinaryOp::pow, {total, at}, {1 / p, at}, "norm", at);
  return rounded(y, x, "norm", at);
}

}  // namespace

Tensor norm(const Tensor& x, double p, const Axes& axes, bool keepdim, CallSite at) {
  if (const autograd::In32 in; in) return norm(in(x, at), p, axes, keepdim, at);
  ops::check_defined(x, "norm", "x", at);
  ops::check_floating(x, "x", "norm", at);
  if (std::isnan(p))
    throw ValueError(ErrorCode::value_out_of_range, "norm", message("p must be a number, not ", p), at);
  if (std::isinf(p)) {
    return autograd::extreme(p > 0 ? ReduceOp::max : ReduceOp::min, abs(x, at), axes, keepdim, "norm", at);
  }
  if (p == 0) {  // piecewise constant; sign keeps the gradient's zeros
    return sum(abs(sign(x, at), at), axes, keepdim, at);
  }
  Tensor y = p_norm(x, p, axes, keepdim, at);
  if (Recorder r{"norm", at, x}) {
    r.record(y, [p, axes, keepdim, x = r.keep(x), y = r.output(y)](Back& back) {
      const Tensor in = back(x);
      const Tensor dy = autograd::spread(back.dy, axes, keepdim, in.shape(), back.at);
      if (p == 1) {
        back[0] = mul({dy, back.at}, sign(in, back.at));
      } else {
        const Tensor whole = autograd::spread(never_zero(back(y), back.at), axes, keepdim, in.shape(), back.at);
        back[0] = mul({dy, back.at}, norm_slope(in, whole, p, back.at));
      }
    });
  }
  return y;
}

// ---- logsumexp

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  if (const autograd::In32 in; in) return logsumexp(in(x, at), axes, keepdim, at);
  const char* const name = "logsumexp";
  const Tensor wide = widened(x, name, at);
  // What is subtracted first: the largest element, or nothing where that is infinite (or there is no element).
  Tensor shift;
  if (x.numel() != 0) {
    const Tensor largest = ops::reduce(ReduceOp::max, wide, axes, true, name, at);
    const Tensor size = ops::unary(UnaryOp::abs, largest, name, at);
    shift =
        ops::where(ops::binary(BinaryOp::eq, {size, at}, {infinity, at}, name, at), {0.0, at}, {largest, at}, name, at);
  }
  const Tensor shifted = shift.defined() ? ops::binary(BinaryOp::sub, {wide, at}, {shift, at}, name, at) : wide;
  const Tensor e = ops::unary(UnaryOp::exp, shifted, name, at);
  const Tensor l = ops::unary(UnaryOp::log, ops::reduce(ReduceOp::sum, e, axes, keepdim, name, at), name, at);
  const Tensor total =
      shift.defined() ? ops::binary(BinaryOp::add, {l, at}, {ops::reshape(shift, l.shape(), name, at), at}, name, at)
                      : l;
  Tensor y = rounded(total, x, name, at);
  if (Recorder r{name, at, x}) {
    r.record(y, [axes, keepdim, x = r.keep(x), y = r.output(y)](Back& back) {
      const Tensor in = back(x), out = back(y);
      const Tensor safe = where(eq({out, back.at}, {-infinity, back.at}), {0.0, back.at}, out);
      const Tensor p = exp(sub({in, back.at}, autograd::spread(safe, axes, keepdim, in.shape(), back.at)), back.at);
      back[0] = mul({autograd::spread(back.dy, axes, keepdim, in.shape(), back.at), back.at}, p);
    });
  }
  return y;
}

}  // namespace weft
