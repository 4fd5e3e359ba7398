#pragma once
// Private: one walk back through a graph.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/node.h>
#include <weft/autograd/record.h>

namespace weft::autograd {

/// One backward. Built, seeded, prepared, run, and then either committed to the leaves or read. Everything it claims it
/// gives back in the destructor, also after a throw.
class Run {
 public:
  Run(const char* name, bool retain_graph, bool create_graph, CallSite at);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  /// Only these gradients are wanted; without it, those of every leaf.
  void restrict_to(std::span<const Tensor> inputs);

  /// Checks the output and its gradient (undefined: 1) and claims everything behind it.
  void seed(const Tensor& output, const Tensor& gradient);

  /// Whether a seeded output depends on an input named in restrict_to().
  bool reaches(const Tensor& input) const;

  /// The walk.
  void run();

  /// Adds what arrived to the leaves' grad(): all of it or, after a throw, nothing.
  void commit();

  /// The gradient of an input named in restrict_to(); undefined where nothing arrived.
  Tensor result(const Tensor& input);

 private:
  struct Step {
    std::uint64_t sequence;
    Node* node;  // one reference and the claim
  };
  struct LeafGradient {
    Leaf* leaf;  // one reference
    Tensor gradient;
    bool reached;
  };

  void claim_behind(Node& root);
  void claim(Node& node);
  void add_leaf(Leaf& leaf);
  void find_needed();
  bool wants(const Node* target) const;
  Wish wish_of(const Node* target) const;
  void seed_ones();
  void step(Node& node);
  Tensor hooked(const Node& node, Tensor gradient);
  void deliver(const Node& from, Node& target, Tensor gradient);
  void check_anomaly(const Tensor& gradient, const Node& node, const char* what) const;
  void check_gradient(const Node& node, const Tensor& gradient, const char* what) const;
  Tensor owned(Tensor gradient) const;
  Tensor added(const Tensor& a, const Tensor& b) const;
  void accumulate(Tensor& sum, Tensor&& gradient) const;

  const char* name_;
  CallSite at_;
  bool retain_;
  bool create_;
  bool restricted_ = false;
  std::uint64_t oldest_ = 0;  // no call before the oldest input leads to one: the walk stops there
  bool mode_before_;
  CastMode casts_before_;
  const AnomalyOptions* anomaly_;  // null: off
  Run* outer_;                     // the backward from whose hook this one was called
  std::vector<Step> order_;
  std::vector<LeafGradient> leaves_;
  std::unordered_map<const Node*, std::size_t> leaf_index_;
  std::unordered_map<const Node*, Tensor> inputs_;  // of restrict_to(), results of calls
  std::vector<Node*> stack_;
  std::vector<Tensor> gradients_;
  std::vector<Wish> wishes_;
  std::vector<Node*> ones_;  // seeded with 1: written down, if somebody looks, when everything behind is known
};

}  // namespace weft::autograd
