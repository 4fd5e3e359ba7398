#pragma once
// Activation functions as modules, for Sequential. Elsewhere the functions of autograd/functions.h are shorter.

#include <memory>
#include <string>

#include <weft/autograd/functions.h>
#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>

namespace weft::nn {

/// max(x, 0)
class WEFT_API ReLU : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;
};

class WEFT_API Tanh : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;
};

/// 1 / (1 + exp(-x))
class WEFT_API Sigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;
};

/// x where x > 0, else negative_slope x
class WEFT_API LeakyReLU : public Module {
 public:
  explicit LeakyReLU(double negative_slope = 0.01) noexcept : negative_slope_(negative_slope) {}
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  double negative_slope_;
};

/// x where x > 0, else alpha (e^x - 1)
class WEFT_API ELU : public Module {
 public:
  explicit ELU(double alpha = 1) noexcept : alpha_(alpha) {}
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  double alpha_;
};

/// x Phi(x), or its approximation by tanh
class WEFT_API GELU : public Module {
 public:
  explicit GELU(Approximate approximate = Approximate::none) noexcept : approximate_(approximate) {}
  Approximate approximate() const noexcept { return approximate_; }
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  Approximate approximate_;
};

/// x / (1 + exp(-x)), also known as swish
class WEFT_API SiLU : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;
};

/// log(1 + exp(beta x)) / beta; x itself where beta x > threshold. ValueError for a beta of 0 or one that is not
/// finite.
class WEFT_API Softplus : public Module {
 public:
  explicit Softplus(double beta = 1, double threshold = 20, CallSite at = CallSite::here());
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  double beta_, threshold_;
};

/// exp(x) / sum(exp(x)) along an axis
class WEFT_API Softmax : public Module {
 public:
  explicit Softmax(int axis) noexcept : axis_(axis) {}
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  int axis_;
};

class WEFT_API LogSoftmax : public Module {
 public:
  explicit LogSoftmax(int axis) noexcept : axis_(axis) {}
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  int axis_;
};

}  // namespace weft::nn
