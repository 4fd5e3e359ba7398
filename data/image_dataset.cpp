#include <cstring>
#include <typeinfo>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/dataset.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>

namespace weft {
namespace {

constexpr const char* op = "ImageDataset";

void check_host(const Tensor& t, const char* what, CallSite at) {
  const BackendKind kind = t.device().kind;
  if (kind == BackendKind::cpu || kind == BackendKind::serial) return;
  throw DeviceError(ErrorCode::device_mismatch, op,
                    message(what, " is on ", t.device(), ", expected host memory; use .to(weft::cpu())"), at);
}

/// Labels as int64 in memory of their own, each checked.
Tensor checked_labels(const Tensor& labels, std::int64_t num_classes, CallSite at) {
  const Tensor row_major = ops::contiguous(labels, op, at);
  const std::int64_t n = labels.numel();
  Tensor out = empty({n}, {labels.device(), DType::int64}, at);
  if (n == 0) return out;
  std::int64_t* to = out.mutable_data<std::int64_t>(at);
  const auto copy = [&](const auto* from) {
    for (std::int64_t i = 0; i < n; ++i) {
      to[i] = static_cast<std::int64_t>(from[i]);
      if (to[i] >= 0 && to[i] < num_classes) continue;
      throw IndexError(ErrorCode::index_out_of_range, op,
                       message("the label of example ", i, " is ", to[i], ", expected 0 to ", num_classes - 1), at);
    }
  };
  switch (labels.dtype()) {
    case DType::uint8:
      copy(row_major.data<std::uint8_t>(at));
      break;
    case DType::int32:
      copy(row_major.data<std::int32_t>(at));
      break;
    case DType::int64:
      copy(row_major.data<std::int64_t>(at));
      break;
    default:
      throw DTypeError(ErrorCode::dtype_unsupported, op,
                       message("labels are ", labels.dtype(), ", expected uint8, int32 or int64"), at);
  }
  return out;
}

}  // namespace

ImageDataset::ImageDataset(const Tensor& images, const Tensor& labels, std::int64_t num_classes, std::string name,
                           std::string source, CallSite at)
    : num_classes_(num_classes), name_(std::move(name)), source_(std::move(source)) {
  ops::check_defined(images, op, "images", at);
  ops::check_defined(labels, op, "labels", at);
  if (images.dtype() != DType::uint8) {
    throw DTypeError(ErrorCode::dtype_unsupported, op, message("images are ", images.dtype(), ", expected uint8"), at);
  }
  if (images.rank() != 3 && images.rank() != 4) {
    throw ShapeError(ErrorCode::rank_unsupported, op,
                     message("images are ", images.shape(),
                             ", expected (N, rows, columns) or (N, channels, rows, "
                             "columns)"),
                     at);
  }
  if (labels.rank() != 1 || labels.size(0) != images.size(0)) {
    throw ShapeError(ErrorCode::shape_mismatch, op,
                     message("labels are ", labels.shape(), ", expected (", images.size(0), ",), one for each image"),
                     at);
  }
  if (num_classes < 1) {
    throw ValueError(ErrorCode::value_out_of_range, op, message("num_classes is ", num_classes, ", expected 1 or more"),
                     at);
  }
  check_host(images, "images", at);
  check_host(labels, "labels", at);

  images_ = ops::contiguous(images, op, at);
  if (images.rank() == 3) {
    images_ = ops::reshape(images_, {images.size(0), 1, images.size(1), images.size(2)}, op, at);
  }
  labels_ = checked_labels(labels, num_classes, at);
  size_ = images_.size(0);
  image_bytes_ = images_.size(1) * images_.size(2) * images_.size(3);
  pixels_ = images_.data<std::uint8_t>(at);
  classes_ = labels_.data<std::int64_t>(at);
}

ExampleLayout ImageDataset::layout() const {
  return {.input = {images_.size(1), images_.size(2), images_.size(3)},
          .input_dtype = DType::uint8,
          .target = {},
          .target_dtype = DType::int64};
}

void ImageDataset::get(std::int64_t index, const ExampleSlot& slot) const {
  const auto pixels = slot.input<std::uint8_t>();
  if (!pixels.empty()) std::memcpy(pixels.data(), pixels_ + index * image_bytes_, pixels.size());
  slot.target<std::int64_t>()[0] = classes_[index];
}

std::optional<WholeDataset> ImageDataset::whole() const {
  if (typeid(*this) != typeid(ImageDataset)) return std::nullopt;
  return WholeDataset{images_, labels_};
}

ImageDataset ImageDataset::take(std::int64_t count, CallSite at) const {
  if (count < 1 || count > size_) {
    throw ValueError(ErrorCode::value_out_of_range, "take",
                     message("count is ", count, ", expected 1 to ", size_, ", the size of ", name_), at);
  }
  ImageDataset first = *this;
  if (count == size_) return first;
  first.images_ = ops::narrow(images_, 0, 0, count, "take", at);
  first.labels_ = ops::narrow(labels_, 0, 0, count, "take", at);
  first.size_ = count;
  first.name_ = message(name_, ", first ", count);
  return first;
}

}  // namespace weft
