#pragma once
// Private: what the host does in a step that a device replays. A captured step repeats the device's calls by itself;
// the learning rate, the optimiser's step count and the generator's draw are counted on the host and must not be frozen
// in it. While a step is recorded, whoever would pass such a number to a backend asks the script for a word in the
// device's memory instead, and says how its value is found; before every replay the script runs what it was told, in
// the order in which it was told, and copies the words over.
//
// Everything remembered here is a reference to the user's objects (optimiser, schedule, generator): they must outlive
// the captured step. One script belongs to one captured step; not thread-safe.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <weft/backends/backend.h>
#include <weft/tensor/generator.h>
#include <weft/tensor/tensor_impl.h>

namespace weft {

class StepScript {
 public:
  explicit StepScript(backends::Backend& backend) : backend_(backend) {}
  ~StepScript();
  StepScript(const StepScript&) = delete;
  StepScript& operator=(const StepScript&) = delete;

  /// The script of the step this thread is recording, or null.
  static StepScript* recording() noexcept;

  /// Makes `script` the recording one for the length of a scope.
  class Recording {
   public:
    explicit Recording(StepScript& script) noexcept;
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;
  };

  /// Host work of each step. `undo` takes it back when a later part of the same step throws; it must not throw itself.
  void act(std::function<void()> run, std::function<void()> undo);

  /// A rank-0 float64 on the device that holds what `value` returns at its turn in each step: for an optimiser's call.
  backends::TensorView number(std::function<double()> value);
  /// The key of one draw of `generator` in each step; the draw is taken at each replay, not now.
  backends::RandomKey draw(Generator& generator);
  /// How many draws were asked for so far; within Again, how many before the next one.
  std::size_t draws() const noexcept { return again_ != nullptr ? again_->next_ : drawn_.size(); }
  /// For the length of a scope the draws first .. last - 1 of `generators` are given again, in their order: a function
  /// called a second time in the same step sees the numbers of its first call.
  class Again {
   public:
    Again(StepScript& script, std::size_t first, std::size_t last, std::vector<Generator*> generators)
        : script_(script), outer_(script.again_), next_(first), last_(last), generators_(std::move(generators)) {
      script.again_ = this;
    }
    ~Again() { script_.again_ = outer_; }
    Again(const Again&) = delete;
    Again& operator=(const Again&) = delete;

   private:
    friend class StepScript;
    const backends::RandomKey* next(const Generator& generator) noexcept;
    StepScript& script_;
    Again* outer_;
    std::size_t next_, last_;
    std::vector<Generator*> generators_;
  };
  /// Every replay writes to this storage: its version rises each time. Storages of the recording itself are left out.
  void writes(Storage& storage);

  // ---- a replay
  void begin_step();          ///< runs the host's part and copies the words; after a throw nothing has happened
  void undo_step() noexcept;  ///< the device's part failed: takes the host's part back
  void end_step() noexcept;   ///< raises the versions

  // ---- several steps of a device's own recording at once: the host's part of all of them first, its numbers as a
  // table
  void begin_steps(int count);  ///< after a throw nothing has happened
  void undo_steps(int count) noexcept;
  void end_steps(int count) noexcept;
  /// Where step `i` of such a recording finds a word: in its row of the table; what is none of the words stays itself.
  void* place_of(void* word, int i) const noexcept;

 private:
  struct Action {
    std::function<void()> run;
    std::function<void()> undo;  // may be empty
  };
  struct Words {  // eight at a time: one cache line
    void* device;
    std::array<std::uint64_t, 8> host{};
    std::size_t used = 0;
  };
  struct Word {
    Words* block;
    std::size_t place;
    void* device() const noexcept { return static_cast<std::uint64_t*>(block->device) + place; }
    void set(std::uint64_t bits) const noexcept { block->host[place] = bits; }
  };
  Word new_word();
  void undo_first(std::size_t count) noexcept;
  std::size_t row_bytes() const noexcept { return words_.size() * sizeof(Words::host); }
  void make_table(int count);

  backends::Backend& backend_;
  std::vector<Action> actions_;
  std::vector<std::unique_ptr<Words>> words_;
  std::vector<Storage*> written_;  // one reference each
  std::vector<std::pair<const Generator*, backends::RandomKey>> drawn_;
  Again* again_ = nullptr;
  void* table_ = nullptr;  // on the device: a row of all words for each of table_rows_ steps
  int table_rows_ = 0;
  std::vector<std::uint64_t> rows_;  // the same on the host
};

/// The key of the generator's next draw: taken now, or, while a step is recorded, at every replay.
backends::RandomKey next_key(Generator& generator);

}  // namespace weft
