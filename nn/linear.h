#pragma once
// Fully connected layers.

#include <cstdint>
#include <memory>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>
#include <weft/tensor/creation.h>

namespace weft::nn {

/// y = x weight^T + bias:  x (.., in), weight (out, in), bias (out) -> y (.., out).
///
/// Initialised as in PyTorch: weight and bias uniform in (-1/sqrt(in), 1/sqrt(in)), two draws of the generator in this
/// order (kaiming_uniform with a = sqrt(5) is that bound). Throws ValueError (value_out_of_range) for extents below 1,
/// DTypeError for a dtype that is not floating.
class WEFT_API Linear : public Module {
 public:
  Linear(std::int64_t in, std::int64_t out, bool bias = true, TensorOptions options = {},
         Generator& generator = default_generator(), CallSite at = CallSite::here());

  Tensor forward(const Tensor& x) override;
  std::string describe() const override;
  std::int64_t in_features() const noexcept { return in_; }
  std::int64_t out_features() const noexcept { return out_; }

  Tensor weight;
  Tensor bias;  ///< undefined without bias

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  std::int64_t in_;
  std::int64_t out_;
};

}  // namespace weft::nn
