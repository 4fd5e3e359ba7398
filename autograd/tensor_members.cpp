// The members and operators of Tensor that record gradients or concern them: declared in tensor/tensor.h, defined here,
// so that tensor/ does not depend on autograd/ and a missing recording is a link error, never a silent one.

#include <weft/autograd/engine.h>
#include <weft/autograd/functions.h>
#include <weft/autograd/node.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/ops.h>

namespace weft {

// ---- conversions
Tensor Tensor::to(DType t, CallSite at) const { return weft::to(*this, t, at); }
Tensor Tensor::to(Device d, CallSite at) const { return weft::to(*this, d, at); }
Tensor Tensor::contiguous(CallSite at) const { return weft::contiguous(*this, at); }
Tensor Tensor::clone(CallSite at) const { return weft::clone(*this, at); }

// ---- views
Tensor Tensor::reshape(const Shape& s, CallSite at) const { return weft::reshape(*this, s, at); }
Tensor Tensor::flatten(int first, int last, CallSite at) const { return weft::flatten(*this, first, last, at); }
Tensor Tensor::transpose(int a, int b, CallSite at) const { return weft::transpose(*this, a, b, at); }
Tensor Tensor::permute(const Axes& order, CallSite at) const { return weft::permute(*this, order, at); }
Tensor Tensor::expand(const Shape& s, CallSite at) const { return weft::expand(*this, s, at); }
Tensor Tensor::unsqueeze(int axis, CallSite at) const { return weft::unsqueeze(*this, axis, at); }
Tensor Tensor::squeeze(int axis, CallSite at) const { return weft::squeeze(*this, axis, at); }
Tensor Tensor::slice(int axis, Slice bounds, CallSite at) const { return weft::slice(*this, axis, bounds, at); }
Tensor Tensor::narrow(int axis, std::int64_t start, std::int64_t length, CallSite at) const {
  return weft::narrow(*this, axis, start, length, at);
}
Tensor Tensor::select(int axis, std::int64_t i, CallSite at) const { return weft::select(*this, axis, i, at); }
Tensor Tensor::operator[](std::int64_t i) const { return weft::select(*this, 0, i, {}); }

Tensor Tensor::t(CallSite at) const {
  if (rank(at) == 2) return weft::transpose(*this, 0, 1, at);
  throw ShapeError(ErrorCode::rank_unsupported, "t", message("needs a matrix, not ", shape(), "; use transpose(a, b)"),
                   at);
}

// ---- arithmetic by name
Tensor Tensor::sum(const Axes& axes, bool keepdim, CallSite at) const { return weft::sum(*this, axes, keepdim, at); }
Tensor Tensor::mean(const Axes& axes, bool keepdim, CallSite at) const { return weft::mean(*this, axes, keepdim, at); }
Tensor Tensor::max(const Axes& axes, bool keepdim, CallSite at) const { return weft::max(*this, axes, keepdim, at); }
Tensor Tensor::min(const Axes& axes, bool keepdim, CallSite at) const { return weft::min(*this, axes, keepdim, at); }
Tensor Tensor::argmax(int axis, bool keepdim, CallSite at) const { return weft::argmax(*this, axis, keepdim, at); }
Tensor Tensor::exp(CallSite at) const { return weft::exp(*this, at); }
Tensor Tensor::log(CallSite at) const { return weft::log(*this, at); }
Tensor Tensor::sqrt(CallSite at) const { return weft::sqrt(*this, at); }
Tensor Tensor::abs(CallSite at) const { return weft::abs(*this, at); }
Tensor Tensor::tanh(CallSite at) const { return weft::tanh(*this, at); }
Tensor Tensor::sigmoid(CallSite at) const { return weft::sigmoid(*this, at); }
Tensor Tensor::relu(CallSite at) const { return weft::relu(*this, at); }
Tensor Tensor::matmul(const Tensor& other, CallSite at) const { return weft::matmul(*this, other, at); }
Tensor Tensor::softmax(int axis, CallSite at) const { return weft::softmax(*this, axis, at); }
Tensor Tensor::log_softmax(int axis, CallSite at) const { return weft::log_softmax(*this, axis, at); }

Tensor operator+(const Operand& a, const Operand& b) { return add(a, b); }
Tensor operator-(const Operand& a, const Operand& b) { return sub(a, b); }
Tensor operator*(const Operand& a, const Operand& b) { return mul(a, b); }
Tensor operator/(const Operand& a, const Operand& b) { return div(a, b); }
Tensor operator-(const Operand& a) { return a.is_number() ? sub(0, a) : neg(a.tensor(), a.at()); }
Tensor operator==(const Operand& a, const Operand& b) { return eq(a, b); }
Tensor operator!=(const Operand& a, const Operand& b) { return ne(a, b); }
Tensor operator<(const Operand& a, const Operand& b) { return lt(a, b); }
Tensor operator<=(const Operand& a, const Operand& b) { return le(a, b); }
Tensor operator>(const Operand& a, const Operand& b) { return gt(a, b); }
Tensor operator>=(const Operand& a, const Operand& b) { return ge(a, b); }

// ---- in place
namespace {

// An in-place write is never recorded, so it is refused where a gradient would go wrong without a word.
void refuse_recorded(const Tensor& target, const Operand& other, const char* name, const char* instead, CallSite at) {
  if (!grad_enabled()) return;
  const bool target_records = autograd::target_of(target) != nullptr;
  if (!target_records && autograd::target_of(other) == nullptr) return;
  throw AutogradError(ErrorCode::in_place_recorded, name,
                      message(target_records ? "this tensor records gradients" : "the argument records gradients",
                              ", and writing in place is never recorded; use ", instead,
                              ", or write inside a weft::NoGrad scope (as an optimiser does)"),
                      at);
}

void in_place(BinaryOp op, const Tensor& x, const Operand& y, const char* name, const char* instead) {
  refuse_recorded(x, y, name, instead, y.at());
  ops::binary_into(op, x, y, name, y.at());
}

}  // namespace

Tensor& Tensor::add_(const Operand& y) { return in_place(BinaryOp::add, *this, y, "add_", "x = x + y"), *this; }
Tensor& Tensor::sub_(const Operand& y) { return in_place(BinaryOp::sub, *this, y, "sub_", "x = x - y"), *this; }
Tensor& Tensor::mul_(const Operand& y) { return in_place(BinaryOp::mul, *this, y, "mul_", "x = x * y"), *this; }
Tensor& Tensor::div_(const Operand& y) { return in_place(BinaryOp::div, *this, y, "div_", "x = x / y"), *this; }
Tensor& Tensor::operator+=(const Operand& y) { return in_place(BinaryOp::add, *this, y, "+=", "x = x + y"), *this; }
Tensor& Tensor::operator-=(const Operand& y) { return in_place(BinaryOp::sub, *this, y, "-=", "x = x - y"), *this; }
Tensor& Tensor::operator*=(const Operand& y) { return in_place(BinaryOp::mul, *this, y, "*=", "x = x * y"), *this; }
Tensor& Tensor::operator/=(const Operand& y) { return in_place(BinaryOp::div, *this, y, "/=", "x = x / y"), *this; }

Tensor& Tensor::copy_(const Tensor& source, CallSite at) {
  refuse_recorded(*this, {source, at}, "copy_", "x = y.clone()", at);
  ops::copy_into(*this, source, "copy_", at);
  return *this;
}

Tensor& Tensor::fill_(backends::Number value, CallSite at) {
  refuse_recorded(*this, {0, at}, "fill_", "x = weft::full(x.shape(), value)", at);
  ops::fill(*this, value, "fill_", at);
  return *this;
}

Tensor& Tensor::zero_(CallSite at) {
  refuse_recorded(*this, {0, at}, "zero_", "x = weft::zeros_like(x)", at);
  ops::fill(*this, 0, "zero_", at);
  return *this;
}

// ---- gradients
namespace {

void check_leaf(const Tensor& x, const char* name, const char* why, CallSite at) {
  const autograd::Node* node = autograd::node_of(x);
  if (node == nullptr || node->is_leaf) return;
  throw AutogradError(ErrorCode::no_gradient, name,
                      message("this tensor ", x.shape(), " is the result of [", node->name, "], not a leaf; ", why),
                      at);
}

const autograd::Leaf* known_leaf(const Tensor& x) noexcept {
  const autograd::Node* node = autograd::node_of(x);
  return node != nullptr && node->is_leaf ? static_cast<const autograd::Leaf*>(node) : nullptr;
}

}  // namespace

bool Tensor::requires_grad() const {
  ops::check_defined(*this, "requires_grad", "this tensor", {});
  return autograd::target_of(*this) != nullptr;
}

bool Tensor::is_leaf() const {
  ops::check_defined(*this, "is_leaf", "this tensor", {});
  return autograd::node_of(*this) == nullptr || known_leaf(*this) != nullptr;
}

Tensor& Tensor::requires_grad_(bool on, CallSite at) {
  ops::check_defined(*this, "requires_grad_", "this tensor", at);
  if (on && !is_floating(impl_->view.dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, "requires_grad_",
                     message("only floating tensors have gradients, this one is ", impl_->view.dtype,
                             "; convert it first: .to(weft::DType::float32)"),
                     at);
  }
  if (on && !is_leaf()) return *this;  // it records already
  check_leaf(*this, "requires_grad_", "it stops recording by detach() alone", at);
  if (on || autograd::node_of(*this) != nullptr) autograd::leaf_of(*this).open = on;
  return *this;
}

Tensor Tensor::grad(CallSite at) const {
  ops::check_defined(*this, "grad", "this tensor", at);
  const autograd::Leaf* leaf = known_leaf(*this);
  return leaf == nullptr ? Tensor() : leaf->grad;
}

void Tensor::set_grad(const Tensor& gradient, CallSite at) {
  if (!gradient.defined()) return zero_grad(at);
  ops::check_defined(*this, "set_grad", "this tensor", at);
  check_leaf(*this, "set_grad", "only leaves keep a gradient", at);
  if (gradient.shape() != shape() || gradient.dtype() != dtype() || gradient.device() != device()) {
    throw AutogradError(ErrorCode::gradient_mismatch, "set_grad",
                        message("expected ", shape(), ' ', dtype(), " on ", device(), ", got ", gradient.shape(), ' ',
                                gradient.dtype(), " on ", gradient.device()),
                        at);
  }
  autograd::leaf_of(*this).grad = gradient;
}

void Tensor::zero_grad(CallSite at) {
  ops::check_defined(*this, "zero_grad", "this tensor", at);
  if (known_leaf(*this) != nullptr) autograd::leaf_of(*this).grad = Tensor();
}

Tensor Tensor::detach(CallSite at) const {
  ops::check_defined(*this, "detach", "this tensor", at);
  return autograd::without_history(*this);
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph, CallSite at) const {
  autograd::Run run("backward", retain_graph, create_graph, at);
  run.seed(*this, gradient);
  run.run();
  run.commit();
}

void Tensor::register_hook(std::function<Tensor(const Tensor&)> hook, CallSite at) {
  ops::check_defined(*this, "register_hook", "this tensor", at);
  if (!hook) throw ValueError(ErrorCode::value_invalid, "register_hook", "the hook is empty", at);
  autograd::Node* node = autograd::target_of(*this);
  if (node == nullptr) {
    throw AutogradError(ErrorCode::no_gradient, "register_hook",
                        message("this tensor ", shape(), " records no gradient; call requires_grad_() first"), at);
  }
  if (node->hooks == nullptr) node->hooks = std::make_unique<std::vector<autograd::Hook>>();
  node->hooks->push_back(std::move(hook));
}

std::uint64_t Tensor::version() const {
  ops::check_defined(*this, "version", "this tensor", {});
  return impl_->storage->version.load(std::memory_order_relaxed);
}

}  // namespace weft
