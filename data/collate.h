#pragma once
// Private: makes a batch out of examples: decodes each straight into the batch's memory and normalises bytes.

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <weft/core/device.h>
#include <weft/data/dataset.h>
#include <weft/data/loader.h>

namespace weft {

/// Which example failed, beside what it threw.
struct DecodeFailure {
  std::int64_t index = -1;
};

/// Immutable after construction: used by all workers at once.
class Collator {
 public:
  /// Options and layout were checked.
  Collator(const Dataset& dataset, const ExampleLayout& layout, const LoaderOptions& options);

  /// Batch `number` of an epoch, of the examples `indices` in order; nothing once `stop()` is true, which is asked
  /// before each example. What the data set throws passes through, with failed->index set.
  template <class Stop>
  std::optional<Batch> decode(std::span<const std::int64_t> indices, std::int64_t epoch, std::int64_t number,
                              const Stop& stop, DecodeFailure* failed) const {
    Work work = begin(indices, epoch);
    work.batch.number = number;
    for (std::int64_t row = 0; row < work.batch.size(); ++row) {
      if (stop()) return std::nullopt;
      failed->index = indices[static_cast<std::size_t>(row)];
      decode_row(work, row);
    }
    failed->index = -1;
    if (stop()) return std::nullopt;
    collate(work.batch);
    return std::move(work.batch);
  }

  /// The batch on the loader's device: itself on a host device, copied by the calling thread otherwise.
  void to_device(Batch& batch, CallSite at) const;

 private:
  struct Work {
    Batch batch;
    std::byte* inputs = nullptr;
    std::byte* targets = nullptr;
    std::vector<std::byte> example;  // where bytes wait for their normalisation
  };
  Work begin(std::span<const std::int64_t> indices, std::int64_t epoch) const;
  void decode_row(Work& work, std::int64_t row) const;
  void collate(Batch& batch) const;  // the user's function, if there is one

  const Dataset* dataset_;
  ExampleLayout layout_;
  std::uint64_t seed_;
  Device device_;  // of the batch delivered
  Device host_;    // where it is decoded
  CollateFunction collate_;
  DType dtype_;     // of the batch's inputs
  bool normalise_;  // bytes become dtype_
  std::size_t input_bytes_;
  std::size_t target_bytes_;
  std::vector<float> float_of_byte_;
  std::vector<double> double_of_byte_;
};

}  // namespace weft
