#pragma once
// What happens to an image between the data set and the batch: normalisation and random changes.
//
//     using namespace weft::transforms;
//     const weft::TransformedDataset augmented(train, Compose{RandomCrop(28, 28, {.padding = 2}),
//                                                             RandomAffine({.degrees = 10}),
//                                                             Normalize({0.1307}, {0.3081})});
//     weft::DataLoader loader(augmented, {.batch_size = 128, .shuffle = true, .workers = 2, .seed = 1});
//
// Layout: images are (channels, rows, columns), float32, row-major; pixel (0, 0) is the upper left one. A data set of
// uint8 images is divided by 255 on the way in, float32 ones come in as they are; batches are float32 (the loader's own
// scale and shift, which are for bytes, do nothing).
//
// Randomness: the numbers a transform draws follow from (the loader's seed, the epoch, the index of the example in the
// data set wrapped, the transform's position) through Philox (random_stream.h). Batches are therefore the same for any
// number of workers and after a resume, another epoch shows an example otherwise, and a transform put in front does not
// change what its successors draw as long as their position stays. An example that an epoch visits twice is changed
// alike both times.
//
// Transforms are immutable after construction and used by several threads at once.

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/data/combine.h>
#include <weft/data/dataset.h>
#include <weft/data/random_stream.h>

namespace weft {

/// An image on its way; transforms may change its size.
struct Image {
  std::int64_t channels = 0, rows = 0, columns = 0;
  std::vector<float> pixels;  ///< channels * rows * columns, row-major

  float* row(std::int64_t channel, std::int64_t y) noexcept { return pixels.data() + (channel * rows + y) * columns; }
  const float* row(std::int64_t channel, std::int64_t y) const noexcept {
    return pixels.data() + (channel * rows + y) * columns;
  }
};

class WEFT_API Transform {
 public:
  virtual ~Transform();
  /// The (channels, rows, columns) that come out where `in` goes in. Called once per data set; throws ShapeError where
  /// such images cannot be taken. The default says that nothing changes.
  virtual Shape output_shape(const Shape& in, CallSite at) const;
  /// Changes the image; it has a shape that output_shape() accepted.
  virtual void apply(Image& image, RandomStream& random) const = 0;

 protected:
  Transform() = default;
  Transform(const Transform&) = default;
  Transform& operator=(const Transform&) = default;
};

/// A transform of any type: converts from a transform (copied in) and from a shared pointer to one.
class AnyTransform {
 public:
  template <class T>
  requires std::derived_from<T, Transform> AnyTransform(T transform)  // NOLINT(google-explicit-constructor)
      : transform_(std::make_shared<const T>(std::move(transform))) {}
  template <class T>
  requires std::derived_from<T, Transform> AnyTransform(std::shared_ptr<T> transform)
  noexcept  // NOLINT(google-explicit-constructor)
      : transform_(std::move(transform)) {}

  const std::shared_ptr<const Transform>& get() const noexcept { return transform_; }

 private:
  std::shared_ptr<const Transform> transform_;
};

/// A data set of images, each changed by a transform when it is read. Targets pass as they are.
class WEFT_API TransformedDataset : public Dataset {
 public:
  /// Throws ValueError (a null pointer), DTypeError (inputs neither uint8 nor float32), ShapeError (inputs not of rank
  /// 3, or refused by the transform).
  TransformedDataset(const AnyDataset& dataset, const AnyTransform& transform, CallSite at = CallSite::here());

  std::int64_t size() const override { return dataset_->size(); }
  ExampleLayout layout() const override { return layout_; }
  void get(std::int64_t index, const ExampleSlot& slot) const override;
  std::string name() const override { return dataset_->name(); }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<const Transform> transform_;
  ExampleLayout from_;
  ExampleLayout layout_;
};

namespace transforms {

/// One after the other; transform i draws from child(i) of the stream. May be nested.
class WEFT_API Compose : public Transform {
 public:
  Compose(std::initializer_list<AnyTransform> transforms, CallSite at = CallSite::here());
  explicit Compose(std::vector<AnyTransform> transforms, CallSite at = CallSite::here());
  Shape output_shape(const Shape& in, CallSite at) const override;
  void apply(Image& image, RandomStream& random) const override;

 private:
  std::vector<AnyTransform> transforms_;
};

/// (pixel - mean) / std, per channel or with one number for all. Throws ValueError: not finite, std not above 0, lists
/// empty or of different lengths.
class WEFT_API Normalize : public Transform {
 public:
  Normalize(std::vector<double> mean, std::vector<double> std, CallSite at = CallSite::here());
  Shape output_shape(const Shape& in, CallSite at) const override;
  void apply(Image& image, RandomStream& random) const override;

 private:
  std::vector<float> mean_;
  std::vector<float> std_;
};

struct CropOptions {
  std::int64_t padding = 0;  ///< rows and columns of `fill` added on all four sides before
  float fill = 0;
};

/// A part of rows x columns, every place equally likely. With RandomCrop(28, 28, {.padding = 2}) a 28 x 28 image is
/// shifted by up to two pixels. Throws ValueError (rows or columns < 1, padding < 0 or over 2^20), ShapeError (the
/// padded image is smaller).
class WEFT_API RandomCrop : public Transform {
 public:
  RandomCrop(std::int64_t rows, std::int64_t columns, const CropOptions& options = {}, CallSite at = CallSite::here());
  Shape output_shape(const Shape& in, CallSite at) const override;
  void apply(Image& image, RandomStream& random) const override;

 private:
  std::int64_t rows_;
  std::int64_t columns_;
  CropOptions options_;
};

/// Left and right exchanged with probability p, 0 to 1 (ValueError).
class WEFT_API RandomHorizontalFlip : public Transform {
 public:
  explicit RandomHorizontalFlip(double p = 0.5, CallSite at = CallSite::here());
  void apply(Image& image, RandomStream& random) const override;

 private:
  double p_;
};

struct AffineOptions {
  double degrees = 0;            ///< turned by -degrees to degrees; positive is anticlockwise as one sees it
  double translate_rows = 0;     ///< moved by up to this part of the height, 0 to 1, either way
  double translate_columns = 0;  ///< moved by up to this part of the width
  double min_scale = 1;          ///< enlarged by a factor from min_scale to max_scale
  double max_scale = 1;
  float fill = 0;  ///< what is seen outside of the image
};

/// Turned, enlarged and moved about the centre, each uniformly from its range; bilinear interpolation. The same bits on
/// every machine. Throws ValueError unless degrees is 0 to 360, translate 0 to 1, 0 < min_scale <= max_scale <= 100.
class WEFT_API RandomAffine : public Transform {
 public:
  explicit RandomAffine(const AffineOptions& options, CallSite at = CallSite::here());
  void apply(Image& image, RandomStream& random) const override;

 private:
  AffineOptions options_;
};

/// Any function. One that changes the shape says how in `output`. Throws ValueError when `apply` is empty.
class WEFT_API Lambda : public Transform {
 public:
  explicit Lambda(std::function<void(Image&, RandomStream&)> apply, std::function<Shape(const Shape&)> output = {},
                  CallSite at = CallSite::here());
  Shape output_shape(const Shape& in, CallSite at) const override;
  void apply(Image& image, RandomStream& random) const override { apply_(image, random); }

 private:
  std::function<void(Image&, RandomStream&)> apply_;
  std::function<Shape(const Shape&)> output_;
};

}  // namespace transforms
}  // namespace weft
