#include <weft/data/loader_core.h>

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <new>
#include <span>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/data/epoch_order.h>

namespace weft {
namespace {

constexpr const char* op = "DataLoader";

template <class E>
void throw_if_a(const Error& error, const std::string& text, CallSite at) {
  if (dynamic_cast<const E*>(&error) != nullptr) std::throw_with_nested(E(error.code(), op, text, at));
}

template <class... Family>
void throw_alike(const Error& error, const std::string& text, CallSite at) {
  (throw_if_a<Family>(error, text, at), ...);
  std::throw_with_nested(Error(error.code(), op, text, at));
}

/// Throws what `decoded` holds, on this thread, with the example named and the original nested inside.
[[noreturn]] void rethrow(const Decoded& decoded, const Dataset& dataset, const LoaderState& where, CallSite at) {
  const std::string place =
      decoded.failed_index < 0 ? message("batch ", where.batch, " of epoch ", where.epoch, " of ", dataset.name(), ": ")
                               : message("example ", decoded.failed_index, " of ", dataset.name(), " (batch ",
                                         where.batch, " of epoch ", where.epoch, "): ");
  try {
    std::rethrow_exception(decoded.error);
  } catch (const Error& error) {
    throw_alike<ShapeError, DTypeError, DeviceError, IndexError, ValueError, StateError, AutogradError, IoError,
                OutOfMemoryError>(error, place + error.what(), at);
    throw;  // not reached: the line above always throws
  } catch (const std::bad_alloc&) {
    std::throw_with_nested(OutOfMemoryError(ErrorCode::out_of_memory, op, place + "out of memory", at));
  } catch (const std::exception& error) {
    std::throw_with_nested(IoError(ErrorCode::io_read, op, place + error.what(), at));
  } catch (...) {
    std::throw_with_nested(IoError(ErrorCode::io_read, op, place + "an exception of an unknown type", at));
  }
}

void to_device(Uploader& uploader, Batch& batch) {
  const TraceSpan span("upload batch", "data", batch.number, "batch");
  std::vector<Tensor*> tensors = {&batch.inputs, &batch.targets};
  for (Tensor& extra : batch.extras) tensors.push_back(&extra);
  uploader.upload(tensors);
}

int capacity_of(const LoaderOptions& options) { return options.prefetch > 0 ? options.prefetch : 2 * options.workers; }

}  // namespace

DataLoader::Core::Core(std::shared_ptr<const Dataset> data, const LoaderOptions& wanted, const ExampleLayout& layout)
    : dataset(std::move(data)), options(wanted), collator(*dataset, layout, options) {
  const std::int64_t n = examples_per_epoch();
  batches = n / options.batch_size + (!options.drop_last && n % options.batch_size != 0 ? 1 : 0);
  position.seed = options.seed;
  position.batch_size = options.batch_size;
  position.dataset_size = dataset->size();
  position.shuffle = options.shuffle;
  position.drop_last = options.drop_last;
  if (options.sampler != nullptr) position.sampler = options.sampler->identity();
}

DataLoader::Core::~Core() { shut_down(); }

DataLoader::Core::InUse::InUse(Core& core, const char* operation, CallSite at) : core_(core) {
  if (!core.busy.exchange(true, std::memory_order_acquire)) return;
  throw StateError(ErrorCode::state_mismatch, operation, "this loader is being used by another thread", at);
}

void DataLoader::Core::check_not_iterated(const char* operation, CallSite at) const {
  if (!epoch_alive) return;
  throw StateError(ErrorCode::state_mismatch, operation, "this loader is being iterated: an Epoch of it is alive", at);
}

void DataLoader::Core::forget_threads_of_parent() noexcept {
  if (prefetcher == nullptr || prefetcher->process() == getpid()) return;
  static_cast<void>(prefetcher.release());
  running = false;
}

void DataLoader::Core::shut_down() noexcept {
  end_run();
  prefetcher.reset();
  uploader.reset();
  shut = true;
}

std::int64_t DataLoader::Core::examples_per_epoch() const {
  return options.sampler != nullptr ? options.sampler->size() : dataset->size();
}

std::vector<std::int64_t> DataLoader::Core::order_of_epoch(CallSite at) const {
  if (options.shuffle) return epoch_order(position.dataset_size, options.seed, position.epoch);
  if (options.sampler == nullptr) return {};
  std::vector<std::int64_t> order = options.sampler->indices(options.seed, position.epoch);
  const std::string whose = message("sampler ", position.sampler, " for epoch ", position.epoch, ": ");
  if (static_cast<std::int64_t>(order.size()) != options.sampler->size()) {
    throw ValueError(ErrorCode::value_invalid, op,
                     message(whose, "gave ", order.size(), " indices, expected size(), ", options.sampler->size()), at);
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i] >= 0 && order[i] < position.dataset_size) continue;
    throw IndexError(ErrorCode::index_out_of_range, op,
                     message(whose, "index ", i, " is ", order[i], ", ", dataset->name(), " has ",
                             position.dataset_size, " examples"),
                     at);
  }
  return order;
}

void DataLoader::Core::begin_run(CallSite at) {
  if (resident != nullptr) {
    resident->begin_epoch(*dataset, order_of_epoch(at), at);
    running = true;
    return;
  }
  const auto examples_of = [n = examples_per_epoch(), size = options.batch_size, order = order_of_epoch(at)](
                               std::int64_t batch, std::vector<std::int64_t>& identity) {
    const std::int64_t first = batch * size;
    const std::int64_t count = std::min(size, n - first);
    if (!order.empty()) {
      return std::span(order).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    }
    for (std::int64_t i = 0; i < count; ++i) identity.push_back(first + i);
    return std::span<const std::int64_t>(identity);
  };
  decode = std::make_shared<const Prefetcher::Decode>(
      [this, epoch = position.epoch, examples_of](std::int64_t batch, FunctionRef<bool()> stop) {
        const TraceSpan span("decode batch", "data", batch, "batch");
        Decoded decoded;
        DecodeFailure failed;
        try {
          std::vector<std::int64_t> identity;
          std::optional<Batch> made = collator.decode(examples_of(batch, identity), epoch, batch, stop, &failed);
          if (made.has_value()) {
            if (uploader != nullptr && !stop()) to_device(*uploader, *made);
            decoded.batch = std::move(*made);
          }
        } catch (...) {
          decoded.error = std::current_exception();
          decoded.failed_index = failed.index;
        }
        return decoded;
      });
  if (options.workers > 0 && prefetcher == nullptr) {
    std::unique_ptr<Uploader> made = Uploader::to(options.device, at);
    prefetcher = std::make_unique<Prefetcher>(options.workers, capacity_of(options), counters);
    // Once, before the first run: a worker may still be at an earlier run's batch, and read it, when the next begins.
    if (prefetcher->threads() > 0) uploader = std::move(made);
  }
  if (prefetcher != nullptr && prefetcher->threads() > 0) {
    prefetcher->begin_run(position.batch, batches, decode);
  }
  running = true;
}

void DataLoader::Core::end_run() noexcept {
  forget_threads_of_parent();
  if (!running) return;
  running = false;
  if (prefetcher != nullptr && prefetcher->threads() > 0) prefetcher->end_run();
  decode.reset();
}

Decoded DataLoader::Core::take() {
  if (prefetcher != nullptr && prefetcher->threads() > 0) return prefetcher->take();
  const auto begin = LoaderClock::now();
  Decoded decoded = (*decode)(position.batch, [] { return false; });
  add_since(counters.decode, begin);
  add_since(counters.consumer_wait, begin);
  counters.waits.fetch_add(1, std::memory_order_relaxed);
  return decoded;
}

Batch DataLoader::Core::gather(CallSite at) {
  const auto begin = LoaderClock::now();
  const std::int64_t first = position.batch * options.batch_size;
  Batch batch = resident->gather(first, std::min(options.batch_size, examples_per_epoch() - first), at);
  batch.epoch = position.epoch;
  batch.number = position.batch;
  add_since(counters.decode, begin);
  return batch;
}

std::optional<Batch> DataLoader::Core::next(CallSite at) {
  forget_threads_of_parent();
  if (position.batch >= batches) {
    end_run();
    position.batch = 0;
    ++position.epoch;
    return std::nullopt;
  }
  if (!running) begin_run(at);
  if (resident != nullptr) {
    Batch batch = gather(at);
    ++position.batch;
    counters.batches.fetch_add(1, std::memory_order_relaxed);
    return batch;
  }
  Decoded decoded = take();
  if (decoded.error != nullptr) {
    end_run();
    rethrow(decoded, *dataset, position, at);
  }
  try {
    collator.to_device(decoded.batch, at);
  } catch (...) {
    end_run();  // the batch is lost with the run; the position still names it
    throw;
  }
  ++position.batch;
  counters.batches.fetch_add(1, std::memory_order_relaxed);
  return std::move(decoded.batch);
}

}  // namespace weft
