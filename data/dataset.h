#pragma once
// Data sets: a number of examples, all of one layout, that can be read in any order and from several threads.
//
// A data set of one's own overrides three functions:
//
//     class Parabola : public weft::Dataset {
//      public:
//       std::int64_t size() const override { return 1000; }
//       weft::ExampleLayout layout() const override { return {.input = {1}, .target = {1}, .target_dtype =
//                                                             weft::DType::float32}; }
//       void get(std::int64_t index, const weft::ExampleSlot& slot) const override {
//         const float x = static_cast<float>(index) / 500 - 1;
//         slot.input<float>()[0] = x;
//         slot.target<float>()[0] = x * x;
//       }
//     };
//     weft::DataLoader loader(Parabola{}, {.batch_size = 32, .shuffle = true});
//
// get() writes straight into the batch: no example is ever a tensor of its own.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/dtype.h>
#include <weft/core/export.h>
#include <weft/core/shape.h>
#include <weft/tensor/tensor.h>

namespace weft {

/// What one example looks like; a batch has one more axis in front.
struct ExampleLayout {
  Shape input = {};  ///< e.g. (1, 28, 28) for an image: channels, rows, columns
  DType input_dtype = DType::float32;
  Shape target = {};  ///< rank 0 for a class label
  DType target_dtype = DType::int64;
};

/// Where get() writes one example. Valid during that call only.
class WEFT_API ExampleSlot {
 public:
  ExampleSlot(const ExampleLayout& layout, void* input, void* target, std::uint64_t seed = 0,
              std::int64_t epoch = 0) noexcept
      : layout_(&layout), input_(input), target_(target), seed_(seed), epoch_(epoch) {}

  /// The input, row-major, to be filled completely. T must be the layout's type (DTypeError).
  template <class T>
  std::span<T> input(CallSite at = CallSite::here()) const {
    if (dtype_of<T> != layout_->input_dtype) refuse("input", dtype_of<T>, layout_->input_dtype, at);
    return {static_cast<T*>(input_), static_cast<std::size_t>(layout_->input.numel())};
  }
  /// The target, as input().
  template <class T>
  std::span<T> target(CallSite at = CallSite::here()) const {
    if (dtype_of<T> != layout_->target_dtype) refuse("target", dtype_of<T>, layout_->target_dtype, at);
    return {static_cast<T*>(target_), static_cast<std::size_t>(layout_->target.numel())};
  }
  /// The same memory, whatever its type: layout().input.numel() elements of layout().input_dtype, and the target's.
  void* input_data() const noexcept { return input_; }
  void* target_data() const noexcept { return target_; }
  const ExampleLayout& layout() const noexcept { return *layout_; }
  /// Of the loader. Randomness keyed by (seed, epoch, index), through Philox say, is the same for any number of
  /// workers and after a resume.
  std::uint64_t seed() const noexcept { return seed_; }
  std::int64_t epoch() const noexcept { return epoch_; }

 private:
  [[noreturn]] static void refuse(const char* what, DType asked, DType is, CallSite at);

  const ExampleLayout* layout_;
  void* input_;
  void* target_;
  std::uint64_t seed_;
  std::int64_t epoch_;
};

/// A data set as two tensors on a host device, row-major: example i is row i of both.
struct WholeDataset {
  Tensor inputs;   ///< (N, input...)
  Tensor targets;  ///< (N, target...)
};

/// size() and layout() never change during a data set's life. All functions are called from several threads at once.
class WEFT_API Dataset {
 public:
  virtual ~Dataset();
  virtual std::int64_t size() const = 0;
  virtual ExampleLayout layout() const = 0;
  /// Writes example 0 <= index < size(). What it throws reaches whoever iterates, with the index named.
  virtual void get(std::int64_t index, const ExampleSlot& slot) const = 0;
  virtual std::string name() const;  ///< for messages and reports
  /// All examples at once, where get() does nothing but copy rows of two tensors; nothing (the default) otherwise. A
  /// DataLoader may keep them on its device.
  virtual std::optional<WholeDataset> whole() const;

 protected:
  Dataset() = default;
  Dataset(const Dataset&) = default;
  Dataset& operator=(const Dataset&) = default;
};

/// The two parts data sets are published in.
enum class Split : std::uint8_t { train, test };

/// Labelled images kept as bytes: input uint8 (channels, rows, columns), target a class number as int64. Copies share
/// the memory.
class WEFT_API ImageDataset : public Dataset {
 public:
  /// images: uint8, [N, rows, columns] or [N, channels, rows, columns]; labels: uint8, int32 or int64, [N], each
  /// in 0 .. num_classes - 1. Both on a host device (cpu(), serial()). Throws ShapeError, DTypeError, DeviceError,
  /// ValueError (no class), IndexError (a label outside the range; names the example).
  ImageDataset(const Tensor& images, const Tensor& labels, std::int64_t num_classes, std::string name = "images",
               std::string source = "", CallSite at = CallSite::here());

  std::int64_t size() const override { return size_; }
  ExampleLayout layout() const override;
  void get(std::int64_t index, const ExampleSlot& slot) const override;
  std::string name() const override { return name_; }
  std::optional<WholeDataset> whole() const override;  ///< not of a derived class, whose get() may do more

  const Tensor& images() const noexcept { return images_; }  ///< uint8 [N, channels, rows, columns]
  const Tensor& labels() const noexcept { return labels_; }  ///< int64 [N]
  std::int64_t num_classes() const noexcept { return num_classes_; }
  const std::string& source() const noexcept { return source_; }  ///< where it came from, for people

  /// The first `count` examples, in the same memory. Throws ValueError unless 1 <= count <= size().
  ImageDataset take(std::int64_t count, CallSite at = CallSite::here()) const;

 private:
  Tensor images_;
  Tensor labels_;
  const std::uint8_t* pixels_ = nullptr;
  const std::int64_t* classes_ = nullptr;
  std::int64_t size_ = 0;
  std::int64_t image_bytes_ = 0;
  std::int64_t num_classes_ = 0;
  std::string name_;
  std::string source_;
};

/// Some examples of another data set, in a given order; an index may appear more than once.
class WEFT_API Subset : public Dataset {
 public:
  /// Throws ValueError when `dataset` is null, IndexError for an index outside it.
  Subset(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> indices, CallSite at = CallSite::here());

  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  ExampleLayout layout() const override { return dataset_->layout(); }
  void get(std::int64_t index, const ExampleSlot& slot) const override;
  std::string name() const override;

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::int64_t> indices_;
};

}  // namespace weft
