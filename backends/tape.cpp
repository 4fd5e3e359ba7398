#include <weft/backends/tape.h>

#include <algorithm>
#include <new>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::backends {
namespace {

CallSite here_of(const OpTag& tag) { return {tag.file, tag.line}; }

/// Recorded views name memory whose contents change with every replay: nothing derived from them may be kept.
TensorView unstamped(TensorView view) {
  view.stamp = {};
  return view;
}
Argument unstamped(Argument argument) {
  argument.view.stamp = {};
  return argument;
}
OptimSlot unstamped(const OptimSlot& slot) {
  return {unstamped(slot.param), unstamped(slot.grad), unstamped(slot.state1), unstamped(slot.state2)};
}
OptimArgs unstamped(OptimArgs args) {
  args.lr = unstamped(args.lr);
  args.step = unstamped(args.step);
  args.grad_scale = unstamped(args.grad_scale);
  return args;
}
template <class T>
std::vector<T> unstamped(std::span<const T> all) {
  std::vector<T> copies;
  copies.reserve(all.size());
  for (const T& one : all) copies.push_back(unstamped(one));
  return copies;
}

}  // namespace

class Tape::Call {
 public:
  explicit Call(const OpTag& tag) : tag_(tag) {}
  virtual ~Call() = default;
  virtual void make(Backend& backend) const = 0;
  const OpTag& tag() const noexcept { return tag_; }

 private:
  OpTag tag_;
};

template <class F>
class Tape::Recorded final : public Call {
 public:
  Recorded(const OpTag& tag, F f) : Call(tag), f_(std::move(f)) {}
  void make(Backend& backend) const override { f_(backend); }

 private:
  F f_;
};

template <class F>
void Tape::run(F f) {
  if (recording()) {
    calls_.push_back(std::make_unique<Recorded<F>>(current_tag(), std::move(f)));
  } else {
    f(target_);
  }
}

// ---- life

Tape::Tape(Backend& target) : target_(target), graphs_(target.facts().graphs) {}

TapePtr Tape::make(Backend& target) { return TapePtr(new Tape(target)); }

Tape::~Tape() {
  for (const Block& block : blocks_) target_.free(block.data, block.bytes);
  for (const auto& [data, bytes] : kept_) target_.free(data, bytes);
}

void TapeRelease::operator()(Tape* tape) const noexcept {
  tape->calls_.clear();  // nobody can replay any more
  for (Capture** graph : {&tape->graph_, &tape->together_}) {
    if (*graph != nullptr) tape->target_.drop_capture(std::exchange(*graph, nullptr));
  }
  tape->drop_reference();
}

void Tape::drop_reference() noexcept {
  bool last = false;
  {
    const std::lock_guard lock(arena_);
    last = --references_ == 0;
  }
  if (last) delete this;
}

namespace {

Tape& recordable(Tape& tape, bool recorded) {
  if (active_tape() != nullptr) {
    throw StateError(ErrorCode::read_only, "capture", "a captured step cannot hold another one",
                     here_of(current_tag()));
  }
  if (recorded) {
    throw StateError(ErrorCode::read_only, "capture", "this tape is recorded already", here_of(current_tag()));
  }
  return tape;
}

}  // namespace

Tape::Recording::Recording(Tape& tape) : tape_(recordable(tape, tape.recorded_)), scope_(tape) {}

Tape::Recording::~Recording() { tape_.recorded_ = true; }

Backend& Tape::route(Backend& backend) {
  if (&backend == &target_ || &backend == this) return *this;
  const OpTag tag = current_tag();
  throw StateError(
      ErrorCode::read_only, "capture",
      message(*tag.name != '\0' ? tag.name : "a call", " on '", backend.facts().name, "' inside a captured step of '",
              target_.facts().name, "': one step runs on one device, its result would be frozen"),
      here_of(tag));
}

void Tape::refuse(const char* what) const {
  if (!recording()) return;
  const OpTag tag = current_tag();
  const std::string op = *tag.name != '\0' ? message(" (in ", tag.name, ")") : std::string();
  throw StateError(ErrorCode::read_only, "capture", message(what, op), here_of(tag));
}

// ---- replay

namespace {

void refuse_replay() {
  if (active_tape() == nullptr) return;
  throw StateError(ErrorCode::read_only, "capture", "replay inside a captured step", here_of(current_tag()));
}

/// Recorded calls bring their own tags; afterwards the thread is again in the call it was in.
class TagKept {
 public:
  explicit TagKept(Backend& backend) : backend_(backend), tag_(current_tag()) {}
  ~TagKept() { backend_.tag(tag_); }
  TagKept(const TagKept&) = delete;
  TagKept& operator=(const TagKept&) = delete;

 private:
  Backend& backend_;
  const OpTag tag_;
};

}  // namespace

void Tape::replay(int times) {
  refuse_replay();
  const TagKept kept(target_);
  if (graphs_) {
    if (times > 0 && graph_ == nullptr) graph_ = record_graph(1, nullptr);
    if (times > 0) target_.replay(graph_, times);
    return;
  }
  for (int i = 0; i < times; ++i) make_calls();
}

void Tape::replay_together(const PlaceOf& place_of) {
  refuse_replay();
  const TagKept kept(target_);
  if (together_ == nullptr) together_ = record_graph(steps_per_graph(), place_of);
  target_.replay(together_, 1);
}

void Tape::make_calls() {
  for (const auto& call : calls_) {
    target_.tag(call->tag());
    call->make(target_);
  }
  for (const Draws& draws : draws_) {
    if (draws.end == draws.first) continue;
    const TensorView word = contiguous_view(draws.word, DType::int64, {});  // the same bits, wrapping alike
    target_.binary(BinaryOp::add, word, Number(static_cast<std::int64_t>(draws.end - draws.first)), word);
  }
}

/// A target with graphs of its own is told the calls once.
Capture* Tape::record_graph(int steps, const PlaceOf& place_of) {
  struct Placing {
    Tape& tape;
    ~Placing() { tape.place_of_ = nullptr; }
  } const placing{*this};
  place_of_ = place_of ? &place_of : nullptr;
  if (!target_.begin_capture()) {
    throw StateError(ErrorCode::not_built, "replay",
                     message("'", target_.facts().name, "' records no graphs after all"), here_of(current_tag()));
  }
  try {
    for (step_ = 0; step_ < steps; ++step_) make_calls();
  } catch (...) {
    try {
      target_.drop_capture(target_.end_capture());
    } catch (...) {  // the first reason is the one to tell
    }
    throw;
  }
  return target_.end_capture();
}

OptimArgs Tape::placed(OptimArgs args) const {
  if (place_of_ == nullptr) return args;
  for (Argument* word : {&args.lr, &args.step, &args.grad_scale}) {
    if (!word->is_number) word->view.data = (*place_of_)(word->view.data, step_);
  }
  return args;
}

RandomKey Tape::placed(RandomKey key) const {
  if (place_of_ == nullptr || key.draw_base == nullptr) return key;
  key.draw_base = static_cast<const std::uint64_t*>((*place_of_)(const_cast<std::uint64_t*>(key.draw_base), step_));
  return key;
}

const std::uint64_t* Tape::make_draw_base() {
  if (!recording()) {
    throw StateError(ErrorCode::read_only, "capture", "a draw counter is made while the step is recorded",
                     here_of(current_tag()));
  }
  draws_.reserve(draws_.size() + 1);
  auto* word = static_cast<std::uint64_t*>(target_.allocate(sizeof(std::uint64_t)));
  draws_.push_back({word});
  {
    const std::lock_guard lock(arena_);
    kept_.emplace_back(word, sizeof(std::uint64_t));
  }
  target_.fill(contiguous_view(word, DType::int64, {}), Number(0));
  return word;
}

std::uint64_t Tape::draws_per_replay(const std::uint64_t* draw_base) const {
  for (const Draws& draws : draws_) {
    if (draws.word == draw_base) return draws.end - draws.first;
  }
  return 0;
}

void Tape::note_draw(const RandomKey& key) {
  if (!recording()) return;
  if (key.draw_base == nullptr) refuse("random numbers from a host counter would be the same in every replay");
  for (Draws& draws : draws_) {
    if (draws.word != key.draw_base) continue;
    const bool none = draws.first == draws.end;
    draws.first = none ? key.draw : std::min(draws.first, key.draw);
    draws.end = none ? key.draw + 1 : std::max(draws.end, key.draw + 1);
  }
}

// ---- memory

void* Tape::allocate(std::size_t bytes) {
  if (!recording()) return target_.allocate(bytes);
  const std::lock_guard lock(arena_);
  Block* best = nullptr;  // the smallest that fits and wastes no more than it holds
  for (Block& block : blocks_) {
    if (!block.reusable || block.bytes < bytes || block.bytes / 2 > bytes) continue;
    if (best == nullptr || block.bytes < best->bytes) best = &block;
  }
  if (best == nullptr) {
    blocks_.reserve(blocks_.size() + 1);
    blocks_.push_back({target_.allocate(bytes), bytes, false, false});
    best = &blocks_.back();
  }
  best->reusable = false;
  best->live = true;
  ++references_;
  return best->data;
}

void Tape::free(void* p, std::size_t bytes) noexcept {
  if (p == nullptr) return;
  const bool here = recording();
  bool mine = false;
  {
    const std::lock_guard lock(arena_);
    for (Block& block : blocks_) {
      if (block.data != p || !block.live) continue;
      block.live = false;
      block.reusable = here;
      mine = true;
      break;
    }
    if (!mine && here) {
      try {
        kept_.emplace_back(p, bytes);
      } catch (const std::bad_alloc&) {  // no memory to remember it: it stays with the process
      }
      return;
    }
  }
  if (mine) {
    drop_reference();
  } else {
    target_.free(p, bytes);
  }
}

std::size_t Tape::arena_bytes() const {
  const std::lock_guard lock(arena_);
  std::size_t bytes = 0;
  for (const Block& block : blocks_) bytes += block.bytes;
  return bytes;
}

void Tape::copy_in(void* to, const void* host, std::size_t bytes) {
  refuse("values from the host inside a captured step would be frozen: make the tensor before the step");
  target_.copy_in(to, host, bytes);
}
void Tape::copy_out(void* host, const void* from, std::size_t bytes) {
  refuse("item() inside a captured step: no value is there yet, and a replay would not ask again");
  target_.copy_out(host, from, bytes);
}
void Tape::synchronise() {
  refuse("synchronise() inside a captured step: nothing has run yet");
  target_.synchronise();
}
void* Tape::allocate_pinned(std::size_t bytes) {
  refuse("pinned host memory inside a captured step: ask for it before the step");
  return target_.allocate_pinned(bytes);
}
void Tape::free_pinned(void* p, std::size_t bytes) noexcept { target_.free_pinned(p, bytes); }
void Tape::copy_in_async(void* to, const void* pinned, std::size_t bytes) {
  refuse("values from the host inside a captured step would be frozen: make the tensor before the step");
  target_.copy_in_async(to, pinned, bytes);
}

// ---- what is asked, not computed

DeviceFacts Tape::facts() { return target_.facts(); }
std::size_t Tape::linear_aux_bytes(Activation act, const TensorView& y) { return target_.linear_aux_bytes(act, y); }
Stream* Tape::make_stream() { return target_.make_stream(); }
void Tape::use_stream(Stream* stream) { target_.use_stream(stream); }
void Tape::wait(Stream* until_done) {
  refuse("waiting for a stream inside a captured step: nothing has run yet");
  target_.wait(until_done);
}
void Tape::drop_stream(Stream* stream) noexcept { target_.drop_stream(stream); }
MemoryCounts Tape::memory() const noexcept { return target_.memory(); }
void Tape::release_cached() { target_.release_cached(); }
bool Tape::set_option(std::string_view key, std::string_view value) { return target_.set_option(key, value); }
bool Tape::exhibit(std::string_view name, std::int64_t setting, ExhibitFigures& figures, std::span<double> seconds) {
  refuse("an exhibit inside a captured step: nothing has run yet");
  return target_.exhibit(name, setting, figures, seconds);
}
void Tape::tag(const OpTag& tag) noexcept {
  Backend::tag(tag);  // what a recorded call belongs to
  if (!recording()) target_.tag(tag);
}

// ---- the recorded calls. Captures are copies: a view or a struct by its own type, a span as a vector.

void Tape::fill(const TensorView& out, Number value) {
  run([out = unstamped(out), value](Backend& backend) { backend.fill(out, value); });
}
void Tape::copy(const TensorView& in, const TensorView& out) {
  run([in = unstamped(in), out = unstamped(out)](Backend& backend) { backend.copy(in, out); });
}
void Tape::unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) {
  run([op, args = args, in = unstamped(in), out = unstamped(out)](Backend& backend) {
    backend.unary(op, args, in, out);
  });
}
void Tape::binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) {
  run([op, a = unstamped(a), b = unstamped(b), out = unstamped(out)](Backend& backend) {
    backend.binary(op, a, b, out);
  });
}
void Tape::where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) {
  run([condition = unstamped(condition), a = unstamped(a), b = unstamped(b), out = unstamped(out)](Backend& backend) {
    backend.where(condition, a, b, out);
  });
}
void Tape::reduce(ReduceOp op, const TensorView& in, const TensorView& out) {
  run([op, in = unstamped(in), out = unstamped(out)](Backend& backend) { backend.reduce(op, in, out); });
}
void Tape::arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) {
  run([op, in = unstamped(in), axis, out = unstamped(out)](Backend& backend) {
    backend.arg_reduce(op, in, axis, out);
  });
}
void Tape::matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) {
  run([a = unstamped(a), b = unstamped(b), out = unstamped(out), accumulate](Backend& backend) {
    backend.matmul(a, b, out, accumulate);
  });
}
void Tape::gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) {
  run([in = unstamped(in), axis, index = unstamped(index), out = unstamped(out)](Backend& backend) {
    backend.gather(in, axis, index, out);
  });
}
void Tape::scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) {
  run([from = unstamped(from), axis, index = unstamped(index), inout = unstamped(inout)](Backend& backend) {
    backend.scatter_add(from, axis, index, inout);
  });
}
void Tape::random(RandomKind kind, const RandomKey& key, const TensorView& out) {
  note_draw(key);
  run([this, kind, key = key, out = unstamped(out)](Backend& backend) { backend.random(kind, placed(key), out); });
}
void Tape::conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w, const TensorView& y) {
  run([pass, g = g, x = unstamped(x), w = unstamped(w), y = unstamped(y)](Backend& backend) {
    backend.conv(pass, g, x, w, y);
  });
}
void Tape::pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) {
  run([g = g, x = unstamped(x), y = unstamped(y), index = unstamped(index)](Backend& backend) {
    backend.pool(g, x, y, index);
  });
}
void Tape::pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& dy,
                         const TensorView& index, const TensorView& dx) {
  run([g = g, x = unstamped(x), y = unstamped(y), dy = unstamped(dy), index = unstamped(index),
       dx = unstamped(dx)](Backend& backend) { backend.pool_backward(g, x, y, dy, index, dx); });
}
void Tape::scan(ScanOp op, const TensorView& in, int axis, const TensorView& out) {
  run([op, in = unstamped(in), axis, out = unstamped(out)](Backend& backend) { backend.scan(op, in, axis, out); });
}
void Tape::topk(const TensorView& in, int axis, bool largest, const TensorView& values, const TensorView& indices) {
  run([in = unstamped(in), axis, largest, values = unstamped(values), indices = unstamped(indices)](Backend& backend) {
    backend.topk(in, axis, largest, values, indices);
  });
}
void Tape::softmax(bool log, const TensorView& x, int axis, const TensorView& y) {
  run([log, x = unstamped(x), axis, y = unstamped(y)](Backend& backend) { backend.softmax(log, x, axis, y); });
}
void Tape::softmax_backward(bool log, const TensorView& dy, const TensorView& y, int axis, const TensorView& dx) {
  run([log, dy = unstamped(dy), y = unstamped(y), axis, dx = unstamped(dx)](Backend& backend) {
    backend.softmax_backward(log, dy, y, axis, dx);
  });
}
void Tape::cross_entropy(const CrossEntropyArgs& args, const TensorView& logits, const TensorView& labels,
                         const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits) {
  run([args = args, logits = unstamped(logits), labels = unstamped(labels), class_weight = unstamped(class_weight),
       losses = unstamped(losses), dlogits = unstamped(dlogits)](Backend& backend) {
    backend.cross_entropy(args, logits, labels, class_weight, losses, dlogits);
  });
}
void Tape::layer_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                      const TensorView& y, const TensorView& mean, const TensorView& rstd) {
  run([args = args, x = unstamped(x), scale = unstamped(scale), shift = unstamped(shift), y = unstamped(y),
       mean = unstamped(mean),
       rstd = unstamped(rstd)](Backend& backend) { backend.layer_norm(args, x, scale, shift, y, mean, rstd); });
}
void Tape::layer_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                               const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                               const TensorView& dscale, const TensorView& dshift) {
  run([dy = unstamped(dy), x = unstamped(x), scale = unstamped(scale), mean = unstamped(mean), rstd = unstamped(rstd),
       dx = unstamped(dx), dscale = unstamped(dscale), dshift = unstamped(dshift)](Backend& backend) {
    backend.layer_norm_backward(dy, x, scale, mean, rstd, dx, dscale, dshift);
  });
}
void Tape::batch_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                      const TensorView& running_mean, const TensorView& running_var, const TensorView& y,
                      const TensorView& mean, const TensorView& rstd) {
  run([args = args, x = unstamped(x), scale = unstamped(scale), shift = unstamped(shift),
       running_mean = unstamped(running_mean), running_var = unstamped(running_var), y = unstamped(y),
       mean = unstamped(mean), rstd = unstamped(rstd)](Backend& backend) {
    backend.batch_norm(args, x, scale, shift, running_mean, running_var, y, mean, rstd);
  });
}
void Tape::batch_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                               const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                               const TensorView& dscale, const TensorView& dshift) {
  run([dy = unstamped(dy), x = unstamped(x), scale = unstamped(scale), mean = unstamped(mean), rstd = unstamped(rstd),
       dx = unstamped(dx), dscale = unstamped(dscale), dshift = unstamped(dshift)](Backend& backend) {
    backend.batch_norm_backward(dy, x, scale, mean, rstd, dx, dscale, dshift);
  });
}
void Tape::dropout(double p, const RandomKey& key, const TensorView& x, const TensorView& y) {
  note_draw(key);
  run([this, p, key = key, x = unstamped(x), y = unstamped(y)](Backend& backend) {
    backend.dropout(p, placed(key), x, y);
  });
}
void Tape::linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b, const TensorView& y,
                  void* aux) {
  run([act, x = unstamped(x), w = unstamped(w), b = unstamped(b), y = unstamped(y), aux](Backend& backend) {
    backend.linear(act, x, w, b, y, aux);
  });
}
void Tape::linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux,
                           const TensorView& x, const TensorView& w, Activation below, const void* below_aux,
                           const TensorView& dx, const TensorView& dw, const TensorView& db) {
  run([act, dy = unstamped(dy), y = unstamped(y), aux, x = unstamped(x), w = unstamped(w), below, below_aux,
       dx = unstamped(dx), dw = unstamped(dw), db = unstamped(db)](Backend& backend) {
    backend.linear_backward(act, dy, y, aux, x, w, below, below_aux, dx, dw, db);
  });
}
void Tape::optimise(const OptimArgs& args, std::span<const OptimSlot> slots) {
  if (args.lr.is_number)
    refuse("a host learning rate inside a captured step would be frozen: pass a rank-0 float64 view");
  if (args.step.is_number)
    refuse("a host step count inside a captured step would be frozen: pass a rank-0 float64 view");
  run([this, args = unstamped(args), slots = unstamped(slots)](Backend& backend) {
    backend.optimise(placed(args), slots);
  });
}
void Tape::sum_squares(std::span<const TensorView> views, const TensorView& out) {
  run([views = unstamped(views), out = unstamped(out)](Backend& backend) { backend.sum_squares(views, out); });
}
void Tape::gather_batch(const GatherBatchArgs& args, const TensorView& data, const TensorView& labels,
                        const TensorView& index, const TensorView& out, const TensorView& out_labels) {
  run([args = args, data = unstamped(data), labels = unstamped(labels), index = unstamped(index), out = unstamped(out),
       out_labels = unstamped(out_labels)](Backend& backend) {
    backend.gather_batch(args, data, labels, index, out, out_labels);
  });
}

}  // namespace weft::backends
