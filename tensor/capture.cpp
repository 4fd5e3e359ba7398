#include <weft/tensor/capture.h>

#include <utility>

#include <weft/backends/tape.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/step_script.h>

namespace weft {
namespace {

/// Lets calls pass and remembers on which backend the first one ran.
class FirstBackend final : public backends::Router {
 public:
  backends::Backend& route(backends::Backend& backend) override {
    if (seen == nullptr) seen = &backend;
    return backend;
  }
  backends::Backend* seen = nullptr;
};

}  // namespace

struct CapturedStep::Impl {
  explicit Impl(backends::Backend& backend) : tape(backends::Tape::make(backend)), script(backend) {}
  backends::TapePtr tape;
  StepScript script;
};

CapturedStep::CapturedStep(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
CapturedStep::CapturedStep(CapturedStep&&) noexcept = default;
CapturedStep& CapturedStep::operator=(CapturedStep&&) noexcept = default;
CapturedStep::~CapturedStep() = default;

CapturedStep capture(const std::function<void()>& step, CallSite at) {
  if (!step) throw ValueError(ErrorCode::value_invalid, "capture", "an empty function", at);
  if (backends::active_tape() != nullptr) {
    throw StateError(ErrorCode::read_only, "capture", "a captured step cannot hold another one", at);
  }
  FirstBackend first;
  {
    const backends::RouterScope scope(first);
    step();
  }
  if (first.seen == nullptr) {
    throw ValueError(ErrorCode::value_invalid, "capture", "the step made no call on any device", at);
  }
  auto impl = std::make_unique<CapturedStep::Impl>(*first.seen);
  {
    const TraceSpan span("capture", "op");
    const StepScript::Recording script(impl->script);
    const backends::Tape::Recording tape(*impl->tape);
    step();
  }
  return CapturedStep(std::move(impl));
}

void CapturedStep::replay(int times, CallSite at) {
  if (impl_ == nullptr) throw StateError(ErrorCode::state_mismatch, "replay", "this captured step was moved from", at);
  if (times < 0) throw ValueError(ErrorCode::value_out_of_range, "replay", message("times is ", times), at);
  if (backends::active_tape() != nullptr) {
    throw StateError(ErrorCode::read_only, "replay", "a captured step cannot hold another one", at);
  }
  const TraceSpan span("replay", "op", times, "steps");
  StepScript& script = impl_->script;
  for (const int together = impl_->tape->steps_per_graph(); together > 1 && times >= together; times -= together) {
    script.begin_steps(together);
    try {
      impl_->tape->replay_together([&](void* word, int i) { return script.place_of(word, i); });
    } catch (...) {
      script.undo_steps(together);
      throw;
    }
    script.end_steps(together);
  }
  for (int i = 0; i < times; ++i) {
    script.begin_step();
    try {
      impl_->tape->replay(1);
    } catch (...) {
      script.undo_step();
      throw;
    }
    script.end_step();
  }
}

std::size_t CapturedStep::recorded_calls() const noexcept {
  return impl_ == nullptr ? 0 : impl_->tape->recorded_calls();
}
std::size_t CapturedStep::memory_bytes() const { return impl_ == nullptr ? 0 : impl_->tape->arena_bytes(); }

}  // namespace weft
