#pragma once
// A place to put a layer later.

#include <memory>
#include <string>

#include <weft/core/export.h>
#include <weft/nn/module.h>

namespace weft::nn {

/// Returns its argument: model.replace_module("head", nn::Identity()) leaves a body that gives features.
class WEFT_API Identity : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;
};

}  // namespace weft::nn
