#pragma once
// Normalisation layers: the functions of autograd/functions.h with their parameters and running statistics. Names,
// shapes and initial values are PyTorch's: weight ones, bias zeros, running_mean zeros, running_var ones,
// num_batches_tracked 0.
//
// All constructors throw ValueError (value_out_of_range) for extents below 1, an eps that is not positive or a momentum
// outside [0, 1], DTypeError for a dtype that is not floating.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/core/shape.h>
#include <weft/nn/module.h>
#include <weft/tensor/creation.h>

namespace weft::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  /// Weight of the batch's statistics in the running ones; nullopt: their plain average over all batches so far. The
  /// average reads num_batches_tracked on the host, so it cannot be part of a captured step.
  std::optional<double> momentum = 0.1;
  bool affine = true;               ///< with weight and bias
  bool track_running_stats = true;  ///< false: the batch's statistics also in eval mode
};

/// What BatchNorm1d and BatchNorm2d share. While training each channel is normalised by the batch's statistics and the
/// running ones are updated in place; in eval mode by the running ones. A call that throws leaves them as they were.
class WEFT_API BatchNorm : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;
  std::int64_t num_features() const noexcept { return features_; }
  const BatchNormOptions& options() const noexcept { return options_; }

  Tensor weight;               ///< (C); undefined without affine
  Tensor bias;                 ///< the same
  Tensor running_mean;         ///< (C); undefined unless tracked
  Tensor running_var;          ///< the same; unbiased
  Tensor num_batches_tracked;  ///< rank 0, int64: training calls so far

 protected:
  BatchNorm(const char* name, int low_rank, int high_rank, const char* takes, std::int64_t features,
            const BatchNormOptions& options, TensorOptions tensors, CallSite at);

 private:
  const char* name_;
  int low_rank_, high_rank_;
  const char* takes_;
  std::int64_t features_;
  BatchNormOptions options_;
};

/// Over x (N, C) or (N, C, L).
class WEFT_API BatchNorm1d : public BatchNorm {
 public:
  explicit BatchNorm1d(std::int64_t num_features, const BatchNormOptions& options = {}, TensorOptions tensors = {},
                       CallSite at = CallSite::here());

 protected:
  std::shared_ptr<Module> fresh() const override;
};

/// Over x (N, C, H, W).
class WEFT_API BatchNorm2d : public BatchNorm {
 public:
  explicit BatchNorm2d(std::int64_t num_features, const BatchNormOptions& options = {}, TensorOptions tensors = {},
                       CallSite at = CallSite::here());

 protected:
  std::shared_ptr<Module> fresh() const override;
};

/// Over the last axes, whose extents are normalized_shape: LayerNorm({768}).
class WEFT_API LayerNorm : public Module {
 public:
  explicit LayerNorm(const Shape& normalized_shape, double eps = 1e-5, bool elementwise_affine = true,
                     bool with_bias = true, TensorOptions tensors = {}, CallSite at = CallSite::here());

  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

  Tensor weight;  ///< normalized_shape; undefined without elementwise_affine
  Tensor bias;    ///< the same; undefined without bias

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  Shape shape_;
  double eps_;
};

/// Over each sample's groups of channels: x (N, C, spatial..).
class WEFT_API GroupNorm : public Module {
 public:
  GroupNorm(std::int64_t num_groups, std::int64_t num_channels, double eps = 1e-5, bool affine = true,
            TensorOptions tensors = {}, CallSite at = CallSite::here());

  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

  Tensor weight;  ///< (C); undefined without affine
  Tensor bias;    ///< the same

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  std::int64_t groups_, channels_;
  double eps_;
};

}  // namespace weft::nn
