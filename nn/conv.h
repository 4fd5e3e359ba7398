#pragma once
// Convolutional layers, with PyTorch's names, weight layouts and initialisation.

#include <cstdint>
#include <memory>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/window.h>

namespace weft::nn {

/// What the three layers have in common. Weight and bias are uniform in (-b, b), b = 1 / sqrt(weight.size(1) * window):
/// kaiming_uniform with a = sqrt(5), two draws of the generator in this order.
///
/// The constructors throw ValueError (value_out_of_range) for channels, groups or window extents below 1 and where
/// groups does not divide the channels, DTypeError for a dtype that is not floating. Strides, paddings and dilations
/// are checked by the function, in forward.
class WEFT_API ConvBase : public Module {
 public:
  std::string describe() const override;
  std::int64_t in_channels() const noexcept { return in_; }
  std::int64_t out_channels() const noexcept { return out_; }
  PerAxis kernel_size() const noexcept { return kernel_; }

  Tensor weight;
  Tensor bias;  ///< undefined without bias

 protected:
  ConvBase(const char* name, int spatial, bool transposed, std::int64_t in, std::int64_t out, PerAxis kernel,
           std::int64_t groups, bool with_bias, TensorOptions options, Generator& generator, CallSite at);
  virtual std::string describe_options() const = 0;
  /// Another layer of the same kind.
  template <class Layer, class Options>
  std::shared_ptr<Module> another(const Options& window) const {
    return std::make_shared<Layer>(in_, out_, kernel_, window, bias.defined(),
                                   TensorOptions(weight.device(), weight.dtype()));
  }
  int spatial() const noexcept { return spatial_; }

 private:
  const char* name_;
  int spatial_;
  std::int64_t in_, out_;
  PerAxis kernel_;
};

/// conv1d: x (N, in, L) or (in, L), weight (out, in / groups, kernel).
///
///     nn::Conv1d(16, 33, 3, {.stride = 2})
class WEFT_API Conv1d : public ConvBase {
 public:
  Conv1d(std::int64_t in, std::int64_t out, PerAxis kernel, const ConvOptions& window = {}, bool bias = true,
         TensorOptions options = {}, Generator& generator = default_generator(), CallSite at = CallSite::here());
  Tensor forward(const Tensor& x) override;

 protected:
  std::shared_ptr<Module> fresh() const override;
  std::string describe_options() const override;

 private:
  ConvOptions window_;
};

/// conv2d: x (N, in, H, W) or (in, H, W), weight (out, in / groups, kernel...).
///
///     nn::Conv2d(3, 64, 3, {.padding = 1})
///     nn::Conv2d(3, 64, {3, 5}, {.stride = {2, 1}}, /*bias=*/false)
class WEFT_API Conv2d : public ConvBase {
 public:
  Conv2d(std::int64_t in, std::int64_t out, PerAxis kernel, const ConvOptions& window = {}, bool bias = true,
         TensorOptions options = {}, Generator& generator = default_generator(), CallSite at = CallSite::here());
  Tensor forward(const Tensor& x) override;

 protected:
  std::shared_ptr<Module> fresh() const override;
  std::string describe_options() const override;

 private:
  ConvOptions window_;
};

/// conv_transpose2d: x (N, in, H, W) or (in, H, W), weight (in, out / groups, kernel...).
class WEFT_API ConvTranspose2d : public ConvBase {
 public:
  ConvTranspose2d(std::int64_t in, std::int64_t out, PerAxis kernel, const ConvTransposeOptions& window = {},
                  bool bias = true, TensorOptions options = {}, Generator& generator = default_generator(),
                  CallSite at = CallSite::here());
  Tensor forward(const Tensor& x) override;

 protected:
  std::shared_ptr<Module> fresh() const override;
  std::string describe_options() const override;

 private:
  ConvTransposeOptions window_;
};

}  // namespace weft::nn
