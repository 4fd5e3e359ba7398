#pragma once
// Activation functions as modules, for Sequential. Elsewhere the functions of autograd/functions.h are shorter.

#include <string>

#include <weft/core/export.h>
#include <weft/nn/module.h>

namespace weft::nn {

/// max(x, 0)
class WEFT_API ReLU : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;
};

class WEFT_API Tanh : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;
};

/// 1 / (1 + exp(-x))
class WEFT_API Sigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;
};

}  // namespace weft::nn
