#include <weft/data/resident.h>

#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include <weft/tensor/upload.h>

#include <weft/core/error.h>
#include <weft/data/tensor_bytes.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/tensor_impl.h>

namespace weft {
namespace {

constexpr const char* op = "DataLoader";

std::size_t size_of(const Tensor& x) { return static_cast<std::size_t>(x.numel()) * item_size(x.dtype()); }

std::uint64_t version_of(const Tensor& x) { return view_of(x).stamp.version; }

/// On the device: itself where it lies there, for reading alone.
Tensor on(Device device, const Tensor& x, CallSite at) {
  return x.device() == device ? x : ops::to_device(x, device, op, at);
}

}  // namespace

std::unique_ptr<Resident> Resident::of(const Dataset& dataset, const LoaderOptions& options, CallSite at) {
  if (options.residence == Residence::host) return nullptr;
  const bool asked = options.residence == Residence::device;
  if (!asked && (is_host(options.device) || options.collate)) return nullptr;
  std::optional<WholeDataset> whole = dataset.whole();
  if (!whole.has_value()) return nullptr;
  if (asked) return std::unique_ptr<Resident>(new Resident(std::move(*whole), options, at));
  const std::size_t room = free_bytes(options.device, at) / 2;
  if (size_of(whole->inputs) + size_of(whole->targets) > room) return nullptr;
  try {
    return std::unique_ptr<Resident>(new Resident(std::move(*whole), options, at));
  } catch (const OutOfMemoryError&) {  // somebody else was faster
    return nullptr;
  }
}

Resident::Resident(WholeDataset host, const LoaderOptions& options, CallSite at)
    : device_(options.device),
      normalise_(host.inputs.dtype() == DType::uint8 && options.dtype != DType::uint8),
      dtype_(options.dtype),
      scale_(options.scale),
      shift_(options.shift) {
  upload(host, at);
}

void Resident::upload(const WholeDataset& host, CallSite at) {
  Tensor inputs = on(device_, host.inputs, at), targets = on(device_, host.targets, at);
  inputs_ = std::move(inputs);
  targets_ = std::move(targets);
  versions_[0] = version_of(host.inputs);
  versions_[1] = version_of(host.targets);
}

void Resident::begin_epoch(const Dataset& dataset, std::vector<std::int64_t> order, CallSite at) {
  const std::optional<WholeDataset> host = dataset.whole();
  if (version_of(host->inputs) != versions_[0] || version_of(host->targets) != versions_[1]) upload(*host, at);
  if (order.empty()) {
    order.resize(static_cast<std::size_t>(dataset.size()));
    std::iota(order.begin(), order.end(), std::int64_t{0});
  }
  order_there_ = from_vector<std::int64_t>(order, {static_cast<std::int64_t>(order.size())}, device_, at);
  order_ = std::move(order);
}

Batch Resident::gather(std::int64_t first, std::int64_t count, CallSite at) const {
  Batch batch;
  batch.indices.assign(order_.begin() + first, order_.begin() + first + count);
  const Tensor index = ops::narrow(order_there_, 0, first, count, op, at);
  const bool labels = targets_.rank() == 1 && targets_.dtype() == DType::int64;
  if (normalise_) {
    std::tie(batch.inputs, batch.targets) =
        ops::gather_batch(inputs_, labels ? targets_ : Tensor(), index, {scale_, shift_}, dtype_, op, at);
  } else {
    batch.inputs = ops::index_select(inputs_, 0, index, op, at);
  }
  if (!batch.targets.defined()) batch.targets = ops::index_select(targets_, 0, index, op, at);
  return batch;
}

}  // namespace weft
