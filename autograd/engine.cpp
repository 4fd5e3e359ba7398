#include <weft/autograd/engine.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <string>

#include <weft/autograd/grad.h>
#include <weft/autograd/record.h>
#include <weft/backends/router.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/ops.h>

namespace weft::autograd {
namespace {

thread_local Run* innermost = nullptr;

std::mutex& commit_mutex() {
  static std::mutex& m = *new std::mutex;
  return m;
}

// Nobody else can see this tensor or its memory; row-major and with no memory beside its elements: fit to be written to
// and to be given away.
bool is_own(const Tensor& x) noexcept {
  const TensorImpl& impl = *x.impl();
  return impl.refs.load(std::memory_order_acquire) == 1 && impl.storage->refs.load(std::memory_order_acquire) == 1 &&
         impl.view.is_contiguous() &&
         impl.storage->bytes == static_cast<std::size_t>(impl.view.numel()) * item_size(impl.view.dtype);
}

}  // namespace

// ---- what a formula sees

const Tensor& Back::value(const Saved& saved) const {
  if (saved.packed_ == nullptr) {
    saved.check_version(saved.tensor_.impl()->storage->version.load(std::memory_order_relaxed), saved.tensor_.shape(),
                        node_.name, node_.at, backward_);
    return saved.tensor_;
  }
  for (const Unpacked* known = unpacked_.get(); known != nullptr; known = known->next.get()) {
    if (known->saved == &saved) return known->value;
  }
  Tensor value = saved.value(node_.name, node_.at, backward_);
  unpacked_.reset(new Unpacked{&saved, std::move(value), std::move(unpacked_)});
  return unpacked_->value;
}

Tensor Back::operator()(const Saved& saved) const {
  const Tensor& value = this->value(saved);
  if (!saved.is_output_ || !grad_enabled()) return value;
  // The result again, with its history: this very node.
  Tensor output = without_history(value);
  keep(&node_);
  output.impl()->meta = std::make_unique<GradMeta>(NodePtr(&node_));
  return output;
}

Operand Back::operator()(const SavedOperand& saved) const {
  if (saved.is_number_) return operand(saved.number_, at);
  return {value(saved.tensor_), at};
}

// ---- the walk

Run::Run(const char* name, bool retain_graph, bool create_graph, CallSite at)
    : name_(name),
      at_(at),
      retain_(retain_graph || create_graph),
      create_(create_graph),
      mode_before_(grad_enabled()),
      casts_before_(cast_mode()),
      anomaly_(anomaly()),
      outer_(innermost) {
  set_grad_enabled(create_graph);
  set_cast_mode({});  // gradients have the dtypes of the forward's results
  innermost = this;
}

Run::~Run() {
  innermost = outer_;
  set_grad_enabled(mode_before_);
  set_cast_mode(casts_before_);
  for (const Step& step : order_) {
    step.node->abandon();
    step.node->owner.store(nullptr, std::memory_order_release);
  }
  for (const Step& step : order_) drop(step.node);
  for (LeafGradient& slot : leaves_) drop(slot.leaf);
}

void Run::restrict_to(std::span<const Tensor> inputs) {
  restricted_ = true;
  oldest_ = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ops::check_defined(inputs[i], name_, "an input", at_);
    Node* node = target_of(inputs[i]);
    if (node == nullptr) {
      throw AutogradError(ErrorCode::no_gradient, name_,
                          message("input ", i, ' ', inputs[i].shape(),
                                  " does not record gradients; call requires_grad_() ", "on it before it is used"),
                          at_);
    }
    oldest_ = std::min(oldest_, node->sequence);
    if (node->is_leaf) {
      add_leaf(static_cast<Leaf&>(*node));
    } else {
      inputs_.try_emplace(node);
    }
  }
}

void Run::seed(const Tensor& output, const Tensor& gradient) {
  ops::check_defined(output, name_, "the output", at_);
  Node* root = target_of(output);
  if (root == nullptr) {
    throw AutogradError(ErrorCode::no_gradient, name_,
                        message("this tensor ", output.shape(),
                                " records no gradient: no argument of its computation had requires_grad_(), or it was "
                                "computed inside a NoGrad scope, or detached"),
                        at_);
  }
  if (gradient.defined()) {
    check_gradient(*root, gradient, "the gradient given for the output");
    if (anomaly_ != nullptr) check_anomaly(gradient, *root, "the gradient given for the result of ");
  } else if (output.numel() != 1) {
    throw AutogradError(
        ErrorCode::no_gradient, name_,
        message("the tensor is ", output.shape(), ", not one element, so a gradient of that shape has to be ",
                "given; or reduce it first, e.g. with sum() or mean()"),
        at_);
  }
  claim_behind(*root);
  if (!gradient.defined() && root->knows_one) {
    ones_.push_back(root);
    return;
  }
  Tensor start = gradient.defined() ? gradient : ones_like(output, at_);
  if (root->is_leaf) {
    if (wants(root)) accumulate(leaves_[leaf_index_.at(root)].gradient, std::move(start));
  } else {
    accumulate(root->gradient, std::move(start));
  }
}

// A 1 that is the only gradient and that nobody but the formula sees needs no memory.
void Run::seed_ones() {
  for (Node* root : ones_) {
    root->is_one =
        root->arrivals == 1 && root->hooks == nullptr && inputs_.count(root) == 0 && !create_ && anomaly_ == nullptr;
    if (!root->is_one) accumulate(root->gradient, ones(root->shape, {root->device, root->dtype}, at_));
  }
}

void Run::claim(Node& node) {
  keep(&node);
  try {
    order_.push_back({node.sequence, &node});
  } catch (...) {
    drop(&node);
    throw;
  }
  const void* nobody = nullptr;
  if (node.owner.compare_exchange_strong(nobody, this, std::memory_order_acq_rel)) {
    node.multiplied = node.is_one = false;
    node.arrivals = 0;
    if (!node.freed || inputs_.count(&node) != 0) return;
    throw AutogradError(
        ErrorCode::graph_freed, name_,
        message("an earlier backward already went through this graph and freed what ", call_text(node.name, node.at),
                " had saved; pass retain_graph = true to the earlier one, or compute the value again"),
        at_);
  }
  order_.pop_back();
  drop(&node);
  bool mine = false;
  for (const Run* run = outer_; run != nullptr; run = run->outer_) mine |= run == nobody;
  throw AutogradError(ErrorCode::reentrant_backward, name_,
                      message("the graph of ", call_text(node.name, node.at), " is being gone through by ",
                              mine ? "the backward whose hook called this one" : "a backward on another thread",
                              "; another graph may be gone through meanwhile, not the same"),
                      at_);
}

void Run::add_leaf(Leaf& leaf) {
  if (!leaf_index_.try_emplace(&leaf, leaves_.size()).second) return;
  try {
    leaves_.push_back({&leaf, Tensor(), false});
  } catch (...) {
    leaf_index_.erase(&leaf);
    throw;
  }
  keep(&leaf);
}

void Run::claim_behind(Node& root) {
  const auto reach = [this](Node& node) {
    if (node.is_leaf) {
      if (!restricted_) add_leaf(static_cast<Leaf&>(node));
      const auto known = leaf_index_.find(&node);
      if (known != leaf_index_.end()) leaves_[known->second].reached = true;
    } else if (node.sequence >= oldest_) {
      if (node.owner.load(std::memory_order_relaxed) != this) {
        claim(node);
        stack_.push_back(&node);
      }
      ++node.arrivals;
    }
  };
  stack_.clear();
  reach(root);
  while (!stack_.empty()) {
    const Node& node = *stack_.back();
    stack_.pop_back();
    for (std::uint32_t i = 0; i < node.edge_count; ++i) {
      if (node.edges[i] != nullptr) reach(*node.edges[i]);
    }
  }
}

bool Run::wants(const Node* target) const {
  if (target == nullptr) return false;
  if (target->is_leaf) return restricted_ ? leaf_index_.count(target) != 0 : target->open;
  return !restricted_ || (target->sequence >= oldest_ && (target->needed || inputs_.count(target) != 0));
}

Wish Run::wish_of(const Node* target) const {
  if (!wants(target)) return Wish::no;
  const bool unseen = target->activation != Activation::none && target->arrivals == 1 && target->hooks == nullptr &&
                      !create_ && anomaly_ == nullptr && inputs_.count(target) == 0;
  return unseen ? Wish::may_multiply : Wish::yes;
}

// From the oldest node up: a node is needed when one of its edges leads to something wanted.
void Run::find_needed() {
  for (auto step = order_.rbegin(); step != order_.rend(); ++step) {
    Node& node = *step->node;
    node.needed = std::any_of(node.edges, node.edges + node.edge_count, [this](const Node* t) { return wants(t); });
  }
}

bool Run::reaches(const Tensor& input) const {
  const Node* node = node_of(input);
  return node->is_leaf ? leaves_[leaf_index_.at(node)].reached : node->owner.load(std::memory_order_relaxed) == this;
}

void Run::run() {
  const auto later_first = [](const Step& a, const Step& b) { return a.sequence > b.sequence; };
  if (!std::is_sorted(order_.begin(), order_.end(), later_first)) std::sort(order_.begin(), order_.end(), later_first);
  if (restricted_) find_needed();
  seed_ones();
  for (const Step& next : order_) step(*next.node);
  for (LeafGradient& slot : leaves_) {
    if (!slot.gradient.defined()) continue;
    if (anomaly_ != nullptr) check_anomaly(slot.gradient, *slot.leaf, "the sum of the gradients that arrive at a ");
    slot.gradient = hooked(*slot.leaf, std::move(slot.gradient));
  }
}

void Run::step(Node& node) {
  Tensor dy = std::exchange(node.gradient, Tensor());
  if (!dy.defined() && !node.is_one) return;
  if (anomaly_ != nullptr) check_anomaly(dy, node, "the sum of the gradients that arrive at the result of ");
  if (!node.is_one) dy = hooked(node, std::move(dy));
  if (restricted_) {
    const auto input = inputs_.find(&node);
    if (input != inputs_.end()) input->second = dy;
    if (!node.needed) return;
  }
  const std::uint32_t count = node.edge_count;
  wishes_.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) wishes_[i] = wish_of(node.edges[i]);
  gradients_.clear();
  gradients_.resize(count);
  {
    Back back(node, dy, wishes_, gradients_, at_);
    node.run(back);
  }
  for (std::uint32_t i = 0; i < count && anomaly_ != nullptr; ++i) {
    if (wishes_[i] == Wish::no || !gradients_[i].defined()) continue;
    check_anomaly(gradients_[i], node,
                  message("the gradient of argument ", i, " computed by the backward of ").c_str());
  }
  dy = Tensor();  // so that a gradient passed on unchanged has one holder
  for (std::uint32_t i = 0; i < count; ++i) {
    if (wishes_[i] == Wish::no || !gradients_[i].defined()) continue;
    if (wishes_[i] == Wish::multiplied) node.edges[i]->multiplied = true;
    deliver(node, *node.edges[i], std::move(gradients_[i]));
  }
  if (!retain_) node.release();
}

Tensor Run::hooked(const Node& node, Tensor gradient) {
  if (node.hooks == nullptr) return gradient;
  for (std::size_t i = 0; i < node.hooks->size(); ++i) {
    const Hook hook = *(*node.hooks)[i];  // a copy: the hook may register another, or remove itself
    if (!hook) continue;
    Tensor replacement = hook(gradient);
    if (!replacement.defined()) continue;
    check_gradient(node, replacement, "the gradient a hook returned");
    if (anomaly_ != nullptr) check_anomaly(replacement, node, "what a hook returned as the gradient of the result of ");
    gradient = std::move(replacement);
  }
  return gradient;
}

void Run::check_anomaly(const Tensor& gradient, const Node& node, const char* what) const {
  const std::string found = anomaly_in(gradient, *anomaly_);
  if (found.empty()) return;
  throw AutogradError(ErrorCode::non_finite, name_,
                      message(what, node.is_leaf ? "leaf" : call_text(node.name, node.at), " has ", found, ", shape ",
                              gradient.shape()),
                      at_);
}

void Run::check_gradient(const Node& node, const Tensor& gradient, const char* what) const {
  const char* difference = nullptr;
  if (gradient.shape() != node.shape) {
    difference = "shape";
  } else if (gradient.dtype() != node.dtype) {
    difference = "dtype";
  } else if (gradient.device() != node.device) {
    difference = "device";
  }
  if (difference == nullptr) return;
  throw AutogradError(
      ErrorCode::gradient_mismatch, name_,
      message(what, " has the wrong ", difference, ": expected ", node.shape, ' ', node.dtype, " on ", node.device,
              ", got ", gradient.shape(), ' ', gradient.dtype(), " on ", gradient.device()),
      at_);
}

void Run::deliver(const Node& from, Node& target, Tensor gradient) {
  if (gradient.shape() != target.shape) gradient = sum_to(gradient, target.shape, from.at);
  if (gradient.dtype() != target.dtype || gradient.device() != target.device) {
    check_gradient(target, gradient, call_text(from.name, from.at).c_str());
  }
  if (target.is_leaf) {
    accumulate(leaves_[leaf_index_.at(&target)].gradient, std::move(gradient));
  } else {
    accumulate(target.gradient, std::move(gradient));
  }
}

// ---- sums of gradients

Tensor Run::added(const Tensor& a, const Tensor& b) const { return add({a, at_}, {b, at_}); }

void Run::accumulate(Tensor& sum, Tensor&& gradient) const {
  if (!sum.defined()) {
    sum = std::move(gradient);
  } else if (!create_ && is_own(sum)) {
    ops::binary_into(BinaryOp::add, sum, gradient, name_, at_);
  } else {
    sum = added(sum, gradient);
  }
}

// A gradient fit to be handed out: one that nobody else holds is taken as it is.
Tensor Run::owned(Tensor gradient) const {
  if (!create_ && node_of(gradient) != nullptr) gradient = without_history(gradient);
  return is_own(gradient) ? gradient : clone(gradient, at_);
}

void Run::commit() {
  const std::lock_guard lock(commit_mutex());
  std::vector<Tensor> fresh(leaves_.size());
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    LeafGradient& slot = leaves_[i];
    if (!slot.gradient.defined()) continue;
    const Tensor& old = slot.leaf->grad;
    if (!old.defined()) {
      fresh[i] = owned(std::move(slot.gradient));
    } else if (create_ || !is_own(old)) {
      if (backends::active_tape() != nullptr && old.impl()->storage->id != 0) {
        throw StateError(
            ErrorCode::read_only, "capture",
            message("a gradient of shape ", old.shape(),
                    " stands from before the captured step, and every replay would add it again; begin the "
                    "step with zero_grad()"),
            at_);
      }
      fresh[i] = added(old, slot.gradient);
    }
  }
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    LeafGradient& slot = leaves_[i];
    if (fresh[i].defined()) {
      slot.leaf->grad = std::move(fresh[i]);
    } else if (slot.gradient.defined()) {
      ops::binary_into(BinaryOp::add, slot.leaf->grad, slot.gradient, name_, at_);
    }
  }
}

Tensor Run::result(const Tensor& input) {
  const Node* node = node_of(input);
  Tensor& slot = node->is_leaf ? leaves_[leaf_index_.at(node)].gradient : inputs_.at(node);
  if (!slot.defined()) return {};
  Tensor gradient = std::exchange(slot, Tensor());
  gradient = owned(std::move(gradient));
  slot = gradient;  // for an input that is named twice
  return gradient;
}

}  // namespace weft::autograd

namespace weft {

std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> grad_outputs, bool retain_graph, bool create_graph, bool allow_unused,
                         CallSite at) {
  if (outputs.empty() || inputs.empty()) {
    throw ValueError(ErrorCode::value_invalid, "grad", outputs.empty() ? "no outputs given" : "no inputs given", at);
  }
  if (!grad_outputs.empty() && grad_outputs.size() != outputs.size()) {
    throw ValueError(ErrorCode::value_invalid, "grad",
                     message("there are ", outputs.size(), " outputs, but ", grad_outputs.size(), " grad_outputs"), at);
  }
  autograd::Run run("grad", retain_graph, create_graph, at);
  run.restrict_to(inputs);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    run.seed(outputs[i], grad_outputs.empty() ? Tensor() : grad_outputs[i]);
  for (std::size_t i = 0; i < inputs.size() && !allow_unused; ++i) {
    if (run.reaches(inputs[i])) continue;
    throw AutogradError(ErrorCode::no_gradient, "grad",
                        message("no output depends on input ", i, ' ', inputs[i].shape(),
                                "; pass allow_unused = true to get an undefined gradient for it"),
                        at);
  }
  run.run();
  std::vector<Tensor> results;
  results.reserve(inputs.size());
  for (const Tensor& input : inputs) results.push_back(run.result(input));
  return results;
}

std::vector<Tensor> grad(std::initializer_list<Tensor> outputs, std::initializer_list<Tensor> inputs,
                         std::initializer_list<Tensor> grad_outputs, bool retain_graph, bool create_graph,
                         bool allow_unused, CallSite at) {
  return grad(std::span(outputs.begin(), outputs.size()), std::span(inputs.begin(), inputs.size()),
              std::span(grad_outputs.begin(), grad_outputs.size()), retain_graph, create_graph, allow_unused, at);
}

}  // namespace weft
