#include <weft/autograd/node.h>

#include <string_view>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/ops.h>

namespace weft::autograd {
namespace {

std::atomic<std::uint64_t> next_sequence{1};

// The nodes this thread still has to destroy, linked through next_dropped_, and whether a drop() further down the stack
// is already at it.
thread_local Node* dropped = nullptr;
thread_local bool dropping = false;

void check_result(const Tensor& output, const Node& node) {
  const std::string found = anomaly_in(output, *anomaly());
  if (found.empty()) return;
  throw AutogradError(ErrorCode::non_finite, node.name, message("the result ", node.shape, " has ", found), node.at);
}

}  // namespace

Node::Node() : sequence(next_sequence.fetch_add(1, std::memory_order_relaxed)) {}

Node::~Node() = default;

void Node::drop_edges() noexcept {
  const std::uint32_t count = std::exchange(edge_count, 0);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (Node* target = std::exchange(edges[i], nullptr)) drop(target);
  }
}

void Node::release() noexcept {
  freed = true;
  forget();
  drop_edges();
}

void drop(Node* node) noexcept {
  if (!drop_reference(node->refs_)) return;
  node->next_dropped_ = dropped;
  dropped = node;
  if (dropping) return;
  dropping = true;
  while (dropped != nullptr) {
    Node* last = dropped;
    dropped = last->next_dropped_;
    last->drop_edges();
    delete last;  // what it saved may hold further nodes: they are queued, not entered
  }
  dropping = false;
}

Leaf::Leaf(const Tensor& tensor) {
  name = "leaf";
  is_leaf = true;
  open = false;
  const TensorImpl& impl = *tensor.impl();
  shape = impl.view.shape;
  dtype = impl.view.dtype;
  device = impl.storage->device;
}

Leaf& leaf_of(const Tensor& x) {
  TensorImpl& impl = *x.impl();
  if (impl.meta == nullptr) impl.meta = std::make_unique<GradMeta>(NodePtr(new Leaf(x)));
  return static_cast<Leaf&>(*static_cast<GradMeta&>(*impl.meta).node);
}

void attach(const Tensor& output, NodePtr node) {
  TensorImpl& impl = *output.impl();
  node->shape = impl.view.shape;
  node->dtype = impl.view.dtype;
  node->device = impl.storage->device;
  if (const AnomalyOptions* options = anomaly(); options != nullptr && options->forward) check_result(output, *node);
  impl.meta = std::make_unique<GradMeta>(std::move(node));
}

std::string call_text(const char* name, CallSite at) {
  std::string_view file = at.file;
  file = file.substr(file.rfind('/') + 1);
  return message('[', name, "] (", file, ':', at.line, ')');
}

Tensor without_history(const Tensor& x) {
  const backends::TensorView& view = x.impl()->view;
  return ops::view(x, view.shape, view.strides, 0);
}

}  // namespace weft::autograd
