// Calls of functions that users wrote. One call is one node; because it may have several results, and a node has one,
// each result is a small node of its own in front of it, which hands the gradient that arrives there on.

#include <weft/autograd/function.h>

#include <algorithm>

#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>

namespace weft {

using autograd::Back;
using autograd::Node;
using autograd::NodePtr;
using autograd::Saved;

namespace function_detail {
namespace {

// Whether a gradient of shape `from` can be summed to `to`, the other way round of broadcasting.
bool sums_to(const Shape& from, const Shape& to) noexcept {
  const int lead = from.rank() - to.rank();
  bool fits = lead >= 0;
  for (int i = 0; i < to.rank() && fits; ++i) fits = to[i] == 1 || to[i] == from[i + lead];
  return fits;
}

void keep_all(const std::vector<Node*>& nodes) noexcept {
  for (Node* node : nodes) {
    if (node != nullptr) autograd::keep(node);
  }
}

}  // namespace

class CustomCall final : public Node {
 public:
  static std::vector<Tensor> apply(const char* name, Backward backward, bool once,
                                   const std::vector<const Tensor*>& arguments, const Forward& forward, CallSite at);

  CustomCall(std::unique_ptr<FunctionContext> context, Backward backward, bool once, std::vector<Node*> arguments,
             const std::vector<Tensor>& results);

  /// The gradient of result i; gives the call something to run with.
  void arrive(std::size_t i, Back& back) {
    arrived_[i] = back.dy;
    if (!gradient.defined()) back[0] = empty(shape, {device, dtype}, at);
  }

  void run(Back& back) override;
  void abandon() noexcept override {
    Node::abandon();
    std::fill(arrived_.begin(), arrived_.end(), Tensor());
  }

  std::vector<Tensor> saved_tensors() const;

 protected:
  void forget() noexcept override {
    context_.reset();
    saved_.clear();
    abandon();
  }

 private:
  struct Result {
    Shape shape;
    DType dtype;
    Device device;
  };
  struct SavedTensor {
    Saved saved;
    std::ptrdiff_t result;  // which one it is; -1: none
  };

  Tensor refusing(const Tensor& computed, const std::vector<Tensor>& dy) const;

  std::unique_ptr<FunctionContext> context_;
  Backward backward_;
  bool once_;
  std::vector<Node*> arguments_;
  std::vector<Result> results_;
  std::vector<SavedTensor> saved_;
  std::vector<Tensor> arrived_;
  const Back* back_ = nullptr;  // while backward() runs
};

namespace {

class ResultNode final : public Node {
 public:
  ResultNode(CustomCall& call, std::size_t index) noexcept : call_(&call), index_(index) {
    autograd::keep(&call);
    edge_ = &call;
    edges = &edge_;
    edge_count = 1;
    name = call.name;
    at = call.at;
  }
  void run(Back& back) override { call_->arrive(index_, back); }

 protected:
  void forget() noexcept override {}

 private:
  CustomCall* call_;  // alive through the edge
  std::size_t index_;
  Node* edge_;
};

struct Refuse {
  const char* function;
  CallSite at;
  void operator()(Back&) const {
    throw AutogradError(ErrorCode::differentiated_once, function,
                        message("the gradient of ", autograd::call_text(function, at),
                                " cannot be differentiated again: the function is once_differentiable"),
                        at);
  }
};

}  // namespace

CustomCall::CustomCall(std::unique_ptr<FunctionContext> context, Backward backward, bool once,
                       std::vector<Node*> arguments, const std::vector<Tensor>& results)
    : context_(std::move(context)),
      backward_(backward),
      once_(once),
      arguments_(std::move(arguments)),
      arrived_(results.size()) {
  name = context_->name_;
  at = context_->at_;
  shape = {0};  // of what stands for the gradients, see arrive()
  device = cpu();
  for (const Tensor& y : results) results_.push_back({y.shape(), y.dtype(), y.device()});
  for (const Tensor& x : context_->to_save_) {
    const auto same = [&x](const Tensor& y) { return x.defined() && y.is_same(x); };
    const auto result = std::find_if(results.begin(), results.end(), same);
    const bool is_result = result != results.end();
    saved_.push_back({Saved(x, is_result), is_result ? result - results.begin() : -1});
  }
  context_->to_save_.clear();
  context_->non_differentiable_.clear();
  keep_all(arguments_);  // nothing below throws
  edges = arguments_.data();
  edge_count = static_cast<std::uint32_t>(arguments_.size());
}

std::vector<Tensor> CustomCall::saved_tensors() const {
  std::vector<Tensor> tensors;
  tensors.reserve(saved_.size());
  for (const SavedTensor& s : saved_) {
    if (!s.saved.kept()) {
      tensors.emplace_back();
      continue;
    }
    Tensor x = back_->value(s.saved);
    if (s.result >= 0 && grad_enabled()) {  // with its history: another way into this very call
      x = autograd::without_history(x);
      auto* self = const_cast<CustomCall*>(this);
      autograd::attach(x, NodePtr(new ResultNode(*self, static_cast<std::size_t>(s.result))));
    }
    tensors.push_back(std::move(x));
  }
  return tensors;
}

// The gradient without history, behind a node that cannot be gone through. It has an edge to everything the gradient
// may depend on, so that going back to any of that meets it.
Tensor CustomCall::refusing(const Tensor& computed, const std::vector<Tensor>& dy) const {
  std::vector<Node*> targets = arguments_;
  for (const Tensor& g : dy) targets.push_back(autograd::target_of(g));
  Tensor y = autograd::without_history(computed);
  NodePtr node(new autograd::ListCall<Refuse>(Refuse{name, at}, std::move(targets)));
  for (std::uint32_t i = 0; i < node->edge_count; ++i) {
    if (node->edges[i] != nullptr) autograd::keep(node->edges[i]);
  }
  node->name = name;
  node->at = at;
  autograd::attach(y, std::move(node));
  return y;
}

void CustomCall::run(Back& back) {
  std::vector<Tensor> dy = std::exchange(arrived_, std::vector<Tensor>(results_.size()));
  for (std::size_t i = 0; i < dy.size() && context_->materialize_; ++i) {
    if (!dy[i].defined()) dy[i] = zeros(results_[i].shape, {results_[i].device, results_[i].dtype}, at);
  }
  for (std::size_t i = 0; i < arguments_.size(); ++i) context_->needed_[i] = back.wants(i) ? 1 : 0;

  struct Running {
    CustomCall& call;
    Running(CustomCall& c, const Back& b) : call(c) {
      call.back_ = &b;
      call.context_->call_ = &call;
    }
    ~Running() {
      call.back_ = nullptr;
      call.context_->call_ = nullptr;
    }
  };
  std::vector<Tensor> gradients;
  const bool refused_twice = once_ && grad_enabled();
  {
    const Running running(*this, back);
    if (refused_twice) {
      const NoGrad off;
      gradients = backward_(*context_, dy);
    } else {
      gradients = backward_(*context_, dy);
    }
  }
  if (gradients.size() != arguments_.size()) {
    throw AutogradError(ErrorCode::gradient_mismatch, name,
                        message("backward() returned ", gradients.size(), " gradients; forward() had ",
                                arguments_.size(), " arguments (lists count with their elements)"),
                        at);
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    Tensor& g = gradients[i];
    if (!g.defined()) continue;
    const Node* target = arguments_[i];
    if (target == nullptr) {
      if (context_->is_tensor_[i] != 0) continue;  // a tensor that records nothing: computed in vain
      throw AutogradError(ErrorCode::gradient_mismatch, name,
                          message("backward() returned a gradient for argument ", i, ", which is no tensor"), at);
    }
    if (!sums_to(g.shape(), target->shape) || g.dtype() != target->dtype || g.device() != target->device) {
      throw AutogradError(
          ErrorCode::gradient_mismatch, name,
          message("backward() returned as the gradient of argument ", i, ' ', g.shape(), ' ', g.dtype(), " on ",
                  g.device(), "; expected ", target->shape, ' ', target->dtype, " on ", target->device),
          at);
    }
    if (back.wants(i)) back[i] = refused_twice ? refusing(g, dy) : std::move(g);
  }
}

std::vector<Tensor> CustomCall::apply(const char* name, Backward backward, bool once,
                                      const std::vector<const Tensor*>& arguments, const Forward& forward,
                                      CallSite at) {
  const TraceSpan span(name, "function");
  std::unique_ptr<FunctionContext> context(new FunctionContext(name, at));
  std::vector<Node*> targets(arguments.size(), nullptr);
  std::vector<std::uint64_t> versions(arguments.size(), 0);
  bool records = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool given = arguments[i] != nullptr && arguments[i]->defined();
    if (given) versions[i] = arguments[i]->version();
    if (given && grad_enabled()) targets[i] = autograd::target_of(*arguments[i]);
    records |= targets[i] != nullptr;
    context->needed_.push_back(targets[i] != nullptr ? 1 : 0);
    context->is_tensor_.push_back(arguments[i] != nullptr ? 1 : 0);
  }
  std::vector<Tensor> results;
  {
    const NoGrad off;
    results = forward(*context);
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].defined()) continue;
    throw StateError(ErrorCode::tensor_undefined, name, message("result ", i, " of forward() is undefined"), at);
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == nullptr || !arguments[i]->defined() || arguments[i]->version() == versions[i]) continue;
    throw AutogradError(ErrorCode::in_place_recorded, name,
                        message("forward() wrote to its argument ", i, " in place; write to a clone()"), at);
  }

  std::vector<char> differentiable(results.size(), 0);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& marked = context->non_differentiable_;
    differentiable[i] = is_floating(results[i].dtype()) &&
                        std::none_of(marked.begin(), marked.end(), [&](auto& y) { return y.is_same(results[i]); });
  }
  NodePtr node;
  if (records) node.reset(new CustomCall(std::move(context), backward, once, std::move(targets), results));
  for (std::size_t i = 0; i < results.size(); ++i) {
    Tensor y = autograd::without_history(results[i]);  // one of the arguments, maybe, which keeps its own history
    if (records && differentiable[i] != 0) {
      autograd::attach(y, NodePtr(new ResultNode(static_cast<CustomCall&>(*node), i)));
    }
    results[i] = std::move(y);
  }
  return results;
}

std::vector<Tensor> apply(const char* name, Backward backward, bool once_differentiable,
                          const std::vector<const Tensor*>& arguments, const Forward& forward, CallSite at) {
  return CustomCall::apply(name, backward, once_differentiable, arguments, forward, at);
}

}  // namespace function_detail

std::vector<Tensor> FunctionContext::saved_tensors() const {
  if (call_ != nullptr) return call_->saved_tensors();
  throw StateError(ErrorCode::state_mismatch, name_, "saved_tensors() is for backward(); forward() has the tensors",
                   at_);
}

void FunctionContext::refuse_kept() const {
  throw StateError(
      ErrorCode::state_mismatch, name_,
      kept_type_ == nullptr ? "kept() without keep() before" : "kept() asks for another type than keep() got", at_);
}

}  // namespace weft
