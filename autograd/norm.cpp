// Normalisation. With xhat = (x - mean) rstd and g = dy weight, both layer norm and batch norm have
//
//   dx = rstd (g - mean(g) - xhat mean(g xhat)),  dweight = sum dy xhat,  dbias = sum dy
//
// with means over the axes the statistics were taken over. A recorded way back forms xhat from x again, so that it can
// be differentiated; 16-bit dtypes pass through float32 there, as the fused form does.

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/checks.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace {

DType wide_dtype(DType dtype) { return dtype == DType::float64 ? DType::float64 : DType::float32; }

Tensor wide(const Tensor& x, CallSite at) {
  return x.dtype() == wide_dtype(x.dtype()) ? x : to(x, wide_dtype(x.dtype()), at);
}
Tensor narrow_to(const Tensor& x, DType dtype, CallSite at) { return x.dtype() == dtype ? x : to(x, dtype, at); }

struct Standardized {
  Tensor xhat, rstd;
};

Standardized standardize(const Tensor& x, const Axes& axes, double eps, CallSite at) {
  const Tensor centred = sub({x, at}, mean(x, axes, true, at));
  const Tensor variance = mean(mul({centred, at}, centred), axes, true, at);
  const Tensor rstd = div({1.0, at}, sqrt(add({variance, at}, eps), at));
  return {mul({centred, at}, rstd), rstd};
}

Tensor standardize_back(const Tensor& g, const Standardized& s, const Axes& axes, CallSite at) {
  const Tensor pull = mul({s.xhat, at}, mean(mul({g, at}, s.xhat), axes, true, at));
  return mul({sub({sub({g, at}, mean(g, axes, true, at)), at}, pull), at}, s.rstd);
}

Axes last_axes(int rank, int count) {
  Axes axes;
  for (int i = rank - count; i < rank; ++i) axes.push_back(i);
  return axes;
}

/// All axes but the channels'.
Axes batch_axes(int rank) {
  Axes axes = 0;
  for (int i = 2; i < rank; ++i) axes.push_back(i);
  return axes;
}

/// (C) as (C, 1, .., 1), to stand beside (N, C, spatial..).
Tensor per_channel(const Tensor& vector, int rank, CallSite at) {
  Shape shape = {vector.numel()};
  for (int i = 2; i < rank; ++i) shape.push_back(1);
  return reshape(vector, shape, at);
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias, double eps,
                  CallSite at) {
  if (const autograd::In32 in; in) {
    return layer_norm(in(x, at), normalized_shape, in(weight, at), in(bias, at), eps, at);
  }
  ops::Normalized out = ops::layer_norm(x, normalized_shape, weight, bias, eps, "layer_norm", at);
  if (Recorder r{"layer_norm", at, x, weight, bias}) {
    r.record(out.y, [eps, normalized_shape, x = r.keep(x), weight = r.keep_for(0, weight), mean = r.keep(out.mean),
                     rstd = r.keep(out.rstd)](Back& back) {
      const Tensor in = back(x);
      const Tensor scale = weight.kept() ? back(weight) : Tensor();
      if (!grad_enabled()) {
        ops::NormGrads grads =
            ops::layer_norm_backward(back.dy, in, normalized_shape, scale, back(mean), back(rstd), back.wants(0),
                                     back.wants(1), back.wants(2), "layer_norm", back.at);
        back[0] = std::move(grads.dx);
        back[1] = std::move(grads.dweight);
        back[2] = std::move(grads.dbias);
        return;
      }
      if (back.wants(2)) back[2] = back.dy;
      if (!back.wants(0) && !back.wants(1)) return;
      const Axes axes = last_axes(in.rank(), normalized_shape.rank());
      const Standardized s = standardize(wide(in, back.at), axes, eps, back.at);
      const Tensor dy = wide(back.dy, back.at);
      if (back.wants(1)) back[1] = narrow_to(mul({dy, back.at}, s.xhat), in.dtype(), back.at);
      if (back.wants(0)) {
        const Tensor g = scale.defined() ? mul({dy, back.at}, wide(scale, back.at)) : dy;
        back[0] = narrow_to(standardize_back(g, s, axes, back.at), in.dtype(), back.at);
      }
    });
  }
  return out.y;
}

Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                  const Tensor& bias, bool training, double momentum, double eps, CallSite at) {
  if (const autograd::In32 in; in) {
    return batch_norm(in(x, at), running_mean, running_var, in(weight, at), in(bias, at), training, momentum, eps, at);
  }
  for (const Tensor* running : {&running_mean, &running_var}) {
    if (!training || !running->defined() || !running->requires_grad()) continue;
    throw AutogradError(ErrorCode::in_place_recorded, "batch_norm",
                        message(running == &running_mean ? "running_mean" : "running_var",
                                " records gradients, and it is written in place; use .detach()"),
                        at);
  }
  backends::NormArgs args;
  args.epsilon = eps;
  args.momentum = momentum;
  args.training = training;
  ops::Normalized out = ops::batch_norm(x, running_mean, running_var, weight, bias, args, "batch_norm", at);
  if (Recorder r{"batch_norm", at, x, weight, bias}) {
    r.record(out.y, [eps, training, x = r.keep(x), weight = r.keep_for(0, weight), mean = r.keep(out.mean),
                     rstd = r.keep(out.rstd)](Back& back) {
      const Tensor in = back(x);
      const int rank = in.rank();
      const Tensor scale = weight.kept() ? back(weight) : Tensor();
      if (training && !grad_enabled()) {
        ops::NormGrads grads = ops::batch_norm_backward(back.dy, in, scale, back(mean), back(rstd), back.wants(0),
                                                        back.wants(1), back.wants(2), "batch_norm", back.at);
        back[0] = std::move(grads.dx);
        back[1] = std::move(grads.dweight);
        back[2] = std::move(grads.dbias);
        return;
      }
      const Axes axes = batch_axes(rank);
      const Tensor dy = wide(back.dy, back.at);
      if (back.wants(2)) back[2] = narrow_to(sum(dy, axes, false, back.at), in.dtype(), back.at);
      if (!back.wants(0) && !back.wants(1)) return;
      Standardized s;
      if (training) {
        s = standardize(wide(in, back.at), axes, eps, back.at);
      } else {  // by constants
        s.rstd = per_channel(back(rstd), rank, back.at);
        s.xhat = mul({sub({wide(in, back.at), back.at}, per_channel(back(mean), rank, back.at)), back.at}, s.rstd);
      }
      if (back.wants(1)) {
        back[1] = narrow_to(sum(mul({dy, back.at}, s.xhat), axes, false, back.at), in.dtype(), back.at);
      }
      if (back.wants(0)) {
        const Tensor g = scale.defined() ? mul({dy, back.at}, per_channel(wide(scale, back.at), rank, back.at)) : dy;
        const Tensor dx = training ? standardize_back(g, s, axes, back.at) : mul({g, back.at}, s.rstd);
        back[0] = narrow_to(dx, in.dtype(), back.at);
      }
    });
  }
  return out.y;
}

Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps,
                  CallSite at) {
  if (const autograd::In32 in; in) return group_norm(in(x, at), num_groups, in(weight, at), in(bias, at), eps, at);
  ops::check_defined(x, "group_norm", "x", at);
  ops::check_floating(x, "x", "group_norm", at);
  const Shape& in = x.shape();
  if (in.rank() < 2) {
    throw ShapeError(ErrorCode::rank_unsupported, "group_norm", message("x must be (N, C, spatial..), not ", in), at);
  }
  if (num_groups < 1 || in[1] % num_groups != 0) {
    throw ValueError(
        ErrorCode::value_out_of_range, "group_norm",
        message("num_groups = ", num_groups, " must be at least 1 and divide the ", in[1], " channels of x ", in), at);
  }
  ops::check_norm_vector(weight, x, {in[1]}, "weight", "group_norm", at);
  ops::check_norm_vector(bias, x, {in[1]}, "bias", "group_norm", at);
  ops::check_norm_eps(eps, "group_norm", at);
  std::int64_t extent = in[1] / num_groups;
  for (int i = 2; i < in.rank(); ++i) extent *= in[i];
  const Tensor flat = reshape(x, {in[0], num_groups, extent}, at);
  Tensor y = reshape(layer_norm(flat, {extent}, {}, {}, eps, at), in, at);
  if (weight.defined()) y = mul({y, at}, per_channel(weight, in.rank(), at));
  if (bias.defined()) y = add({y, at}, per_channel(bias, in.rank(), at));
  return y;
}

}  // namespace weft
