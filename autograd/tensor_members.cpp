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
Tensor Tensor::squeeze(const Axes& axes, CallSite at) const { return weft::squeeze(*this, axes, at); }
Tensor Tensor::view(const Shape& s, CallSite at) const { return weft::view(*this, s, at); }
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

std::vector<Tensor> Tensor::split(std::int64_t size, int axis, CallSite at) const {
  return weft::split(*this, size, axis, at);
}
std::vector<Tensor> Tensor::split(const std::vector<std::int64_t>& sizes, int axis, CallSite at) const {
  return weft::split(*this, sizes, axis, at);
}
std::vector<Tensor> Tensor::chunk(std::int64_t chunks, int axis, CallSite at) const {
  return weft::chunk(*this, chunks, axis, at);
}

// ---- rearranged and indexed
Tensor Tensor::repeat(const Shape& repeats, CallSite at) const { return weft::repeat(*this, repeats, at); }
Tensor Tensor::roll(const Dims& shifts, const Axes& axes, CallSite at) const {
  return weft::roll(*this, shifts, axes, at);
}
Tensor Tensor::roll(std::int64_t shift, CallSite at) const { return weft::roll(*this, shift, at); }
Tensor Tensor::flip(const Axes& axes, CallSite at) const { return weft::flip(*this, axes, at); }
Tensor Tensor::tril(std::int64_t diagonal, CallSite at) const { return weft::tril(*this, diagonal, at); }
Tensor Tensor::triu(std::int64_t diagonal, CallSite at) const { return weft::triu(*this, diagonal, at); }
Tensor Tensor::index_select(int axis, const Tensor& index, CallSite at) const {
  return weft::index_select(*this, axis, index, at);
}
Tensor Tensor::gather(int axis, const Tensor& index, CallSite at) const { return weft::gather(*this, axis, index, at); }
Tensor Tensor::scatter_add(int axis, const Tensor& index, const Tensor& source, CallSite at) const {
  return weft::scatter_add(*this, axis, index, source, at);
}
Tensor Tensor::masked_fill(const Tensor& mask, const Operand& value) const {
  return weft::masked_fill(*this, mask, value);
}

// ---- arithmetic by name
Tensor Tensor::sum(const Axes& axes, bool keepdim, CallSite at) const { return weft::sum(*this, axes, keepdim, at); }
Tensor Tensor::mean(const Axes& axes, bool keepdim, CallSite at) const { return weft::mean(*this, axes, keepdim, at); }
Tensor Tensor::max(const Axes& axes, bool keepdim, CallSite at) const { return weft::max(*this, axes, keepdim, at); }
Tensor Tensor::min(const Axes& axes, bool keepdim, CallSite at) const { return weft::min(*this, axes, keepdim, at); }
Tensor Tensor::prod(const Axes& axes, bool keepdim, CallSite at) const { return weft::prod(*this, axes, keepdim, at); }
Tensor Tensor::var(const Axes& axes, std::int64_t correction, bool keepdim, CallSite at) const {
  return weft::var(*this, axes, correction, keepdim, at);
}
Tensor Tensor::std(const Axes& axes, std::int64_t correction, bool keepdim, CallSite at) const {
  return weft::std(*this, axes, correction, keepdim, at);
}
Tensor Tensor::norm(double p, const Axes& axes, bool keepdim, CallSite at) const {
  return weft::norm(*this, p, axes, keepdim, at);
}
Tensor Tensor::logsumexp(const Axes& axes, bool keepdim, CallSite at) const {
  return weft::logsumexp(*this, axes, keepdim, at);
}
Tensor Tensor::any(const Axes& axes, bool keepdim, CallSite at) const { return weft::any(*this, axes, keepdim, at); }
Tensor Tensor::all(const Axes& axes, bool keepdim, CallSite at) const { return weft::all(*this, axes, keepdim, at); }
Tensor Tensor::argmax(std::optional<int> axis, bool keepdim, CallSite at) const {
  return weft::argmax(*this, axis, keepdim, at);
}
Tensor Tensor::argmin(std::optional<int> axis, bool keepdim, CallSite at) const {
  return weft::argmin(*this, axis, keepdim, at);
}
Tensor Tensor::cumsum(int axis, CallSite at) const { return weft::cumsum(*this, axis, at); }
Tensor Tensor::exp(CallSite at) const { return weft::exp(*this, at); }
Tensor Tensor::expm1(CallSite at) const { return weft::expm1(*this, at); }
Tensor Tensor::log(CallSite at) const { return weft::log(*this, at); }
Tensor Tensor::log1p(CallSite at) const { return weft::log1p(*this, at); }
Tensor Tensor::sqrt(CallSite at) const { return weft::sqrt(*this, at); }
Tensor Tensor::rsqrt(CallSite at) const { return weft::rsqrt(*this, at); }
Tensor Tensor::square(CallSite at) const { return weft::square(*this, at); }
Tensor Tensor::pow(const Operand& exponent) const { return weft::pow({*this, exponent.at()}, exponent); }
Tensor Tensor::sign(CallSite at) const { return weft::sign(*this, at); }
Tensor Tensor::sin(CallSite at) const { return weft::sin(*this, at); }
Tensor Tensor::cos(CallSite at) const { return weft::cos(*this, at); }
Tensor Tensor::erf(CallSite at) const { return weft::erf(*this, at); }
Tensor Tensor::floor(CallSite at) const { return weft::floor(*this, at); }
Tensor Tensor::ceil(CallSite at) const { return weft::ceil(*this, at); }
Tensor Tensor::round(CallSite at) const { return weft::round(*this, at); }
Tensor Tensor::clamp(std::optional<backends::Number> min, std::optional<backends::Number> max, CallSite at) const {
  return weft::clamp(*this, min, max, at);
}
Tensor Tensor::isnan(CallSite at) const { return weft::isnan(*this, at); }
Tensor Tensor::isfinite(CallSite at) const { return weft::isfinite(*this, at); }
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
Tensor operator&(const Operand& a, const Operand& b) {
  return ops::binary(BinaryOp::logical_and, a, b, "logical_and", a.at());
}
Tensor operator|(const Operand& a, const Operand& b) {
  return ops::binary(BinaryOp::logical_or, a, b, "logical_or", a.at());
}
Tensor operator~(const Operand& a) {
  if (a.is_number()) throw ValueError(ErrorCode::value_invalid, "logical_not", "a number is no bool tensor", a.at());
  return logical_not(a.tensor(), a.at());
}
Tensor operator!(const Operand& a) { return ~a; }

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

HookHandle Tensor::register_hook(std::function<Tensor(const Tensor&)> hook, CallSite at) {
  ops::check_defined(*this, "register_hook", "this tensor", at);
  if (!hook) throw ValueError(ErrorCode::value_invalid, "register_hook", "the hook is empty", at);
  autograd::Node* node = autograd::target_of(*this);
  if (node == nullptr) {
    throw AutogradError(ErrorCode::no_gradient, "register_hook",
                        message("this tensor ", shape(), " records no gradient; call requires_grad_() first"), at);
  }
  const auto kept = std::make_shared<autograd::Hook>(std::move(hook));
  if (node->hooks == nullptr) node->hooks = std::make_unique<std::vector<std::shared_ptr<autograd::Hook>>>();
  node->hooks->push_back(kept);
  return HookHandle(kept);
}

std::uint64_t Tensor::version() const {
  ops::check_defined(*this, "version", "this tensor", {});
  return impl_->storage->version.load(std::memory_order_relaxed);
}

}  // namespace weft
