#include <weft/autograd/checkpoint.h>

#include <mutex>
#include <optional>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/autograd/saved_tensor_hooks.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/step_script.h>

namespace weft {
namespace {

constexpr const char* op = "checkpoint";

using ListFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

struct GeneratorState {
  Generator* generator;
  std::uint64_t seed, draw;
};

/// In a step that is being recorded draws are taken by the replays: what is remembered is which of them.
struct RecordedDraws {
  StepScript* script = nullptr;
  std::size_t first = 0, last = 0;
};

// Sets generators to an earlier state and, at its end, back.
class Replay {
 public:
  Replay(const std::vector<GeneratorState>& states, const RecordedDraws& recorded) {
    if (recorded.script != nullptr) {
      std::vector<Generator*> generators;
      for (const GeneratorState& s : states) generators.push_back(s.generator);
      again_.emplace(*recorded.script, recorded.first, recorded.last, std::move(generators));
      return;
    }
    now_.reserve(states.size());
    for (const GeneratorState& s : states) now_.push_back({s.generator, s.generator->seed(), s.generator->draw()});
    for (const GeneratorState& s : states) s.generator->set_state(s.seed, s.draw);
  }
  ~Replay() {
    for (const GeneratorState& s : now_) s.generator->set_state(s.seed, s.draw);
  }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

 private:
  std::vector<GeneratorState> now_;
  std::optional<StepScript::Again> again_;
};

// One call of checkpoint(). The saved values of the calls made inside it are numbered in the order they were saved, and
// stand in the graph as their numbers.
class Part {
 public:
  Part(ListFunction fn, const std::vector<Tensor>& inputs, const CheckpointOptions& options, CallSite at)
      : fn_(std::move(fn)), at_(at), casts_(autograd::cast_mode().dtype) {
    // Saved like any other value: a checkpoint around this one does not keep them.
    inputs_.reserve(inputs.size());
    for (const Tensor& x : inputs) {
      inputs_.emplace_back(x, false);
      records_.push_back(autograd::target_of(x) != nullptr ? 1 : 0);
    }
    if (!options.preserve_rng_state) return;
    const auto remember = [this](Generator& g) { states_.push_back({&g, g.seed(), g.draw()}); };
    remember(default_generator());
    for (Generator* g : options.generators) remember(*g);
    draws_.script = StepScript::recording();
    if (draws_.script != nullptr) draws_.first = draws_.script->draws();
  }

  /// The first call is over.
  void called() noexcept {
    if (draws_.script != nullptr) draws_.last = draws_.script->draws();
  }

  std::size_t next_number() noexcept { return count_++; }

  // Backwards through two results of one part may run on two threads.
  Tensor value(std::size_t number) {
    const std::lock_guard lock(mutex_);
    if (values_.empty() || !values_[number].defined()) recompute();
    return std::exchange(values_[number], Tensor());  // used once per time its call is gone through
  }

  void forget(std::size_t number) noexcept {
    const std::lock_guard lock(mutex_);
    if (number < values_.size()) values_[number] = Tensor();
  }

 private:
  void recompute() {
    if (!states_.empty() && StepScript::recording() != draws_.script) {
      throw StateError(ErrorCode::read_only, op,
                       "the forward and the backward of a checkpoint have to be in the same captured step, or both "
                       "outside: the random numbers of one are not there in the other",
                       at_);
    }
    std::vector<Tensor> inputs;
    inputs.reserve(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      Tensor x = inputs_[i].value(op, at_, at_);
      if (records_[i] != 0) x = x.detach(at_).requires_grad_(true, at_);
      inputs.push_back(std::move(x));
    }
    std::vector<Tensor> values;
    values.reserve(count_);
    {
      const EnableGrad on;
      const autograd::CastModeScope as_before({casts_, nullptr});  // the scope, and what it had cast, may be gone
      const Replay replay(states_, draws_);
      const SavedTensorHooks collect([&values](const Tensor& x) -> SavedTensorHooks::Unpack {
        values.push_back(x);
        return [] { return Tensor(); };  // nobody goes back through the second call
      });
      fn_(inputs);
    }
    if (values.size() != count_) {
      throw AutogradError(ErrorCode::saved_mismatch, op,
                          message("the function saved ", count_, " values when it was called and ", values.size(),
                                  " when it was called again for the backward: it has to do the same both times"),
                          at_);
    }
    values_ = std::move(values);
  }

  const ListFunction fn_;
  const CallSite at_;
  const DType casts_;  // of the Autocast scope the forward ran in; float32: none
  std::vector<autograd::Saved> inputs_;
  std::vector<char> records_;
  std::vector<GeneratorState> states_;
  RecordedDraws draws_;
  std::size_t count_ = 0;

  std::recursive_mutex mutex_;  // fn_ may drop tensors whose graph has numbers of this part
  std::vector<Tensor> values_;  // of the latest recomputation, those not yet used
};

// What stands in the graph for one saved value.
class Number {
 public:
  explicit Number(std::shared_ptr<Part> part) : part_(std::move(part)), number_(part_->next_number()) {}
  ~Number() { part_->forget(number_); }
  Number(const Number&) = delete;
  Number& operator=(const Number&) = delete;
  Tensor value() const { return part_->value(number_); }

 private:
  const std::shared_ptr<Part> part_;
  const std::size_t number_;
};

}  // namespace

std::vector<Tensor> checkpoint(const ListFunction& fn, const std::vector<Tensor>& inputs,
                               const CheckpointOptions& options, CallSite at) {
  if (!fn) throw ValueError(ErrorCode::value_invalid, op, "the function is empty", at);
  for (const Generator* g : options.generators) {
    if (g == nullptr) throw ValueError(ErrorCode::value_invalid, op, "a generator is a null pointer", at);
  }
  for (const Tensor& x : inputs) ops::check_defined(x, op, "an input", at);
  if (!grad_enabled()) return fn(inputs);
  const auto part = std::make_shared<Part>(fn, inputs, options, at);
  const SavedTensorHooks hooks([&part](const Tensor&) -> SavedTensorHooks::Unpack {
    return [number = std::make_shared<const Number>(part)] { return number->value(); };
  });
  std::vector<Tensor> results = fn(inputs);
  part->called();
  return results;
}

Tensor checkpoint(const std::function<Tensor(const Tensor&)>& fn, const Tensor& input, const CheckpointOptions& options,
                  CallSite at) {
  if (!fn) throw ValueError(ErrorCode::value_invalid, op, "the function is empty", at);
  const auto one = [fn](const std::vector<Tensor>& in) { return std::vector<Tensor>{fn(in[0])}; };
  return checkpoint(ListFunction(one), std::vector<Tensor>{input}, options, at)[0];
}

}  // namespace weft
