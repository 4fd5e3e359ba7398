#include <weft/tensor/step_script.h>

#include <algorithm>
#include <bit>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {
namespace {

thread_local constinit StepScript* recording_here = nullptr;

}  // namespace

StepScript* StepScript::recording() noexcept { return recording_here; }

StepScript::Recording::Recording(StepScript& script) noexcept { recording_here = &script; }
StepScript::Recording::~Recording() { recording_here = nullptr; }

StepScript::~StepScript() {
  for (Storage* storage : written_) release_storage(storage);
  for (const auto& words : words_) backend_.free(words->device, sizeof(words->host));
  if (table_ != nullptr) backend_.free(table_, row_bytes() * static_cast<std::size_t>(table_rows_));
}

void StepScript::act(std::function<void()> run, std::function<void()> undo) {
  actions_.push_back({std::move(run), std::move(undo)});
}

StepScript::Word StepScript::new_word() {
  if (words_.empty() || words_.back()->used == words_.back()->host.size()) {
    auto words = std::make_unique<Words>();
    words_.reserve(words_.size() + 1);
    words->device = backend_.allocate(sizeof(words->host));
    words_.push_back(std::move(words));
  }
  Words& last = *words_.back();
  return {&last, last.used++};
}

backends::TensorView StepScript::number(std::function<double()> value) {
  const Word word = new_word();
  act([word, value = std::move(value)] { word.set(std::bit_cast<std::uint64_t>(value())); }, {});
  return backends::contiguous_view(word.device(), DType::float64, {});
}

const backends::RandomKey* StepScript::Again::next(const Generator& generator) noexcept {
  if (std::find(generators_.begin(), generators_.end(), &generator) == generators_.end()) return nullptr;
  while (next_ < last_) {
    const auto& [drawn_from, key] = script_.drawn_[next_++];
    if (drawn_from == &generator) return &key;
  }
  return nullptr;
}

backends::RandomKey StepScript::draw(Generator& generator) {
  if (again_ != nullptr) {
    if (const backends::RandomKey* key = again_->next(generator)) return *key;
  }
  const Word word = new_word();
  act(
      [word, &generator, seed = generator.seed()] {
        if (generator.seed() != seed) {
          throw StateError(ErrorCode::state_mismatch, "replay",
                           message("a generator had seed ", seed, " when the step was captured and has seed ",
                                   generator.seed(), " now; capture again after manual_seed()"));
        }
        word.set(generator.next_draw());
      },
      [&generator] { generator.set_state(generator.seed(), generator.draw() - 1); });
  const backends::RandomKey key = {generator.seed(), 0, static_cast<const std::uint64_t*>(word.device())};
  drawn_.emplace_back(&generator, key);
  return key;
}

void StepScript::writes(Storage& storage) {
  if (storage.id == 0 || std::find(written_.begin(), written_.end(), &storage) != written_.end()) return;
  written_.push_back(&storage);
  storage.refs.fetch_add(1, std::memory_order_relaxed);
}

void StepScript::begin_step() {
  std::size_t done = 0;
  try {
    for (; done < actions_.size(); ++done) actions_[done].run();
    for (const auto& words : words_) backend_.copy_in(words->device, words->host.data(), sizeof(words->host));
  } catch (...) {
    undo_first(done);
    throw;
  }
}

void StepScript::undo_step() noexcept { undo_first(actions_.size()); }

void StepScript::make_table(int count) {
  if (table_rows_ == count || words_.empty()) return;  // a recorded step has as many words as it will ever have
  rows_.resize(row_bytes() / sizeof(std::uint64_t) * static_cast<std::size_t>(count));
  table_ = backend_.allocate(row_bytes() * static_cast<std::size_t>(count));
  table_rows_ = count;
}

void StepScript::begin_steps(int count) {
  make_table(count);
  std::size_t done = 0;
  int steps = 0;
  try {
    auto row = rows_.begin();
    for (; steps < count; ++steps) {
      for (done = 0; done < actions_.size(); ++done) actions_[done].run();
      for (const auto& words : words_) row = std::copy(words->host.begin(), words->host.end(), row);
    }
    if (table_ != nullptr) backend_.copy_in(table_, rows_.data(), rows_.size() * sizeof(std::uint64_t));
  } catch (...) {
    if (steps < count) undo_first(done);
    undo_steps(steps);
    throw;
  }
}

void StepScript::undo_steps(int count) noexcept {
  for (; count > 0; --count) undo_first(actions_.size());
}

void StepScript::end_steps(int count) noexcept {
  for (Storage* storage : written_) {
    storage->version.fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
  }
}

void* StepScript::place_of(void* word, int i) const noexcept {
  auto* row = static_cast<char*>(table_) + static_cast<std::size_t>(i) * row_bytes();
  for (const auto& words : words_) {
    const auto offset = reinterpret_cast<std::uintptr_t>(word) - reinterpret_cast<std::uintptr_t>(words->device);
    if (offset < sizeof(words->host)) return row + offset;  // an earlier address wraps round
    row += sizeof(words->host);
  }
  return word;
}

void StepScript::undo_first(std::size_t count) noexcept {
  while (count > 0) {
    if (const Action& action = actions_[--count]; action.undo) action.undo();
  }
}

void StepScript::end_step() noexcept {
  for (Storage* storage : written_) storage->version.fetch_add(1, std::memory_order_relaxed);
}

backends::RandomKey next_key(Generator& generator) {
  if (StepScript* script = StepScript::recording()) return script->draw(generator);
  return {generator.seed(), generator.next_draw(), nullptr};
}

}  // namespace weft
