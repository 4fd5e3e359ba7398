#pragma once
// DataLoader: batches of a data set, decoded ahead by background threads.
//
//     weft::DataLoader loader(dataset, {.batch_size = 128, .shuffle = true, .workers = 2, .seed = 1});
//     for (int epoch = 0; epoch < 10; ++epoch) {
//       for (const weft::Batch& batch : loader.epoch(epoch)) train(batch.inputs, batch.targets);
//     }
//
// The batches of an epoch depend on the data set, batch_size, shuffle or sampler, drop_last, collate, seed and the
// epoch's number: not on the number of workers, on their speed, or on whether the epoch was begun here or resumed
// (state(), load_state()).
//
// Workers take whole batches, at most `prefetch` ahead of the consumer, so memory is bounded by prefetch + 1 batches.
// With workers = 0 batches are decoded where they are asked for.
//
// A DataLoader is used by one thread at a time: a second iteration, or a call during another thread's, throws
// StateError (state_mismatch). stats() may be called from any thread. Leaving an iteration early, an exception and
// destruction at any moment are all fine: workers stop after the example they are decoding.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/dtype.h>
#include <weft/core/export.h>
#include <weft/data/dataset.h>
#include <weft/data/random_stream.h>
#include <weft/data/sampler.h>
#include <weft/tensor/tensor.h>

namespace weft {

inline constexpr int max_loader_workers = 256;

/// Tensors of a batch of B examples: inputs (B, input...), targets (B, target...), unless `collate` made others. They
/// belong to the receiver and may be kept; when dropped, their memory serves later batches.
struct Batch {
  Tensor inputs;
  Tensor targets;
  std::vector<Tensor> extras = {};    ///< whatever `collate` adds
  std::vector<std::int64_t> indices;  ///< the data set's indices, in the batch's order
  std::int64_t epoch = 0;
  std::int64_t number = 0;  ///< within the epoch, from 0

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(indices.size()); }
};

/// What makes a batch out of the stacked examples: mixes them, cuts padding off, adds tensors to extras. It is given
/// the batch as it would be delivered, on the host and normalised, and a stream of random numbers keyed by (seed,
/// epoch, number of the batch); what it returns is delivered (moved to the loader's device, epoch and number as they
/// were). It runs on the workers, several calls at once, with gradients on; what it throws reaches whoever iterates,
/// with the batch named. Only a pure function of its arguments keeps batches the same for any number of workers.
using CollateFunction = std::function<Batch(Batch batch, RandomStream random)>;

/// Where the examples are while batches are made of them.
enum class Residence : std::uint8_t {
  automatic,  ///< on the device where it has memory of its own, all is there for it (see `device`), and the data set
              ///< takes no more than half of what is free; otherwise on the host
  host,       ///< the workers decode and, for a device with queues, copy ahead from pinned memory on queues of their
              ///< own; without workers a batch is copied when it is delivered
  device      ///< the whole data set lies on the loader's device, and each batch is gathered there by its indices
};

struct LoaderOptions {
  std::int64_t batch_size = 32;
  bool shuffle = false;    ///< a permutation of the data set per epoch, keyed by (seed, epoch)
  bool drop_last = false;  ///< leave out the last batch when it is smaller than batch_size
  int workers = 1;         ///< background threads, 0 to max_loader_workers; 0 decodes inline
  int prefetch = 0;        ///< batches decoded ahead, all workers together; 0 means 2 per worker
  std::uint64_t seed = 0;
  Device device = cpu();  ///< where the batches' tensors are

  // Normalisation of uint8 inputs, part of collation: value * scale + shift, in float64, rounded once to `dtype`.
  DType dtype = DType::float32;  ///< float32 or float64; uint8 leaves the bytes as they are. Other inputs pass as is.
  double scale = 1.0 / 255;
  double shift = 0;

  std::shared_ptr<const Sampler> sampler =
      nullptr;  ///< which examples an epoch has and in which order; not with shuffle
  CollateFunction collate = {};

  /// The batches are the same, bit for bit. `device` needs a data set that is its tensors (Dataset::whole()) and no
  /// collate, else ValueError; there are no workers then, and a training step has the host copy nothing but an epoch's
  /// order. Memory of the device that cannot be had: OutOfMemoryError, with `automatic` the host.
  Residence residence = Residence::automatic;
};

/// Where an iteration stands, and of what. A checkpoint keeps it as text: to_string(), parse_loader_state().
struct LoaderState {
  std::int64_t epoch = 0;
  std::int64_t batch = 0;  ///< the next batch to be delivered; the number of batches when only the epoch's end is left
  // What the sequence of batches follows from; load_state() compares it.
  std::uint64_t seed = 0;
  std::int64_t batch_size = 0;
  std::int64_t dataset_size = 0;
  bool shuffle = false;
  bool drop_last = false;
  std::string sampler = {};  ///< its identity(); empty: none

  friend bool operator==(const LoaderState&, const LoaderState&) = default;
};

/// "epoch=3 batch=117 seed=1 batch_size=128 dataset_size=60000 shuffle=1 drop_last=0", with a sampler followed by
/// " sampler=weighted-60000-60000-again-1f3a0b2c"
WEFT_API std::string to_string(const LoaderState& state);
/// Throws ValueError (value_invalid) for any other text.
WEFT_API LoaderState parse_loader_state(std::string_view text, CallSite at = CallSite::here());

/// Counted since construction or reset_stats().
struct LoaderStats {
  std::int64_t batches = 0;          ///< delivered
  std::int64_t waits = 0;            ///< batches that were not ready when asked for; all of them when inline
  double consumer_wait_seconds = 0;  ///< spent by the caller waiting for batches: training is bound by loading
  double worker_wait_seconds = 0;    ///< spent by workers waiting for room: loading is faster than training
  double decode_seconds = 0;         ///< spent decoding, summed over threads
};

class WEFT_API DataLoader {
  struct Core;

 public:
  /// Throws ValueError: `dataset` null or empty, batch_size < 1, workers or prefetch out of range, scale or shift not
  /// finite, no batch at all (drop_last and fewer examples than batch_size), a sampler beside shuffle, without
  /// examples, or with an identity() of another form. DTypeError: dtype not one of those named.
  DataLoader(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options, CallSite at = CallSite::here());
  /// Takes a copy of the data set (an ImageDataset's copy shares its memory).
  template <class D>
  requires std::is_base_of_v<Dataset, D> DataLoader(D dataset, const LoaderOptions& options,
                                                    CallSite at = CallSite::here())
      : DataLoader(std::shared_ptr<const Dataset>(std::make_shared<const D>(std::move(dataset))), options, at) {}
  DataLoader(DataLoader&&) noexcept;
  DataLoader& operator=(DataLoader&&) noexcept;
  /// Returns when every worker has finished the example it is at.
  ~DataLoader();

  /// An iteration over one epoch, for a range-based for. Dropping it ends the iteration. An iterator may outlive its
  /// Epoch and the loader: it then stands at the end, and reading through it throws StateError.
  class WEFT_API Epoch {
    struct Cursor;

   public:
    struct End {};
    class WEFT_API Iterator {
     public:
      Batch& operator*() const;  ///< valid until the iterator advances or the Epoch goes
      Batch* operator->() const { return &**this; }
      Iterator& operator++();
      bool operator==(End) const noexcept;

     private:
      friend class Epoch;
      explicit Iterator(std::shared_ptr<Cursor> cursor) noexcept : cursor_(std::move(cursor)) {}
      std::shared_ptr<Cursor> cursor_;
    };

    Epoch(const Epoch&) = delete;
    Epoch& operator=(const Epoch&) = delete;
    ~Epoch();
    Iterator begin();
    End end() const noexcept { return {}; }

   private:
    friend class DataLoader;
    Epoch(std::shared_ptr<Core> core, CallSite at);

    std::shared_ptr<Cursor> cursor_;
  };

  /// Epoch `number` from its first batch. Throws ValueError when negative, StateError while another Epoch is alive.
  Epoch epoch(std::int64_t number, CallSite at = CallSite::here());
  /// What is left of the epoch the loader stands in, as after load_state() or an early break.
  Epoch rest_of_epoch(CallSite at = CallSite::here());

  /// The next batch; nothing, once, at the end of the epoch, after which the next call begins the next epoch. Throws
  /// what the data set threw: for a weft::Error the same type and code, for std::bad_alloc OutOfMemoryError, for
  /// anything else IoError (io_read); the message names the example, what was thrown is nested in it
  /// (std::rethrow_if_nested). Of several failures the one of the lowest batch comes, after every batch before it. The
  /// loader then stands at the failed batch. Where an epoch begins, a sampler that names an example outside the data
  /// set throws IndexError, one that gives another number of them ValueError.
  std::optional<Batch> next(CallSite at = CallSite::here());

  /// The state between two batches: what remains is delivered exactly alike by a loader that loads it.
  LoaderState state() const;
  /// Throws StateError (state_mismatch) when the state is of another sequence, naming every difference, or while an
  /// Epoch is alive; ValueError when epoch or batch is out of range.
  void load_state(const LoaderState& state, CallSite at = CallSite::here());

  std::int64_t batches_per_epoch() const;
  const LoaderOptions& options() const;
  const Dataset& dataset() const;
  LoaderStats stats() const;
  void reset_stats();
  /// Whether the data set lies on the loader's device.
  bool is_resident() const;

 private:
  Core& core(const char* op, CallSite at) const;  // throws StateError when this loader was moved from

  std::shared_ptr<Core> core_;  // shared with cursors, which may outlive the loader
};

}  // namespace weft
