#include <weft/data/transforms.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {

Transform::~Transform() = default;

Shape Transform::output_shape(const Shape& in, CallSite) const { return in; }

// ---- the data set

TransformedDataset::TransformedDataset(const AnyDataset& dataset, const AnyTransform& transform, CallSite at)
    : dataset_(dataset.get()), transform_(transform.get()) {
  constexpr const char* op = "TransformedDataset";
  if (dataset_ == nullptr || transform_ == nullptr) {
    throw ValueError(ErrorCode::value_invalid, op,
                     message("the ", dataset_ == nullptr ? "data set" : "transform", " is a null pointer"), at);
  }
  from_ = dataset_->layout();
  if (from_.input_dtype != DType::uint8 && from_.input_dtype != DType::float32) {
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     message("inputs of ", dataset_->name(), " are ", from_.input_dtype, ", expected uint8 or float32"),
                     at);
  }
  if (from_.input.rank() != 3) {
    throw ShapeError(
        ErrorCode::rank_unsupported, op,
        message("inputs of ", dataset_->name(), " are ", from_.input, ", expected (channels, rows, columns)"), at);
  }
  layout_ = from_;
  layout_.input_dtype = DType::float32;
  layout_.input = transform_->output_shape(from_.input, at);
}

void TransformedDataset::get(std::int64_t index, const ExampleSlot& slot) const {
  Image image{from_.input[0], from_.input[1], from_.input[2], {}};
  const auto count = static_cast<std::size_t>(from_.input.numel());
  image.pixels.resize(count);
  if (from_.input_dtype == DType::uint8) {
    std::vector<std::uint8_t> bytes(count);
    dataset_->get(index, ExampleSlot(from_, bytes.data(), slot.target_data(), slot.seed(), slot.epoch()));
    for (std::size_t i = 0; i < count; ++i) image.pixels[i] = static_cast<float>(bytes[i]) / 255.0F;
  } else {
    dataset_->get(index, ExampleSlot(from_, image.pixels.data(), slot.target_data(), slot.seed(), slot.epoch()));
  }
  constexpr std::uint64_t transform_stream = 0x7472616E73663031;  // "transf01"
  RandomStream random = RandomStream(slot.seed() ^ transform_stream).child(slot.epoch()).child(index);
  transform_->apply(image, random);
  const Shape shape = {image.channels, image.rows, image.columns};
  if (shape != layout_.input || image.pixels.size() != static_cast<std::size_t>(shape.numel())) {
    throw ShapeError(ErrorCode::shape_mismatch, "TransformedDataset",
                     message("the transform made ", shape, " with ", image.pixels.size(), " pixels of ", from_.input,
                             ", its output_shape() said ", layout_.input));
  }
  std::copy(image.pixels.begin(), image.pixels.end(), slot.input<float>().begin());
}

namespace transforms {
namespace {

void refuse_value(const char* op, const std::string& text, CallSite at) {
  throw ValueError(ErrorCode::value_out_of_range, op, text, at);
}

}  // namespace

// ---- Compose

Compose::Compose(std::initializer_list<AnyTransform> transforms, CallSite at)
    : Compose(std::vector<AnyTransform>(transforms), at) {}

Compose::Compose(std::vector<AnyTransform> transforms, CallSite at) : transforms_(std::move(transforms)) {
  for (std::size_t i = 0; i < transforms_.size(); ++i) {
    if (transforms_[i].get() != nullptr) continue;
    throw ValueError(ErrorCode::value_invalid, "Compose", message("transform ", i, " is a null pointer"), at);
  }
}

Shape Compose::output_shape(const Shape& in, CallSite at) const {
  Shape shape = in;
  for (const AnyTransform& t : transforms_) shape = t.get()->output_shape(shape, at);
  return shape;
}

void Compose::apply(Image& image, RandomStream& random) const {
  for (std::size_t i = 0; i < transforms_.size(); ++i) {
    RandomStream own = random.child(static_cast<std::int64_t>(i));
    transforms_[i].get()->apply(image, own);
  }
}

// ---- Normalize

Normalize::Normalize(std::vector<double> mean, std::vector<double> std, CallSite at) {
  if (mean.empty() || mean.size() != std.size()) {
    throw ValueError(ErrorCode::value_invalid, "Normalize",
                     message("mean has ", mean.size(), " numbers and std ", std.size(),
                             ", expected one each per channel, or one each"),
                     at);
  }
  for (std::size_t i = 0; i < mean.size(); ++i) {
    mean_.push_back(static_cast<float>(mean[i]));
    std_.push_back(static_cast<float>(std[i]));
    if (!std::isfinite(mean_[i])) refuse_value("Normalize", message("mean[", i, "] is ", mean[i]), at);
    if (!(std_[i] > 0) || !std::isfinite(std_[i])) {
      refuse_value("Normalize", message("std[", i, "] is ", std[i], ", expected a finite number above 0"), at);
    }
  }
}

Shape Normalize::output_shape(const Shape& in, CallSite at) const {
  if (mean_.size() == 1 || static_cast<std::int64_t>(mean_.size()) == in[0]) return in;
  throw ShapeError(ErrorCode::shape_mismatch, "Normalize",
                   message("there are numbers for ", mean_.size(), " channels, images are ", in), at);
}

void Normalize::apply(Image& image, RandomStream&) const {
  const auto plane = static_cast<std::size_t>(image.rows * image.columns);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const std::size_t channel = mean_.size() == 1 ? 0 : i / plane;
    image.pixels[i] = (image.pixels[i] - mean_[channel]) / std_[channel];
  }
}

// ---- RandomCrop

RandomCrop::RandomCrop(std::int64_t rows, std::int64_t columns, const CropOptions& options, CallSite at)
    : rows_(rows), columns_(columns), options_(options) {
  constexpr std::int64_t most = std::int64_t{1} << 20;
  if (rows < 1 || columns < 1) {
    refuse_value("RandomCrop", message("rows is ", rows, " and columns ", columns, ", expected 1 or more"), at);
  }
  if (options.padding < 0 || options.padding > most) {
    refuse_value("RandomCrop", message("padding is ", options.padding, ", expected 0 to ", most), at);
  }
}

Shape RandomCrop::output_shape(const Shape& in, CallSite at) const {
  const std::int64_t more = 2 * options_.padding;
  if (rows_ <= in[1] + more && columns_ <= in[2] + more) return {in[0], rows_, columns_};
  throw ShapeError(ErrorCode::shape_mismatch, "RandomCrop",
                   message("a part of ", rows_, " x ", columns_, " is larger than images ", in, " with a padding of ",
                           options_.padding),
                   at);
}

void RandomCrop::apply(Image& image, RandomStream& random) const {
  const std::int64_t pad = options_.padding;
  const std::int64_t top = random.below(image.rows + 2 * pad - rows_ + 1) - pad;
  const std::int64_t left = random.below(image.columns + 2 * pad - columns_ + 1) - pad;
  Image part{image.channels, rows_, columns_, {}};
  part.pixels.assign(static_cast<std::size_t>(part.channels * rows_ * columns_), options_.fill);
  const std::int64_t first = std::max<std::int64_t>(0, -left), end = std::min(columns_, image.columns - left);
  for (std::int64_t c = 0; c < part.channels && first < end; ++c) {
    for (std::int64_t y = std::max<std::int64_t>(0, -top); y < std::min(rows_, image.rows - top); ++y) {
      const float* from = image.row(c, top + y) + left;
      std::copy(from + first, from + end, part.row(c, y) + first);
    }
  }
  image = std::move(part);
}

// ---- RandomHorizontalFlip

RandomHorizontalFlip::RandomHorizontalFlip(double p, CallSite at) : p_(p) {
  if (!(p >= 0 && p <= 1)) refuse_value("RandomHorizontalFlip", message("p is ", p, ", expected 0 to 1"), at);
}

void RandomHorizontalFlip::apply(Image& image, RandomStream& random) const {
  if (!random.happens(p_)) return;
  for (std::int64_t c = 0; c < image.channels; ++c) {
    for (std::int64_t y = 0; y < image.rows; ++y) std::reverse(image.row(c, y), image.row(c, y) + image.columns);
  }
}

// ---- Lambda

Lambda::Lambda(std::function<void(Image&, RandomStream&)> apply, std::function<Shape(const Shape&)> output, CallSite at)
    : apply_(std::move(apply)), output_(std::move(output)) {
  if (!apply_) throw ValueError(ErrorCode::value_invalid, "Lambda", "the function is empty", at);
}

Shape Lambda::output_shape(const Shape& in, CallSite) const { return output_ ? output_(in) : in; }

}  // namespace transforms
}  // namespace weft
