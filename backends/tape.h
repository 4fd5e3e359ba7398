#pragma once
// Private: a captured step.
//
// A tape is a Backend that remembers the contract's calls (views by value with stamp 0, argument structs and spans
// copied) and executes nothing while it records; replay() then makes the calls on its target, or, where the target
// records graphs of its own, makes them once into such a graph and replays that. tensor/ routes every call
// through active(): while a thread records, its calls go to its tape, those of other threads to the backend as ever.
//
//     TapePtr tape = Tape::make(backend_for(cpu()));
//     {
//       Tape::Recording recording(*tape);
//       step();                              // records
//     }
//     tape->replay(100);
//
// Refused by name while recording (StateError, read_only), because a host value would be frozen or would not exist yet:
// copy_out (item(), printing, to another device), copy_in, synchronise, a learning rate or a step count that is a host
// number, calls on another backend. Indices are checked at the replay: nothing is known before.
//
// Memory. allocate() while recording takes from the tape's arena, which asks the target and gives nothing back before
// the tape dies. A block freed by the recording thread is reused by what is recorded later; one freed after the
// recording is left alone, because every replay writes to it again. So a tensor made while recording (a loss, a
// gradient) is valid as long as it lives, holds what the latest replay wrote, and needs no owner: each live block keeps
// its tape alive, even when the TapePtr is gone. Memory of the target that the recording thread frees through the tape
// is kept until the tape dies, since recorded calls may name it. Tensors that existed before and are freed after the
// recording are the caller's to keep until the last replay.
//
// Threads: recording belongs to the thread that began it; replay() from one thread at a time; free() from any.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <weft/backends/backend.h>
#include <weft/backends/router.h>

namespace weft::backends {

struct TapeRelease {
  void operator()(Tape* tape) const noexcept;
};
using TapePtr = std::unique_ptr<Tape, TapeRelease>;

class Tape final : public Backend, public Router {
 public:
  static TapePtr make(Backend& target);

  /// Records for the length of a scope. Throws StateError when this thread records already or the tape is recorded.
  class Recording {
   public:
    explicit Recording(Tape& tape);
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

   private:
    Tape& tape_;
    RouterScope scope_;
  };

  /// Makes the recorded calls `times` times. Throws what a call throws; the calls behind it are then not made, and the
  /// draw counters do not move. Refused while this thread records.
  void replay(int times);
  using Backend::replay;

  /// How many steps a recording of the target's own may hold at once; 1 where the target records none.
  int steps_per_graph() const noexcept { return graphs_ ? 8 : 1; }
  /// steps_per_graph() replays as one of the target's recordings, which saves the host's work between them. Words that
  /// the recorded optimise, random and dropout calls read (a learning rate, a draw) may lie elsewhere for every step:
  /// `place_of(word, i)` says where that of step i is, or gives back what is none of its words. Asked when that
  /// recording is made, at the first call.
  using PlaceOf = std::function<void*(void* word, int step)>;
  void replay_together(const PlaceOf& place_of);

  /// A word in the target's memory that starts at 0 and that every replay advances by the number of draws of a step:
  /// for RandomKey::draw_base, one for each generator that draws in the step. A step's draws are the range of the
  /// recorded keys that name the word (dropout's backward draws again, it does not draw more). Only while recording;
  /// lives as long as the tape.
  const std::uint64_t* make_draw_base();
  /// How far a replay moves that word: a generator that counts on the host adds it for each replay.
  std::uint64_t draws_per_replay(const std::uint64_t* draw_base) const;

  Backend& target() const noexcept { return target_; }
  std::size_t recorded_calls() const noexcept { return calls_.size(); }
  std::size_t arena_bytes() const;  ///< what the arena has taken from the target

  // ---- Router, while recording
  /// This tape for calls on its target; throws for another backend.
  Backend& route(Backend& backend) override;
  Tape* tape() noexcept override { return this; }

  // ---- Backend: recorded while the calling thread records on this tape, passed to the target otherwise
  DeviceFacts facts() override;
  void* allocate(std::size_t bytes) override;
  void free(void* p, std::size_t bytes) noexcept override;
  void copy_in(void* to, const void* host, std::size_t bytes) override;
  void copy_out(void* host, const void* from, std::size_t bytes) override;
  void synchronise() override;

  void fill(const TensorView& out, Number value) override;
  void copy(const TensorView& in, const TensorView& out) override;
  void unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) override;
  void binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) override;
  void where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) override;
  void reduce(ReduceOp op, const TensorView& in, const TensorView& out) override;
  void arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) override;
  void matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) override;
  void gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) override;
  void scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) override;
  void random(RandomKind kind, const RandomKey& key, const TensorView& out) override;
  void conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w, const TensorView& y) override;
  void pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) override;
  void pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& dy,
                     const TensorView& index, const TensorView& dx) override;
  void scan(ScanOp op, const TensorView& in, int axis, const TensorView& out) override;
  void topk(const TensorView& in, int axis, bool largest, const TensorView& values, const TensorView& indices) override;

  void softmax(bool log, const TensorView& x, int axis, const TensorView& y) override;
  void softmax_backward(bool log, const TensorView& dy, const TensorView& y, int axis, const TensorView& dx) override;
  void cross_entropy(const CrossEntropyArgs& args, const TensorView& logits, const TensorView& labels,
                     const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits) override;
  void layer_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                  const TensorView& y, const TensorView& mean, const TensorView& rstd) override;
  void layer_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale, const TensorView& mean,
                           const TensorView& rstd, const TensorView& dx, const TensorView& dscale,
                           const TensorView& dshift) override;
  void batch_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                  const TensorView& running_mean, const TensorView& running_var, const TensorView& y,
                  const TensorView& mean, const TensorView& rstd) override;
  void batch_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale, const TensorView& mean,
                           const TensorView& rstd, const TensorView& dx, const TensorView& dscale,
                           const TensorView& dshift) override;
  void dropout(double p, const RandomKey& key, const TensorView& x, const TensorView& y) override;
  std::size_t linear_aux_bytes(Activation act, const TensorView& y) override;
  void linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b, const TensorView& y,
              void* aux) override;
  void linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux, const TensorView& x,
                       const TensorView& w, Activation below, const void* below_aux, const TensorView& dx,
                       const TensorView& dw, const TensorView& db) override;
  void optimise(const OptimArgs& args, std::span<const OptimSlot> slots) override;
  void sum_squares(std::span<const TensorView> views, const TensorView& out) override;
  void gather_batch(const GatherBatchArgs& args, const TensorView& data, const TensorView& labels,
                    const TensorView& index, const TensorView& out, const TensorView& out_labels) override;

  // begin_capture() keeps its "no": a recording inside a recording is none
  Stream* make_stream() override;
  void use_stream(Stream* stream) override;
  void wait(Stream* until_done) override;
  void drop_stream(Stream* stream) noexcept override;
  void* allocate_pinned(std::size_t bytes) override;
  void free_pinned(void* p, std::size_t bytes) noexcept override;
  void copy_in_async(void* to, const void* pinned, std::size_t bytes) override;
  MemoryCounts memory() const noexcept override;
  void release_cached() override;
  bool set_option(std::string_view key, std::string_view value) override;
  bool exhibit(std::string_view name, std::int64_t setting, ExhibitFigures& figures,
               std::span<double> seconds) override;
  void tag(const OpTag& tag) noexcept override;

 private:
  friend TapeRelease;
  class Call;
  template <class F>
  class Recorded;

  struct Block {
    void* data;
    std::size_t bytes;
    bool reusable;  // freed by the recording thread while it recorded
    bool live;
  };
  struct Draws {
    std::uint64_t* word;
    std::uint64_t first = 0;  // the range of recorded draws is [first, end)
    std::uint64_t end = 0;
  };

  explicit Tape(Backend& target);
  ~Tape() override;

  bool recording() const noexcept { return active_tape() == this; }
  /// f(backend, views..) now or, with f copied, at every replay.
  template <class F>
  void run(F f);
  void refuse(const char* what) const;
  void make_calls();
  Capture* record_graph(int steps, const PlaceOf& place_of);
  OptimArgs placed(OptimArgs args) const;
  RandomKey placed(RandomKey key) const;
  void note_draw(const RandomKey& key);
  void drop_reference() noexcept;

  Backend& target_;
  bool recorded_ = false;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Draws> draws_;
  const bool graphs_;                  // whether the target records graphs of its own; made when first replayed:
  Capture* graph_ = nullptr;           // of one step
  Capture* together_ = nullptr;        // of steps_per_graph()
  const PlaceOf* place_of_ = nullptr;  // while that one is made, and its step
  int step_ = 0;

  mutable std::mutex arena_;  // guards what follows: blocks are freed by any thread
  std::vector<Block> blocks_;
  std::vector<std::pair<void*, std::size_t>> kept_;  // the target's own, freed while recording
  std::size_t references_ = 1;                       // the TapePtr and every live block
};

}  // namespace weft::backends
