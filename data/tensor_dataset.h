#pragma once
// Tensors as a data set.

#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/data/dataset.h>
#include <weft/tensor/tensor.h>

namespace weft {

/// Row i of `inputs` with row i of `targets`. Copies share the memory. The tensors must not be written to while a
/// loader iterates; what is written between two epochs is seen.
class WEFT_API TensorDataset : public Dataset {
 public:
  /// inputs (N, ..) and targets (N, ..), of any dtype, on a host device (cpu(), serial()). Row-major tensors are used
  /// where they are, others copied. Throws StateError (undefined), ShapeError (rank 0, or another N), DeviceError.
  TensorDataset(const Tensor& inputs, const Tensor& targets, std::string name = "tensors",
                CallSite at = CallSite::here());

  std::int64_t size() const override { return size_; }
  ExampleLayout layout() const override { return layout_; }
  void get(std::int64_t index, const ExampleSlot& slot) const override;
  std::string name() const override { return name_; }
  std::optional<WholeDataset> whole() const override;  ///< not of a derived class, whose get() may do more

  const Tensor& inputs() const noexcept { return inputs_; }
  const Tensor& targets() const noexcept { return targets_; }

 private:
  Tensor inputs_;
  Tensor targets_;
  ExampleLayout layout_;
  std::int64_t size_ = 0;
  std::string name_;
};

}  // namespace weft
