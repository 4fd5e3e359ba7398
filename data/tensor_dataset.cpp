#include <weft/data/tensor_dataset.h>

#include <cstring>
#include <typeinfo>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/tensor_bytes.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/ops.h>

namespace weft {
namespace {

constexpr const char* op = "TensorDataset";

Tensor checked(const Tensor& x, const char* what, CallSite at) {
  ops::check_defined(x, op, what, at);
  if (!is_host(x.device())) {
    throw DeviceError(ErrorCode::device_mismatch, op,
                      message(what, " is on ", x.device(), ", expected host memory; use .to(weft::cpu())"), at);
  }
  if (x.rank() == 0) {
    throw ShapeError(ErrorCode::rank_unsupported, op, message(what, " has rank 0, expected one row per example"), at);
  }
  return ops::contiguous(x, op, at);
}

Shape without_first_axis(const Shape& shape) {
  Shape rest;
  for (int i = 1; i < shape.rank(); ++i) rest.push_back(shape[i]);
  return rest;
}

void copy_row(const Tensor& from, std::int64_t row, const Shape& shape, void* to) {
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * item_size(from.dtype());
  if (bytes != 0) std::memcpy(to, bytes_of(from) + static_cast<std::size_t>(row) * bytes, bytes);
}

}  // namespace

TensorDataset::TensorDataset(const Tensor& inputs, const Tensor& targets, std::string name, CallSite at)
    : inputs_(checked(inputs, "inputs", at)), targets_(checked(targets, "targets", at)), name_(std::move(name)) {
  if (inputs.size(0) != targets.size(0)) {
    throw ShapeError(
        ErrorCode::shape_mismatch, op,
        message("inputs are ", inputs.shape(), " and targets ", targets.shape(), "; expected the same number of rows"),
        at);
  }
  // Without history, should the tensors record gradients: a data set keeps no graph.
  inputs_ = ops::view(inputs_, inputs_.shape(), inputs_.strides(), 0);
  targets_ = ops::view(targets_, targets_.shape(), targets_.strides(), 0);
  layout_ = {without_first_axis(inputs.shape()), inputs.dtype(), without_first_axis(targets.shape()), targets.dtype()};
  size_ = inputs.size(0);
}

std::optional<WholeDataset> TensorDataset::whole() const {
  if (typeid(*this) != typeid(TensorDataset)) return std::nullopt;
  return WholeDataset{inputs_, targets_};
}

void TensorDataset::get(std::int64_t index, const ExampleSlot& slot) const {
  copy_row(inputs_, index, layout_.input, slot.input_data());
  copy_row(targets_, index, layout_.target, slot.target_data());
}

}  // namespace weft
