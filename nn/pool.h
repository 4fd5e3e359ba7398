#pragma once
// Pooling as modules, for Sequential: the functions max_pool2d(), avg_pool2d(), ... of autograd/functions.h with their
// options kept. They have no parameters; windows are checked in forward.

#include <memory>
#include <string>

#include <weft/core/export.h>
#include <weft/nn/module.h>
#include <weft/tensor/window.h>

namespace weft::nn {

/// The stride is the kernel's extent where not given: MaxPool1d(2) halves.
class WEFT_API MaxPool1d : public Module {
 public:
  explicit MaxPool1d(PerAxis kernel, const MaxPoolOptions& window = {}) : kernel_(kernel), window_(window) {}
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  PerAxis kernel_;
  MaxPoolOptions window_;
};

class WEFT_API MaxPool2d : public Module {
 public:
  explicit MaxPool2d(PerAxis kernel, const MaxPoolOptions& window = {}) : kernel_(kernel), window_(window) {}
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  PerAxis kernel_;
  MaxPoolOptions window_;
};

class WEFT_API AvgPool1d : public Module {
 public:
  explicit AvgPool1d(PerAxis kernel, const AvgPoolOptions& window = {}) : kernel_(kernel), window_(window) {}
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  PerAxis kernel_;
  AvgPoolOptions window_;
};

class WEFT_API AvgPool2d : public Module {
 public:
  explicit AvgPool2d(PerAxis kernel, const AvgPoolOptions& window = {}) : kernel_(kernel), window_(window) {}
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  PerAxis kernel_;
  AvgPoolOptions window_;
};

/// Any image to output_size: AdaptiveAvgPool2d(1) is the mean of each plane.
class WEFT_API AdaptiveAvgPool2d : public Module {
 public:
  explicit AdaptiveAvgPool2d(PerAxis output_size) : output_(output_size) {}
  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  PerAxis output_;
};

}  // namespace weft::nn
