#include <weft/nn/norm.h>

#include <cmath>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::nn {
namespace {

void check_options(const char* name, std::int64_t extent, const char* what, double eps, DType dtype, CallSite at) {
  if (extent < 1) {
    throw ValueError(ErrorCode::value_out_of_range, name, message(what, " = ", extent, ": at least 1 is needed"), at);
  }
  if (!(eps > 0 && std::isfinite(eps))) {
    throw ValueError(ErrorCode::value_out_of_range, name, message("eps = ", eps, " must be positive and finite"), at);
  }
  if (!is_floating(dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("parameters are floating, dtype ", dtype, " was given"), at);
  }
}

}  // namespace

BatchNorm::BatchNorm(const char* name, int low_rank, int high_rank, const char* takes, std::int64_t features,
                     const BatchNormOptions& options, TensorOptions tensors, CallSite at)
    : name_(name), low_rank_(low_rank), high_rank_(high_rank), takes_(takes), features_(features), options_(options) {
  check_options(name, features, "num_features", options.eps, tensors.dtype, at);
  if (options.momentum && !(*options.momentum >= 0 && *options.momentum <= 1)) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message("momentum = ", *options.momentum, " is not in [0, 1]"), at);
  }
  if (options.affine) {
    weight = register_parameter("weight", ones({features}, tensors, at), at);
    bias = register_parameter("bias", zeros({features}, tensors, at), at);
  }
  if (options.track_running_stats) {
    running_mean = register_buffer("running_mean", zeros({features}, tensors, at), at);
    running_var = register_buffer("running_var", ones({features}, tensors, at), at);
    num_batches_tracked = register_buffer("num_batches_tracked", zeros({}, {tensors.device, DType::int64}, at), at);
  }
}

Tensor BatchNorm::forward(const Tensor& x) {
  const CallSite at = call_site();
  if (x.rank(at) < low_rank_ || x.rank(at) > high_rank_) {
    throw ShapeError(ErrorCode::rank_unsupported, name_, message("x must be ", takes_, ", not ", x.shape(at)), at);
  }
  if (x.size(1, at) != features_) {
    throw ShapeError(ErrorCode::shape_mismatch, name_,
                     message("x is ", x.shape(at), " with ", x.size(1, at), " channels, the layer has ", features_),
                     at);
  }
  if (!options_.track_running_stats) return batch_norm(x, {}, {}, weight, bias, true, 0, options_.eps, at);
  if (!is_training()) return batch_norm(x, running_mean, running_var, weight, bias, false, 0, options_.eps, at);
  const double momentum = options_.momentum ? *options_.momentum : 1 / (num_batches_tracked.item(at) + 1);
  Tensor y = batch_norm(x, running_mean, running_var, weight, bias, true, momentum, options_.eps, at);
  num_batches_tracked.add_({1, at});
  return y;
}

std::string BatchNorm::describe() const {
  return message(name_, "(", features_, ", eps=", options_.eps,
                 ", momentum=", options_.momentum ? message(*options_.momentum) : std::string("None"),
                 options_.affine ? "" : ", affine=false",
                 options_.track_running_stats ? "" : ", track_running_stats=false", ")");
}

BatchNorm1d::BatchNorm1d(std::int64_t num_features, const BatchNormOptions& options, TensorOptions tensors, CallSite at)
    : BatchNorm("BatchNorm1d", 2, 3, "(N, C) or (N, C, L)", num_features, options, tensors, at) {}

BatchNorm2d::BatchNorm2d(std::int64_t num_features, const BatchNormOptions& options, TensorOptions tensors, CallSite at)
    : BatchNorm("BatchNorm2d", 4, 4, "(N, C, H, W)", num_features, options, tensors, at) {}

std::shared_ptr<Module> BatchNorm1d::fresh() const { return std::make_shared<BatchNorm1d>(num_features(), options()); }
std::shared_ptr<Module> BatchNorm2d::fresh() const { return std::make_shared<BatchNorm2d>(num_features(), options()); }

LayerNorm::LayerNorm(const Shape& normalized_shape, double eps, bool elementwise_affine, bool with_bias,
                     TensorOptions tensors, CallSite at)
    : shape_(normalized_shape), eps_(eps) {
  std::int64_t least = normalized_shape.rank() == 0 ? 0 : normalized_shape[0];
  for (const std::int64_t extent : normalized_shape) least = extent < least ? extent : least;
  check_options("LayerNorm", least, "the smallest extent of normalized_shape", eps, tensors.dtype, at);
  if (!elementwise_affine) return;
  weight = register_parameter("weight", ones(shape_, tensors, at), at);
  if (with_bias) bias = register_parameter("bias", zeros(shape_, tensors, at), at);
}

Tensor LayerNorm::forward(const Tensor& x) { return layer_norm(x, shape_, weight, bias, eps_, call_site()); }

std::shared_ptr<Module> LayerNorm::fresh() const {
  return std::make_shared<LayerNorm>(shape_, eps_, weight.defined(), bias.defined());
}

std::string LayerNorm::describe() const {
  return message("LayerNorm(", shape_, ", eps=", eps_, weight.defined() ? "" : ", elementwise_affine=false",
                 weight.defined() && !bias.defined() ? ", bias=false)" : ")");
}

GroupNorm::GroupNorm(std::int64_t num_groups, std::int64_t num_channels, double eps, bool affine, TensorOptions tensors,
                     CallSite at)
    : groups_(num_groups), channels_(num_channels), eps_(eps) {
  check_options("GroupNorm", num_groups, "num_groups", eps, tensors.dtype, at);
  check_options("GroupNorm", num_channels, "num_channels", eps, tensors.dtype, at);
  if (num_channels % num_groups != 0) {
    throw ValueError(ErrorCode::value_out_of_range, "GroupNorm",
                     message("num_groups = ", num_groups, " must divide num_channels = ", num_channels), at);
  }
  if (!affine) return;
  weight = register_parameter("weight", ones({num_channels}, tensors, at), at);
  bias = register_parameter("bias", zeros({num_channels}, tensors, at), at);
}

Tensor GroupNorm::forward(const Tensor& x) {
  const CallSite at = call_site();
  if (x.rank(at) < 2 || x.size(1, at) != channels_) {
    throw ShapeError(ErrorCode::shape_mismatch, "GroupNorm",
                     message("x must be (N, ", channels_, ", spatial..), not ", x.shape(at)), at);
  }
  return group_norm(x, groups_, weight, bias, eps_, at);
}

std::shared_ptr<Module> GroupNorm::fresh() const {
  return std::make_shared<GroupNorm>(groups_, channels_, eps_, weight.defined());
}

std::string GroupNorm::describe() const {
  return message("GroupNorm(", groups_, ", ", channels_, ", eps=", eps_, weight.defined() ? ")" : ", affine=false)");
}

}  // namespace weft::nn
