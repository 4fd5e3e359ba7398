#pragma once
// Dropout (Srivastava et al., 2014), in the scaled form every framework uses.

#include <memory>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>
#include <weft/tensor/generator.h>

namespace weft::nn {

/// While training: zeroes each element with probability p and divides the rest by 1 - p; one draw of the generator per
/// call. In eval mode: x itself, no draw. Throws ValueError unless 0 <= p <= 1.
class WEFT_API Dropout : public Module {
 public:
  /// The generator must outlive the module.
  explicit Dropout(double p = 0.5, Generator& generator = default_generator(), CallSite at = CallSite::here());

  Tensor forward(const Tensor& x) override;
  std::string describe() const override;
  double p() const noexcept { return p_; }

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  double p_;
  Generator* generator_;
};

}  // namespace weft::nn
