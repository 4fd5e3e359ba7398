#include <weft/data/loader.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/loader_core.h>

namespace weft {
namespace {

constexpr const char* op = "DataLoader";

[[noreturn]] void refuse(const std::string& text, CallSite at) {
  throw ValueError(ErrorCode::value_out_of_range, op, text, at);
}

void check_sampler(const Sampler& sampler, const LoaderOptions& options, CallSite at) {
  if (options.shuffle) {
    throw ValueError(ErrorCode::value_invalid, op, "shuffle is on beside a sampler, which decides about the order", at);
  }
  if (sampler.size() < 1) refuse(message("the sampler has ", sampler.size(), " examples an epoch"), at);
  const std::string identity = sampler.identity();
  const bool visible = std::all_of(identity.begin(), identity.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (identity.empty() || identity.size() > 100 || !visible) {
    throw ValueError(ErrorCode::value_invalid, op,
                     message("the sampler's identity() is \"", identity.substr(0, 200),
                             "\", expected 1 to 100 visible ASCII characters without a blank"),
                     at);
  }
}

void check_options(const LoaderOptions& options, const Dataset& dataset, CallSite at) {
  if (options.batch_size < 1) refuse(message("batch_size is ", options.batch_size, ", expected 1 or more"), at);
  if (options.workers < 0 || options.workers > max_loader_workers) {
    refuse(message("workers is ", options.workers, ", expected 0 to ", max_loader_workers), at);
  }
  constexpr int most = 1 << 20;
  if (options.prefetch < 0 || options.prefetch > most) {
    refuse(message("prefetch is ", options.prefetch, ", expected 0 (2 per worker) to ", most), at);
  }
  if (!std::isfinite(options.scale) || !std::isfinite(options.shift)) {
    refuse(message("scale is ", options.scale, " and shift ", options.shift, ", expected finite numbers"), at);
  }
  if (options.dtype != DType::float32 && options.dtype != DType::float64 && options.dtype != DType::uint8) {
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     message("dtype is ", options.dtype, ", expected float32, float64 or uint8"), at);
  }
  if (options.residence == Residence::device && (options.collate || !dataset.whole().has_value())) {
    throw ValueError(
        ErrorCode::value_invalid, op,
        message("residence is device, but ", options.collate ? "collate works on the host" : dataset.name(),
                options.collate ? "" : " is not its tensors alone: Dataset::whole() gives nothing"),
        at);
  }
  if (dataset.size() < 1) refuse(message(dataset.name(), " has no examples"), at);
  if (options.sampler != nullptr) check_sampler(*options.sampler, options, at);
  const std::int64_t n = options.sampler != nullptr ? options.sampler->size() : dataset.size();
  if (options.drop_last && n < options.batch_size) {
    refuse(message(dataset.name(), " has ", n, " examples an epoch: not one batch of ", options.batch_size,
                   ", and drop_last leaves out smaller ones"),
           at);
  }
}

ExampleLayout checked_layout(const Dataset& dataset, const LoaderOptions& options, CallSite at) {
  ExampleLayout layout = dataset.layout();
  for (const Shape& example : {layout.input, layout.target}) {
    const std::int64_t examples = options.sampler != nullptr ? options.sampler->size() : dataset.size();
    Shape batch = {options.batch_size < examples ? options.batch_size : examples};
    for (int i = 0; i < example.rank(); ++i) batch.push_back(i < max_rank ? example[i] : 1);
    check_shape(batch, sizeof(double), op, at);
  }
  return layout;
}

std::shared_ptr<const Dataset> checked(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options,
                                       CallSite at) {
  if (dataset == nullptr) throw ValueError(ErrorCode::value_invalid, op, "the data set is a null pointer", at);
  check_options(options, *dataset, at);
  return dataset;
}

}  // namespace

DataLoader::DataLoader(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options, CallSite at) {
  dataset = checked(std::move(dataset), options, at);
  const ExampleLayout layout = checked_layout(*dataset, options, at);
  std::unique_ptr<Resident> resident = Resident::of(*dataset, options, at);
  core_ = std::make_shared<Core>(std::move(dataset), options, layout);
  core_->resident = std::move(resident);
}

DataLoader::DataLoader(DataLoader&&) noexcept = default;

DataLoader& DataLoader::operator=(DataLoader&& other) noexcept {
  if (this == &other) return *this;
  if (core_ != nullptr) core_->shut_down();
  core_ = std::move(other.core_);
  return *this;
}

DataLoader::~DataLoader() {
  if (core_ != nullptr) core_->shut_down();  // a cursor may keep the core, but no thread
}

DataLoader::Core& DataLoader::core(const char* operation, CallSite at) const {
  if (core_ != nullptr) return *core_;
  throw StateError(ErrorCode::state_mismatch, operation, "this loader was moved from", at);
}

DataLoader::Epoch DataLoader::epoch(std::int64_t number, CallSite at) {
  Core& c = core("epoch", at);
  const Core::InUse in_use(c, "epoch", at);
  if (number < 0) refuse(message("epoch is ", number, ", expected 0 or more"), at);
  c.check_not_iterated("epoch", at);
  c.end_run();
  c.position.epoch = number;
  c.position.batch = 0;
  return Epoch(core_, at);
}

DataLoader::Epoch DataLoader::rest_of_epoch(CallSite at) {
  Core& c = core("rest_of_epoch", at);
  const Core::InUse in_use(c, "rest_of_epoch", at);
  c.check_not_iterated("rest_of_epoch", at);
  return Epoch(core_, at);
}

std::optional<Batch> DataLoader::next(CallSite at) {
  Core& c = core("next", at);
  const Core::InUse in_use(c, "next", at);
  c.check_not_iterated("next", at);
  return c.next(at);
}

LoaderState DataLoader::state() const { return core("state", {}).position; }

void DataLoader::load_state(const LoaderState& state, CallSite at) {
  Core& c = core("load_state", at);
  const Core::InUse in_use(c, "load_state", at);
  c.check_not_iterated("load_state", at);
  std::string differences;
  const auto compare = [&](const char* what, auto theirs, auto ours) {
    if (theirs == ours) return;
    differences += message(differences.empty() ? "" : ", ", what, " ", theirs, " (here ", ours, ")");
  };
  compare("seed", state.seed, c.position.seed);
  compare("batch_size", state.batch_size, c.position.batch_size);
  compare("dataset_size", state.dataset_size, c.position.dataset_size);
  compare("shuffle", state.shuffle, c.position.shuffle);
  compare("drop_last", state.drop_last, c.position.drop_last);
  const auto named = [](const std::string& sampler) { return sampler.empty() ? std::string("none") : sampler; };
  compare("sampler", named(state.sampler), named(c.position.sampler));
  if (!differences.empty()) {
    throw StateError(ErrorCode::state_mismatch, "load_state",
                     message("the state is of another sequence of batches: ", differences), at);
  }
  if (state.epoch < 0 || state.batch < 0 || state.batch > c.batches) {
    throw ValueError(ErrorCode::value_out_of_range, "load_state",
                     message("the state is epoch ", state.epoch, ", batch ", state.batch,
                             ", expected an epoch from 0 and a batch from 0 to ", c.batches),
                     at);
  }
  c.end_run();
  c.position = state;
}

std::int64_t DataLoader::batches_per_epoch() const { return core("batches_per_epoch", {}).batches; }
const LoaderOptions& DataLoader::options() const { return core("options", {}).options; }
const Dataset& DataLoader::dataset() const { return *core("dataset", {}).dataset; }

LoaderStats DataLoader::stats() const {
  const LoaderCounters& c = core("stats", {}).counters;
  const auto seconds = [](const std::atomic<std::int64_t>& nanoseconds) {
    return static_cast<double>(nanoseconds.load(std::memory_order_relaxed)) * 1e-9;
  };
  LoaderStats stats;
  stats.batches = c.batches.load(std::memory_order_relaxed);
  stats.waits = c.waits.load(std::memory_order_relaxed);
  stats.consumer_wait_seconds = seconds(c.consumer_wait);
  stats.worker_wait_seconds = seconds(c.worker_wait);
  stats.decode_seconds = seconds(c.decode);
  return stats;
}

bool DataLoader::is_resident() const { return core("is_resident", {}).resident != nullptr; }

void DataLoader::reset_stats() {
  LoaderCounters& c = core("reset_stats", {}).counters;
  for (auto* counter : {&c.batches, &c.waits, &c.consumer_wait, &c.worker_wait, &c.decode}) counter->store(0);
}

}  // namespace weft
