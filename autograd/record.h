#pragma once
// Private: how a function remembers its way back. Every function of autograd/ has this form:
//
//     Tensor mul(const Operand& a, const Operand& b) {
//       Tensor y = ops::binary(BinaryOp::mul, a, b, "mul", a.at());
//       if (Recorder r{"mul", a.at(), a, b}) {
//         r.record(y, [a = r.keep_for(1, a), b = r.keep_for(0, b)](Back& back) {
//           if (back.wants(0)) back[0] = mul({back.dy, back.at}, back(b));
//           if (back.wants(1)) back[1] = mul({back.dy, back.at}, back(a));
//         });
//       }
//       return y;
//     }
//
// Nothing below the `if` runs unless an argument records gradients. Saving is explicit: keep() an argument, output()
// the result (without its graph: a node that held its own output would be a cycle), and prefer the one the formula can
// do with. A value saved only for argument i's gradient is kept with keep_for(i, ..), which keeps nothing where that
// argument wants none. A saved value remembers its storage's version; back(saved) throws when it was overwritten since.
//
// A gradient may have a shape that was broadcast from the argument's: the engine sums it back. Formulas use the public
// functions and pass back.at (the line of the forward call) on, so that errors and the second graph name the user's own
// source. Inside a formula grad_enabled() says whether the way back is itself recorded; if not, a fused backward may be
// used.

#include <memory>
#include <span>

#include <weft/autograd/functions.h>
#include <weft/autograd/node.h>
#include <weft/tensor/ops.h>

namespace weft::autograd {

/// A tensor saved for the way back: itself or, inside a SavedTensorHooks scope, what the hook made of it (saved.cpp).
class Saved {
 public:
  Saved() = default;
  Saved(const Tensor& tensor, bool is_output);

  bool kept() const noexcept { return tensor_.defined() || packed_ != nullptr; }

  /// The tensor; an argument with its history, a result without. `name` and `at` are those of the call that saved it.
  /// AutogradError: version_conflict when it was overwritten, saved_mismatch when a hook gave something else back.
  Tensor value(const char* name, CallSite at, CallSite backward) const;

 private:
  friend class Back;
  struct Packed;
  void check_version(std::uint64_t now, const Shape& shape, const char* name, CallSite at, CallSite backward) const;

  Tensor tensor_;
  std::uint64_t version_ = 0;
  bool is_output_ = false;
  std::shared_ptr<const Packed> packed_;
};

/// An operand saved for the way back: a tensor or a number.
class SavedOperand {
 public:
  SavedOperand() = default;
  explicit SavedOperand(const Operand& x) : number_(x.number()), is_number_(x.is_number()) {
    if (!is_number_) tensor_ = Saved(x.tensor(), false);
  }

 private:
  friend class Back;
  Saved tensor_;
  backends::Number number_;
  bool is_number_ = true;
};

/// How far a walk wants the gradient of an argument: no, yes, or yes and it may hold the derivative of the activation
/// below, and then whether it does.
enum class Wish : std::uint8_t { no, yes, may_multiply, multiplied };

/// What a formula sees: the gradient that arrived, what was saved, and where to put the gradients of the arguments.
class Back {
 public:
  const Tensor& dy;
  const CallSite at;  ///< of the forward call

  /// Whether the gradient of argument i is asked for.
  bool wants(std::size_t i) const noexcept { return wishes_[i] != Wish::no; }

  /// The activation argument i is the result of, if its gradient may be multiplied by the derivative of that before it
  /// is handed on; the formula that did so says multiplied(i). None where anybody could see the difference: another
  /// gradient arrives there too, it has hooks, grad() asks for it, the way back is recorded, anomaly mode looks.
  Activation below(std::size_t i) const noexcept {
    return wishes_[i] == Wish::may_multiply ? node_.edges[i]->activation : Activation::none;
  }
  const void* below_aux(std::size_t i) const noexcept { return node_.edges[i]->activation_aux; }
  void multiplied(std::size_t i) noexcept { wishes_[i] = Wish::multiplied; }
  /// Whether dy holds the derivative of this call's own activation: whoever computed it multiplied.
  bool is_multiplied() const noexcept { return node_.multiplied; }
  /// Whether the gradient that arrives is 1, of a result with one element; dy is undefined then. For calls that said
  /// that they know (Node::knows_one).
  bool is_one() const noexcept { return node_.is_one; }

  Tensor& operator[](std::size_t i) noexcept { return gradients_[i]; }
  const Shape& argument_shape(std::size_t i) const noexcept { return node_.edges[i]->shape; }  ///< only if wants(i)

  /// A saved tensor; AutogradError as Saved::value(). What a hook unpacks is unpacked once for all of these calls.
  Tensor operator()(const Saved& saved) const;
  Operand operator()(const SavedOperand& saved) const;

  Back(Node& node, const Tensor& gradient, std::span<Wish> wishes, std::span<Tensor> gradients, CallSite backward)
      : dy(gradient), at(node.at), node_(node), wishes_(wishes), gradients_(gradients), backward_(backward) {}

  /// As operator(), for a result without history.
  const Tensor& value(const Saved& saved) const;

 private:
  struct Unpacked {
    const Saved* saved;
    Tensor value;
    std::unique_ptr<Unpacked> next;
  };

  Node& node_;
  std::span<Wish> wishes_;
  std::span<Tensor> gradients_;
  CallSite backward_;
  mutable std::unique_ptr<Unpacked> unpacked_;
};

/// A number as the operand it was.
inline Operand operand(backends::Number number, CallSite at) {
  return number.is_integer ? Operand(number.integer, at) : Operand(number.real, at);
}

/// True when the call is recorded. N arguments: tensors (also undefined ones) and operands.
template <std::size_t N>
class Recorder {
 public:
  template <class... Arguments>
  explicit Recorder(const char* name, CallSite at, const Arguments&... arguments) : name_(name), at_(at) {
    static_assert(sizeof...(Arguments) == N);
    if (!grad_enabled()) return;
    std::size_t i = 0;
    ((records_ |= (targets_[i++] = target_of(arguments)) != nullptr), ...);
  }
  explicit operator bool() const noexcept { return records_; }

  Saved keep(const Tensor& x) const { return {x, false}; }
  Saved output(const Tensor& y) const { return {y, true}; }
  Saved keep_for(std::size_t i, const Tensor& x) const { return targets_[i] != nullptr ? keep(x) : Saved(); }
  Saved output_for(std::size_t i, const Tensor& y) const { return targets_[i] != nullptr ? output(y) : Saved(); }
  SavedOperand keep_for(std::size_t i, const Operand& x) const {
    return targets_[i] != nullptr ? SavedOperand(x) : SavedOperand();
  }

  /// Makes y the recorded result of this call. `formula` is called as formula(Back&). Returns the call's node, which
  /// lives as long as y's history.
  template <class F>
  Node& record(const Tensor& y, F formula) {
    NodePtr node(new Call<F, N>(std::move(formula)));
    node->name = name_;
    node->at = at_;
    for (std::size_t i = 0; i < N; ++i) {
      if (targets_[i] == nullptr) continue;
      keep_node(targets_[i]);
      node->edges[i] = targets_[i];
    }
    Node& made = *node;
    attach(y, std::move(node));
    return made;
  }

 private:
  static void keep_node(Node* node) noexcept { autograd::keep(node); }

  const char* name_;
  CallSite at_;
  Node* targets_[N] = {};
  bool records_ = false;
};

template <class... Arguments>
Recorder(const char*, CallSite, const Arguments&...) -> Recorder<sizeof...(Arguments)>;

/// Records y as the result of a call with a list of arguments, if any of them records gradients.
template <class F>
void record_list(const char* name, CallSite at, std::span<const Tensor> arguments, const Tensor& y, F formula) {
  if (!grad_enabled()) return;
  bool records = false;
  for (const Tensor& x : arguments) records |= target_of(x) != nullptr;
  if (!records) return;
  std::vector<Node*> targets(arguments.size(), nullptr);
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = target_of(arguments[i]);
  NodePtr node(new ListCall<F>(std::move(formula), std::move(targets)));
  for (std::uint32_t i = 0; i < node->edge_count; ++i) {
    if (node->edges[i] != nullptr) keep(node->edges[i]);
  }
  node->name = name;
  node->at = at;
  attach(y, std::move(node));
}

// ---- functions the formulas need beside the public ones; differentiable unless they say otherwise

/// dy times the derivative of an activation, from the activation's result y (of gelu_tanh: from its argument)
/// (unary.cpp, activations.cpp).
Tensor through(Activation activation, const Tensor& dy, const Tensor& y, const char* name, CallSite at);
Tensor gelu_tanh_slope(const Tensor& x, CallSite at);

/// Whether hooks take what this thread saves for the way back (saved.cpp).
bool saved_hooks_active() noexcept;

/// The way back of broadcasting: sums the axes along which `shape` was repeated (reduce.cpp).
Tensor sum_to(const Tensor& x, const Shape& shape, CallSite at);

/// The gradient of a reduction brought back to the shape of its argument: reduced axes are repeated (reduce.cpp).
Tensor spread(const Tensor& dy, const Axes& axes, bool keepdim, const Shape& shape, CallSite at);

/// mean() without recording, and the number of elements behind each of its results (reduce.cpp).
Tensor mean_of(const Tensor& x, const Axes& axes, bool keepdim, const char* name, CallSite at);
double count_per_result(const Tensor& x, const Tensor& y);

/// max and min over axes under the name of another function (reduce.cpp).
Tensor extreme(ReduceOp op, const Tensor& x, const Axes& axes, bool keepdim, const char* name, CallSite at);

/// A loss of every element reduced as asked; over no elements ValueError (loss.cpp).
Tensor reduced(const Tensor& losses, Reduction reduction, const char* name, CallSite at);

/// Zeros of `shape` with x at axis[start : start + step * extent : step], the way back of slice (shape.cpp).
Tensor place(const Tensor& x, const Shape& shape, int axis, const Slice& bounds, CallSite at);

}  // namespace weft::autograd
