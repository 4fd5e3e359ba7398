#include "tensor/strict_backend.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include <weft/backends/registry.h>
#include <weft/core/dtype_support.h>

namespace weft::testing {
namespace {

using namespace weft::backends;

struct Range {
  const std::byte *first, *end;
};

Range range_of(const TensorView& view) {
  std::int64_t low = 0, high = 0;
  for (int i = 0; i < view.rank(); ++i) {
    const std::int64_t reach = (view.shape[i] - 1) * view.strides[i];
    low = std::min(low, low + reach);
    high = std::max(high, high + reach);
  }
  const auto size = static_cast<std::int64_t>(item_size(view.dtype));
  return {view.as<std::byte>() + low * size, view.as<std::byte>() + (high + 1) * size};
}

class StrictBackend final : public Backend {
 public:
  DeviceFacts facts() override { return {"strict"}; }

  void* allocate(std::size_t bytes) override {
    promise(bytes != 0, "allocate: no bytes");
    void* p = serial_.allocate(bytes);
    const std::lock_guard lock(mutex_);
    blocks_[static_cast<const std::byte*>(p)] = bytes;
    live_ += bytes;
    return p;
  }
  void free(void* p, std::size_t bytes) noexcept override {
    {
      const std::lock_guard lock(mutex_);
      const auto block = blocks_.find(static_cast<const std::byte*>(p));
      if (block == blocks_.end() || block->second != bytes) std::abort();  // cannot throw from here
      blocks_.erase(block);
      live_ -= bytes;
    }
    serial_.free(p, bytes);
  }
  void copy_in(void* to, const void* host, std::size_t bytes) override {
    check_bytes(to, bytes);
    serial_.copy_in(to, host, bytes);
  }
  void copy_out(void* host, const void* from, std::size_t bytes) override {
    check_bytes(from, bytes);
    serial_.copy_out(host, from, bytes);
  }
  void synchronise() override {}

  void fill(const TensorView& out, Number value) override {
    check_output(out, {});
    serial_.fill(out, value);
  }
  void copy(const TensorView& in, const TensorView& out) override {
    promise(in.shape == out.shape, "copy: shapes");
    check_output(out, {&in});
    serial_.copy(in, out);
  }
  void unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) override {
    promise(in.shape == out.shape && supports(op, in.dtype), "unary: shapes or dtype");
    check_output(out, {&in});
    serial_.unary(op, args, in, out);
  }
  void binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) override {
    promise(!(a.is_number && b.is_number), "binary: two numbers");
    for (const Argument* x : {&a, &b}) {
      promise(x->is_number || (x->view.shape == out.shape && supports(op, x->view.dtype)), "binary: shapes or dtype");
      promise(x->is_number || writes_bool(op) || x->view.dtype == out.dtype, "binary: result dtype");
    }
    promise(a.is_number || b.is_number || a.view.dtype == b.view.dtype, "binary: dtypes");
    promise(!writes_bool(op) || out.dtype == DType::boolean, "binary: comparisons write bool");
    check_output(out, {a.is_number ? nullptr : &a.view, b.is_number ? nullptr : &b.view});
    serial_.binary(op, a, b, out);
  }
  void where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) override {
    promise(condition.dtype == DType::boolean && condition.shape == out.shape, "where: condition");
    for (const Argument* x : {&a, &b}) {
      promise(x->is_number || (x->view.shape == out.shape && x->view.dtype == out.dtype), "where: operand");
    }
    check_output(out, {&condition, a.is_number ? nullptr : &a.view, b.is_number ? nullptr : &b.view});
    serial_.where(condition, a, b, out);
  }
  void reduce(ReduceOp op, const TensorView& in, const TensorView& out) override {
    promise(in.rank() == out.rank() && supports(op, in.dtype), "reduce: rank or dtype");
    promise(out.dtype == result_dtype(op, in.dtype), "reduce: result dtype");
    for (int i = 0; i < in.rank(); ++i) {
      promise(out.shape[i] == in.shape[i] || out.shape[i] == 1, "reduce: shape");
    }
    check_output(out, {&in}, false);
    serial_.reduce(op, in, out);
  }
  void arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) override {
    Shape expected = in.shape;
    expected[axis] = 1;
    promise(out.shape == expected && out.dtype == DType::int64, "arg_reduce: result");
    check_output(out, {&in}, false);
    serial_.arg_reduce(op, in, axis, out);
  }
  void matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) override {
    const int rank = out.rank();
    promise(rank >= 2 && a.rank() == rank && b.rank() == rank, "matmul: rank");
    for (int i = 0; i < rank - 2; ++i) {
      promise(a.shape[i] == out.shape[i] && b.shape[i] == out.shape[i], "matmul: batch");
    }
    promise(a.shape[rank - 2] == out.shape[rank - 2] && b.shape[rank - 1] == out.shape[rank - 1] &&
                a.shape[rank - 1] == b.shape[rank - 2],
            "matmul: shapes");
    promise(a.dtype == b.dtype && a.dtype == out.dtype && supports_matmul(a.dtype), "matmul: dtypes");
    check_output(out, {&a, &b}, false);
    serial_.matmul(a, b, out, accumulate);
  }
  void gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) override {
    check_rows(in, axis, index, out);
    check_output(out, {&in, &index}, false);
    serial_.gather(in, axis, index, out);
  }
  void scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) override {
    check_rows(inout, axis, index, from);
    check_output(inout, {&from, &index}, false);
    serial_.scatter_add(from, axis, index, inout);
  }
  void random(RandomKind kind, const RandomKey& key, const TensorView& out) override {
    check_output(out, {});
    serial_.random(kind, key, out);
  }
  void conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w, const TensorView& y) override {
    const int rank = g.spatial + 2;
    promise(g.spatial >= 1 && g.spatial <= 3 && x.rank() == rank && w.rank() == rank && y.rank() == rank, "conv: rank");
    promise(x.dtype == w.dtype && x.dtype == y.dtype && supports_conv(x.dtype), "conv: dtypes");
    promise(g.groups >= 1 && w.shape[0] % g.groups == 0 && x.shape[1] == w.shape[1] * g.groups, "conv: groups");
    promise(x.shape[0] == y.shape[0] && y.shape[1] == w.shape[0], "conv: batch or channels");
    for (int i = 0; i < g.spatial; ++i) {
      promise(g.kernel[i] == w.shape[2 + i] && g.stride[i] >= 1 && g.padding[i] >= 0 && g.dilation[i] >= 1,
              "conv: window");
      const std::int64_t last = (y.shape[2 + i] - 1) * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i];
      promise(last < x.shape[2 + i] + 2 * g.padding[i], "conv: y has more positions than fit");
    }
    const TensorView& out = pass == Pass::forward ? y : pass == Pass::grad_input ? x : w;
    check_output(out, {&out == &x ? &w : &x, &out == &y ? &w : &y}, false);
    serial_.conv(pass, g, x, w, y);
  }
  void pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) override {
    check_pool(g, x, y);
    if (index.data != nullptr) {
      promise(g.kind == PoolKind::max && index.dtype == DType::int64 && index.shape == y.shape, "pool: index");
      check_output(index, {&x, &y}, false);
    }
    check_output(y, {&x}, false);
    serial_.pool(g, x, y, index);
  }
  void pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& dy,
                     const TensorView& index, const TensorView& dx) override {
    check_pool(g, dx, dy);
    if (g.kind == PoolKind::max) {
      promise(x.shape == dx.shape && y.shape == dy.shape && index.shape == dy.shape, "pool_backward: shapes");
      check_output(dx, {&x, &y, &dy, &index}, false);
    } else {
      check_output(dx, {&dy}, false);
    }
    serial_.pool_backward(g, x, y, dy, index, dx);
  }
  void scan(ScanOp, const TensorView&, int, const TensorView&) override { never(); }
  void topk(const TensorView&, int, bool, const TensorView&, const TensorView&) override { never(); }

  // The fused forms check their own arguments and go on through the composed defaults, that is, through the above.
  void softmax(bool log, const TensorView& x, int axis, const TensorView& y) override {
    promise(x.shape == y.shape && x.dtype == y.dtype && axis >= 0 && axis < x.rank(), "softmax");
    check_output(y, {&x});
    Backend::softmax(log, x, axis, y);
  }
  void softmax_backward(bool log, const TensorView& dy, const TensorView& y, int axis, const TensorView& dx) override {
    promise(dy.shape == y.shape && dx.shape == y.shape && dy.dtype == y.dtype && dx.dtype == y.dtype,
            "softmax_backward");
    check_output(dx, {&dy, &y});
    Backend::softmax_backward(log, dy, y, axis, dx);
  }
  void cross_entropy(const CrossEntropyArgs& args, const TensorView& logits, const TensorView& labels,
                     const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits) override {
    promise(logits.rank() == 2 && labels.shape == Shape{logits.shape[0]} && supports_index(labels.dtype), "labels");
    promise(class_weight.data == nullptr && losses.shape == (args.mean ? Shape{} : labels.shape),
            "cross_entropy: losses");
    promise(dlogits.data == nullptr || dlogits.shape == logits.shape, "cross_entropy: dlogits");
    check_output(losses, {&logits, &labels}, false);
    if (dlogits.data != nullptr) check_output(dlogits, {&logits, &labels}, false);
    Backend::cross_entropy(args, logits, labels, class_weight, losses, dlogits);
  }
  void dropout(double p, const RandomKey& key, const TensorView& x, const TensorView& y) override {
    promise(p >= 0 && p < 1 && x.shape == y.shape && x.dtype == y.dtype, "dropout");
    check_output(y, {&x});
    Backend::dropout(p, key, x, y);
  }
  void linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b, const TensorView& y,
              void* aux) override {
    promise(x.rank() == 2 && w.rank() == 2 && y.shape == Shape{x.shape[0], w.shape[0]} && x.shape[1] == w.shape[1],
            "linear: shapes");
    promise(b.data == nullptr || b.shape == Shape{w.shape[0]}, "linear: bias");
    check_output(y, {&x, &w, b.data == nullptr ? nullptr : &b}, false);
    Backend::linear(act, x, w, b, y, aux);
  }
  void linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux, const TensorView& x,
                       const TensorView& w, Activation below, const void* below_aux, const TensorView& dx,
                       const TensorView& dw, const TensorView& db) override {
    promise(dy.shape == Shape{x.shape[0], w.shape[0]} && x.shape[1] == w.shape[1], "linear_backward: shapes");
    promise(dx.data == nullptr || dx.shape == x.shape, "linear_backward: dx");
    promise(dw.data == nullptr || dw.shape == w.shape, "linear_backward: dw");
    promise(db.data == nullptr || db.shape == Shape{w.shape[0]}, "linear_backward: db");
    for (const std::int64_t stride : dy.strides) promise(stride != 0, "linear_backward: dy repeats itself");
    for (const TensorView* out : {&dx, &dw, &db}) {
      if (out->data != nullptr) check_output(*out, {&dy, &x, &w}, false);
    }
    Backend::linear_backward(act, dy, y, aux, x, w, below, below_aux, dx, dw, db);
  }

  MemoryCounts memory() const noexcept override {
    MemoryCounts counts;
    const std::lock_guard lock(mutex_);
    counts.live = live_;
    return counts;
  }

 private:
  static void promise(bool kept, const char* what) {
    if (!kept) throw std::logic_error(std::string("the caller of a backend broke its promise: ") + what);
  }
  [[noreturn]] static void never() { throw std::logic_error("not called by tensor/"); }

  void check_bytes(const void* p, std::size_t bytes) const {
    const auto* first = static_cast<const std::byte*>(p);
    const std::lock_guard lock(mutex_);
    auto block = blocks_.upper_bound(first);
    promise(bytes != 0 && block != blocks_.begin(), "memory of no allocation");
    --block;
    promise(first + bytes <= block->first + block->second, "memory outside its allocation");
  }
  void check_view(const TensorView& view) const {
    promise(view.numel() > 0 && view.rank() == view.strides.rank(), "a view of size zero, or without strides");
    const Range range = range_of(view);
    check_bytes(range.first, static_cast<std::size_t>(range.end - range.first));
  }
  void check_output(const TensorView& out, std::initializer_list<const TensorView*> inputs,
                    bool may_be_an_input = true) const {
    check_view(out);
    for (int i = 0; i < out.rank(); ++i) promise(out.shape[i] == 1 || out.strides[i] != 0, "an output overlaps itself");
    const Range write = range_of(out);
    for (const TensorView* in : inputs) {
      if (in == nullptr) continue;
      check_view(*in);
      const Range read = range_of(*in);
      const bool same = in->data == out.data && in->shape == out.shape && in->strides == out.strides;
      const bool apart = write.end <= read.first || read.end <= write.first;
      promise(apart || (same && may_be_an_input), "an output overlaps an input");
    }
  }
  void check_pool(const PoolGeometry& g, const TensorView& x, const TensorView& y) const {
    const ConvGeometry& w = g.window;
    promise(w.spatial >= 1 && w.spatial <= 3 && x.rank() == w.spatial + 2 && y.rank() == x.rank(), "pool: rank");
    promise(x.dtype == y.dtype && supports_pool(x.dtype), "pool: dtypes");
    promise(x.shape[0] == y.shape[0] && x.shape[1] == y.shape[1], "pool: planes");
    for (int i = 0; i < w.spatial && !g.adaptive; ++i) {
      promise((y.shape[2 + i] - 1) * w.stride[i] - w.padding[i] < x.shape[2 + i], "pool: a window behind its plane");
    }
  }
  void check_rows(const TensorView& in, int axis, const TensorView& index, const TensorView& out) const {
    promise(in.rank() == out.rank() && in.dtype == out.dtype && axis >= 0 && axis < in.rank(), "rows: rank or dtype");
    promise(index.shape == out.shape && supports_index(index.dtype), "rows: index");
    for (int i = 0; i < in.rank(); ++i) promise(i == axis || in.shape[i] == out.shape[i], "rows: shape");
  }

  Backend& serial_ = backend_for(weft::serial());
  mutable std::mutex mutex_;
  std::map<const std::byte*, std::size_t> blocks_;
  std::size_t live_ = 0;
};

}  // namespace

Device strict() {
  static const Device device = register_backend("strict", [] { return std::make_unique<StrictBackend>(); });
  return device;
}

}  // namespace weft::testing
