#pragma once
// How good predictions are. Nothing is recorded; results stay on the device, so that nothing waits for it until item().

#include <cstdint>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/tensor/tensor.h>

namespace weft::nn {

/// The share of rows whose largest score is that of their label, a rank-0 float64: scores (B, C) of any floating dtype,
/// labels (B) int64 or int32. A NaN counts as the largest; of equals the first wins; a label outside 0 .. C-1 is never
/// hit. Throws ShapeError, DTypeError, DeviceError, ValueError for B = 0.
WEFT_API Tensor accuracy(const Tensor& scores, const Tensor& labels, CallSite at = CallSite::here());

/// The share of rows whose label is among the k largest scores, in the order accuracy() uses; so k = 1 is accuracy().
/// Throws as accuracy(), and ValueError (value_out_of_range) unless 1 <= k <= C.
WEFT_API Tensor top_k_accuracy(const Tensor& scores, const Tensor& labels, std::int64_t k,
                               CallSite at = CallSite::here());

/// Row i, column j counts the examples of class i that were taken for class j: predicted and labels (B) int64 or int32,
/// the result (classes, classes) int64. Batches add up with +. Throws as accuracy() (B = 0 is fine), IndexError for a
/// class outside 0 .. classes-1.
WEFT_API Tensor confusion_matrix(const Tensor& predicted, const Tensor& labels, std::int64_t classes,
                                 CallSite at = CallSite::here());

/// A mean over batches of different sizes:
///
///     weft::nn::RunningMean loss_mean;
///     loss_mean.add(loss, batch.size());     // a tensor is added up on its device
///     std::printf("%f\n", loss_mean.mean());
class WEFT_API RunningMean {
 public:
  /// Throws ValueError (value_out_of_range) unless weight is finite and not negative.
  void add(double value, double weight = 1, CallSite at = CallSite::here());
  /// The only element of a tensor. ShapeError for any other number of elements.
  void add(const Tensor& value, double weight = 1, CallSite at = CallSite::here());

  /// sum of weight value / sum of weight; NaN while that is 0. Waits for the device where tensors were added.
  double mean(CallSite at = CallSite::here()) const;
  double weight() const noexcept { return weight_; }
  void reset() noexcept;

 private:
  double sum_ = 0, weight_ = 0;
  Tensor device_sum_;  // float64, undefined until a tensor is added
};

}  // namespace weft::nn
