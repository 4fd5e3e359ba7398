#pragma once
// Private: a data set that lies on the loader's device, and batches gathered there. Belongs to the thread that
// iterates.

#include <cstdint>
#include <memory>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/data/dataset.h>
#include <weft/data/loader.h>

namespace weft {

class Resident {
 public:
  /// The data set on options.device, as options.residence has it; null where batches are made on the host. What cannot
  /// be asked for was refused before.
  static std::unique_ptr<Resident> of(const Dataset& dataset, const LoaderOptions& options, CallSite at);

  /// The epoch's order (empty: that of the data set) goes over, and the data set again where it was written to.
  void begin_epoch(const Dataset& dataset, std::vector<std::int64_t> order, CallSite at);

  /// Examples first .. first + count - 1 of the order.
  Batch gather(std::int64_t first, std::int64_t count, CallSite at) const;

 private:
  Resident(WholeDataset host, const LoaderOptions& options, CallSite at);
  void upload(const WholeDataset& host, CallSite at);

  Device device_;
  bool normalise_;
  DType dtype_;
  double scale_, shift_;
  Tensor inputs_, targets_;
  std::uint64_t versions_[2] = {};  // of the host's tensors, when they were copied
  std::vector<std::int64_t> order_;
  Tensor order_there_;
};

}  // namespace weft
