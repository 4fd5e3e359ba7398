#include <weft/data/collate.h>

#include <utility>

#include <weft/core/dtype.h>
#include <weft/core/error.h>
#include <weft/core/subnormals.h>
#include <weft/data/tensor_bytes.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>

namespace weft {
namespace {

Shape with_batch_axis(std::int64_t n, const Shape& example) {
  Shape shape = {n};
  for (std::int64_t extent : example) shape.push_back(extent);
  return shape;
}

template <class T>
void look_up(const std::vector<T>& table, const std::vector<std::byte>& bytes, std::byte* out) {
  T* to = reinterpret_cast<T*>(out);
  const T* value = table.data();
  for (std::size_t i = 0; i < bytes.size(); ++i) to[i] = value[std::to_integer<std::size_t>(bytes[i])];
}

}  // namespace

Collator::Collator(const Dataset& dataset, const ExampleLayout& layout, const LoaderOptions& options)
    : dataset_(&dataset),
      layout_(layout),
      seed_(options.seed),
      device_(options.device),
      host_(is_host(options.device) ? options.device : cpu()),
      collate_(options.collate),
      dtype_(layout.input_dtype == DType::uint8 ? options.dtype : layout.input_dtype),
      normalise_(dtype_ != layout.input_dtype),
      input_bytes_(static_cast<std::size_t>(layout.input.numel()) * item_size(dtype_)),
      target_bytes_(static_cast<std::size_t>(layout.target.numel()) * item_size(layout.target_dtype)) {
  if (!normalise_) return;
  for (int byte = 0; byte < 256; ++byte) {
    const double value = byte * options.scale + options.shift;
    float_of_byte_.push_back(static_cast<float>(value));
    double_of_byte_.push_back(value);
  }
}

Collator::Work Collator::begin(std::span<const std::int64_t> indices, std::int64_t epoch) const {
  const auto n = static_cast<std::int64_t>(indices.size());
  Work work;
  work.batch.inputs = empty(with_batch_axis(n, layout_.input), {host_, dtype_}, {});
  work.batch.targets = empty(with_batch_axis(n, layout_.target), {host_, layout_.target_dtype}, {});
  work.batch.indices.assign(indices.begin(), indices.end());
  work.batch.epoch = epoch;
  work.inputs = mutable_bytes_of(work.batch.inputs);
  work.targets = mutable_bytes_of(work.batch.targets);
  if (normalise_) work.example.resize(static_cast<std::size_t>(layout_.input.numel()));
  return work;
}

void Collator::decode_row(Work& work, std::int64_t row) const {
  const FlushSubnormals alike_on_every_thread;
  const auto r = static_cast<std::size_t>(row);
  std::byte* input = work.inputs + r * input_bytes_;
  std::byte* target = work.targets + r * target_bytes_;
  void* decoded = normalise_ ? work.example.data() : input;
  dataset_->get(work.batch.indices[r], ExampleSlot(layout_, decoded, target, seed_, work.batch.epoch));
  if (!normalise_) return;
  if (dtype_ == DType::float32) {
    look_up(float_of_byte_, work.example, input);
  } else {
    look_up(double_of_byte_, work.example, input);
  }
}

void Collator::collate(Batch& batch) const {
  if (!collate_) return;
  const FlushSubnormals alike_on_every_thread;
  const std::int64_t epoch = batch.epoch, number = batch.number;
  constexpr std::uint64_t collate_stream = 0x636F6C6C61746531;  // "collate1"
  batch = collate_(std::move(batch), RandomStream(seed_ ^ collate_stream).child(epoch).child(number));
  batch.epoch = epoch;
  batch.number = number;
  ops::check_defined(batch.inputs, "DataLoader", "inputs, as collate returned them,", {});
  ops::check_defined(batch.targets, "DataLoader", "targets, as collate returned them,", {});
}

void Collator::to_device(Batch& batch, CallSite at) const {
  if (is_host(device_)) return;
  const auto move = [&](Tensor& x) {
    if (!x.defined() || x.device() != device_) x = ops::to_device(x, device_, "DataLoader", at);
  };
  move(batch.inputs);
  move(batch.targets);
  for (Tensor& extra : batch.extras) move(extra);
}

}  // namespace weft
