#pragma once
// Private: what is behind a DataLoader. Everything but the counters belongs to the thread that iterates.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <weft/data/collate.h>
#include <weft/data/loader.h>
#include <weft/data/prefetcher.h>
#include <weft/data/resident.h>
#include <weft/tensor/upload.h>

namespace weft {

struct DataLoader::Core {
  Core(std::shared_ptr<const Dataset> data, const LoaderOptions& wanted, const ExampleLayout& layout);
  ~Core();

  /// Marks the loader as in use by the calling thread; throws StateError when it is in use already.
  class InUse {
   public:
    InUse(Core& core, const char* op, CallSite at);
    ~InUse() { core_.busy.store(false, std::memory_order_release); }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    Core& core_;
  };

  void check_not_iterated(const char* op, CallSite at) const;
  std::optional<Batch> next(CallSite at);
  void begin_run(CallSite at);
  void end_run() noexcept;
  /// Stops and joins the threads.
  void shut_down() noexcept;

  std::shared_ptr<const Dataset> dataset;
  LoaderOptions options;
  Collator collator;
  std::int64_t batches = 0;
  LoaderState position;

  std::atomic<bool> busy{false};
  bool epoch_alive = false;
  bool shut = false;  // the DataLoader is gone
  bool running = false;
  std::unique_ptr<Uploader> uploader;  // null: the consumer copies
  std::shared_ptr<const Prefetcher::Decode> decode;
  std::unique_ptr<Prefetcher> prefetcher;
  std::unique_ptr<Resident> resident;  // null: batches are decoded on the host
  LoaderCounters counters;

  std::int64_t examples_per_epoch() const;

 private:
  std::vector<std::int64_t> order_of_epoch(CallSite at) const;  // empty: 0, 1, 2, ..
  /// In a forked child the threads do not exist and the locks may be held for ever: the object is left where it is.
  void forget_threads_of_parent() noexcept;
  Decoded take();
  Batch gather(CallSite at);
};

}  // namespace weft
