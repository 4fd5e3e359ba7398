#include <utility>

#include <weft/core/error.h>
#include <weft/data/loader_core.h>

namespace weft {

struct DataLoader::Epoch::Cursor {
  std::shared_ptr<Core> core;
  std::optional<Batch> batch;
  CallSite at;
  bool begun = false;
  bool over = false;

  void advance() {
    batch.reset();  // its memory may serve the next one
    if (over) return;
    const Core::InUse in_use(*core, "epoch", at);
    if (core->shut) {
      throw StateError(ErrorCode::state_mismatch, "epoch", "the DataLoader of this iteration is gone", at);
    }
    over = true;  // stays so when next() throws: the failed batch ends the iteration
    batch = core->next(at);
    over = !batch.has_value();
  }
};

DataLoader::Epoch::Epoch(std::shared_ptr<Core> core, CallSite at) : cursor_(std::make_shared<Cursor>()) {
  cursor_->core = std::move(core);
  cursor_->at = at;
  cursor_->core->epoch_alive = true;
}

DataLoader::Epoch::~Epoch() {
  cursor_->batch.reset();
  cursor_->over = true;
  cursor_->core->epoch_alive = false;
  cursor_->core->end_run();
}

DataLoader::Epoch::Iterator DataLoader::Epoch::begin() {
  if (!cursor_->begun) {
    cursor_->begun = true;
    cursor_->advance();
  }
  return Iterator(cursor_);
}

Batch& DataLoader::Epoch::Iterator::operator*() const {
  if (!cursor_->batch.has_value()) {
    throw StateError(ErrorCode::state_mismatch, "epoch", "this iterator stands at the end of its epoch", cursor_->at);
  }
  return *cursor_->batch;
}

DataLoader::Epoch::Iterator& DataLoader::Epoch::Iterator::operator++() {
  cursor_->advance();
  return *this;
}

bool DataLoader::Epoch::Iterator::operator==(End) const noexcept { return !cursor_->batch.has_value(); }

}  // namespace weft
