#pragma once
// From pictures to rows.

#include <memory>
#include <string>

#include <weft/core/export.h>
#include <weft/nn/module.h>

namespace weft::nn {

/// Joins the axes first_axis .. last_axis into one: (B, 1, 28, 28) -> (B, 784) by default.
class WEFT_API Flatten : public Module {
 public:
  explicit Flatten(int first_axis = 1, int last_axis = -1) noexcept : first_(first_axis), last_(last_axis) {}

  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  int first_;
  int last_;
};

}  // namespace weft::nn
