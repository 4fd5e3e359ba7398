#pragma once
// Private: the graph. A Node is one recorded call, or a leaf that asked for a gradient; its edges point at the nodes
// that made its arguments. Tensors own nodes (through GradMeta), nodes own the nodes they came from, and no node owns
// its own output, so there is no cycle.
//
// Nodes are counted with atomic references and dropped iteratively: a chain of a million of them needs no stack.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weft/autograd/anomaly.h>
#include <weft/core/call_site.h>
#include <weft/tensor/tensor.h>
#include <weft/tensor/tensor_impl.h>

namespace weft::autograd {

class Back;

using Hook = std::function<Tensor(const Tensor&)>;  ///< an empty one was removed

class Node {
 public:
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // What was called, where, and what came out. The gradient that arrives has the output's shape, dtype and device.
  const char* name = "";
  CallSite at;
  std::uint64_t sequence = 0;  ///< grows with every node, so an edge always leads to a smaller number
  Shape shape;
  DType dtype = DType::float32;
  Device device;

  Node** edges = nullptr;  ///< per argument; null where no gradient is wanted
  std::uint32_t edge_count = 0;
  /// What the call did last to its result. Whoever computes the only gradient that arrives here may multiply it by the
  /// derivative of that on the way (Back::below): the next layer's product does it while its result is in the cache.
  Activation activation = Activation::none;
  const void* activation_aux = nullptr;  ///< what the backend remembered of it; lives as long as what the call saved
  bool is_leaf = false;
  bool open = true;        ///< gradients are wanted; only a leaf's requires_grad_(false) closes it
  bool freed = false;      ///< a backward went through and released what was saved
  bool knows_one = false;  ///< the formula asks Back::is_one() before it looks at dy

  /// The backward that is going through this node; the fields below and `freed` are its alone.
  std::atomic<const void*> owner{nullptr};
  bool needed = false;         ///< leads to an input of grad()
  bool multiplied = false;     ///< what arrived holds the derivative of `activation` already
  bool is_one = false;         ///< what arrives is the number 1 alone, and was not written down
  std::uint32_t arrivals = 0;  ///< the most gradients that may arrive: edges that lead here, and seeds
  Tensor gradient;             ///< what has arrived so far
  std::unique_ptr<std::vector<std::shared_ptr<Hook>>> hooks;

  /// Computes the wanted gradients of the arguments.
  virtual void run(Back& back) = 0;

  /// Drops what arrived from a backward that ends here, whether it came through or not.
  virtual void abandon() noexcept { gradient = Tensor(); }

  /// Forgets saved values and edges. The graph before this node may be destroyed by it.
  void release() noexcept;

 protected:
  Node();
  virtual ~Node();
  virtual void forget() noexcept = 0;

 private:
  friend void keep(Node* node) noexcept;
  friend void drop(Node* node) noexcept;
  void drop_edges() noexcept;

  std::atomic<std::uint32_t> refs_{1};
  Node* next_dropped_ = nullptr;
};

inline void keep(Node* node) noexcept { node->refs_.fetch_add(1, std::memory_order_relaxed); }
void drop(Node* node) noexcept;

struct Drop {
  void operator()(Node* node) const noexcept { drop(node); }
};
using NodePtr = std::unique_ptr<Node, Drop>;

/// Where the gradient of a leaf is kept. It lives in the node and not in the tensor, so a graph that outlives its leaf
/// still has somewhere to write.
class Leaf final : public Node {
 public:
  explicit Leaf(const Tensor& tensor);
  Tensor grad;
  void run(Back&) override {}

 protected:
  void forget() noexcept override {}
};

/// A recorded call with N arguments whose way back is the function object F.
template <class F, std::size_t N>
class Call final : public Node {
 public:
  explicit Call(F&& formula) : formula_(std::move(formula)) {
    edges = arguments_;
    edge_count = N;
  }
  void run(Back& back) override { (*formula_)(back); }

 protected:
  void forget() noexcept override { formula_.reset(); }

 private:
  Node* arguments_[N] = {};
  std::optional<F> formula_;
};

/// As Call, for functions of a list of tensors.
template <class F>
class ListCall final : public Node {
 public:
  ListCall(F&& formula, std::vector<Node*>&& arguments)
      : arguments_(std::move(arguments)), formula_(std::move(formula)) {
    edges = arguments_.data();
    edge_count = static_cast<std::uint32_t>(arguments_.size());
  }
  void run(Back& back) override { (*formula_)(back); }

 protected:
  void forget() noexcept override { formula_.reset(); }

 private:
  std::vector<Node*> arguments_;
  std::optional<F> formula_;
};

/// What a tensor carries: the call that made it, or its own leaf.
struct GradMeta final : AutogradMeta {
  explicit GradMeta(NodePtr n) noexcept : node(std::move(n)) {}
  NodePtr node;
};

/// The tensor's node, null when autograd knows nothing of it (or it is undefined).
inline Node* node_of(const Tensor& x) noexcept {
  if (!x.defined()) return nullptr;
  const auto* meta = static_cast<const GradMeta*>(x.impl()->meta.get());
  return meta == nullptr ? nullptr : meta->node.get();
}

/// The node a gradient of x flows to; null where none is wanted.
inline Node* target_of(const Tensor& x) noexcept {
  Node* node = node_of(x);
  return node != nullptr && node->open ? node : nullptr;
}
inline Node* target_of(const Operand& x) noexcept { return x.is_number() ? nullptr : target_of(x.tensor()); }

/// The tensor's leaf node, made where there is none. Not for results of recorded calls.
Leaf& leaf_of(const Tensor& x);

/// Makes `output` the result of `node`. Fills in what the node knows of its output. AutogradError (non_finite) where
/// anomaly mode looks at forward calls and the output has a NaN.
void attach(const Tensor& output, NodePtr node);

/// "[mul] (train.cpp:41)", for messages.
std::string call_text(const char* name, CallSite at);

/// What anomaly mode on this thread looks for, null when it is off (anomaly.cpp).
const AnomalyOptions* anomaly() noexcept;

/// "NaN at (0, 3)" for the first element that anomaly mode objects to; empty when there is none (anomaly.cpp).
std::string anomaly_in(const Tensor& x, const AnomalyOptions& options);

/// The same values on the same storage, without history.
Tensor without_history(const Tensor& x);

}  // namespace weft::autograd
