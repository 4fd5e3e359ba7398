#include <weft/backends/observer.h>

#include <algorithm>
#include <initializer_list>
#include <optional>

namespace weft::backends {
namespace {

double elements(const TensorView& view) noexcept { return static_cast<double>(view.numel()); }

// The multiply-adds of a convolution, twice: every weight meets every output position of every image.
double conv_flops(const TensorView& w, const TensorView& y) noexcept {
  return 2 * elements(y) * elements(w) / static_cast<double>(std::max<std::int64_t>(w.shape[0], 1));
}

}  // namespace

double bytes_of(const TensorView& view) noexcept {
  double count = static_cast<double>(item_size(view.dtype));
  for (int i = 0; i < view.rank(); ++i) {
    if (view.strides[i] != 0) count *= static_cast<double>(view.shape[i]);
  }
  return count;
}

/// A backend as it looks through an observer.
class Observer::Watched final : public Backend {
 public:
  Watched(Observer& observer, Backend& target) : observer_(observer), target_(target) {}

  DeviceFacts facts() override { return target_.facts(); }
  void* allocate(std::size_t bytes) override { return target_.allocate(bytes); }
  void free(void* p, std::size_t bytes) noexcept override { target_.free(p, bytes); }
  void copy_in(void* to, const void* host, std::size_t bytes) override { target_.copy_in(to, host, bytes); }
  void copy_out(void* host, const void* from, std::size_t bytes) override { target_.copy_out(host, from, bytes); }
  void synchronise() override { target_.synchronise(); }

  void fill(const TensorView& out, Number value) override {
    see("fill", {}, {out}, [&] { target_.fill(out, value); });
  }
  void copy(const TensorView& in, const TensorView& out) override {
    see("copy", {in}, {out}, [&] { target_.copy(in, out); });
  }
  void unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) override {
    see("unary", {in}, {out}, [&] { target_.unary(op, args, in, out); });
  }
  void binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) override {
    see("binary", {view_in(a), view_in(b)}, {out}, [&] { target_.binary(op, a, b, out); });
  }
  void where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) override {
    see("where", {condition, view_in(a), view_in(b)}, {out}, [&] { target_.where(condition, a, b, out); });
  }
  void reduce(ReduceOp op, const TensorView& in, const TensorView& out) override {
    see("reduce", {in}, {out}, [&] { target_.reduce(op, in, out); });
  }
  void arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) override {
    see("arg_reduce", {in}, {out}, [&] { target_.arg_reduce(op, in, axis, out); });
  }
  void matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) override {
    const double flops = 2 * elements(out) * static_cast<double>(a.shape[a.rank() - 1]);
    see(
        "matmul", {a, b}, {out}, [&] { target_.matmul(a, b, out, accumulate); }, flops);
  }
  void gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) override {
    see("gather", {index, out}, {out}, [&] { target_.gather(in, axis, index, out); });  // reads as much as it writes
  }
  void scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) override {
    see("scatter_add", {from, index}, {inout}, [&] { target_.scatter_add(from, axis, index, inout); });
  }
  void random(RandomKind kind, const RandomKey& key, const TensorView& out) override {
    see("random", {}, {out}, [&] { target_.random(kind, key, out); });
  }
  void conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w, const TensorView& y) override {
    const TensorView& out = pass == Pass::forward ? y : pass == Pass::grad_input ? x : w;
    const TensorView& first = pass == Pass::grad_input ? y : x;
    const TensorView& second = pass == Pass::grad_weight ? y : w;
    see(
        "conv", {first, second}, {out}, [&] { target_.conv(pass, g, x, w, y); }, conv_flops(w, y));
  }
  void pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) override {
    see("pool", {x}, {y, index}, [&] { target_.pool(g, x, y, index); });
  }
  void pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& dy,
                     const TensorView& index, const TensorView& dx) override {
    see("pool_backward", {x, y, dy, index}, {dx}, [&] { target_.pool_backward(g, x, y, dy, index, dx); });
  }
  void scan(ScanOp op, const TensorView& in, int axis, const TensorView& out) override {
    see("scan", {in}, {out}, [&] { target_.scan(op, in, axis, out); });
  }
  void topk(const TensorView& in, int axis, bool largest, const TensorView& values,
            const TensorView& indices) override {
    see("topk", {in}, {values, indices}, [&] { target_.topk(in, axis, largest, values, indices); });
  }

  void softmax(bool log, const TensorView& x, int axis, const TensorView& y) override {
    see("softmax", {x}, {y}, [&] { target_.softmax(log, x, axis, y); });
  }
  void softmax_backward(bool log, const TensorView& dy, const TensorView& y, int axis, const TensorView& dx) override {
    see("softmax_backward", {dy, y}, {dx}, [&] { target_.softmax_backward(log, dy, y, axis, dx); });
  }
  void cross_entropy(const CrossEntropyArgs& args, const TensorView& logits, const TensorView& labels,
                     const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits) override {
    see("cross_entropy", {logits, labels, class_weight}, {losses, dlogits},
        [&] { target_.cross_entropy(args, logits, labels, class_weight, losses, dlogits); });
  }
  void layer_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                  const TensorView& y, const TensorView& mean, const TensorView& rstd) override {
    see("layer_norm", {x, scale, shift}, {y, mean, rstd},
        [&] { target_.layer_norm(args, x, scale, shift, y, mean, rstd); });
  }
  void layer_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale, const TensorView& mean,
                           const TensorView& rstd, const TensorView& dx, const TensorView& dscale,
                           const TensorView& dshift) override {
    see("layer_norm_backward", {dy, x, scale, mean, rstd}, {dx, dscale, dshift},
        [&] { target_.layer_norm_backward(dy, x, scale, mean, rstd, dx, dscale, dshift); });
  }
  void batch_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                  const TensorView& running_mean, const TensorView& running_var, const TensorView& y,
                  const TensorView& mean, const TensorView& rstd) override {
    see("batch_norm", {x, scale, shift}, {y, mean, rstd, running_mean, running_var},
        [&] { target_.batch_norm(args, x, scale, shift, running_mean, running_var, y, mean, rstd); });
  }
  void batch_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale, const TensorView& mean,
                           const TensorView& rstd, const TensorView& dx, const TensorView& dscale,
                           const TensorView& dshift) override {
    see("batch_norm_backward", {dy, x, scale, mean, rstd}, {dx, dscale, dshift},
        [&] { target_.batch_norm_backward(dy, x, scale, mean, rstd, dx, dscale, dshift); });
  }
  void dropout(double p, const RandomKey& key, const TensorView& x, const TensorView& y) override {
    see("dropout", {x}, {y}, [&] { target_.dropout(p, key, x, y); });
  }
  std::size_t linear_aux_bytes(Activation act, const TensorView& y) override {
    return target_.linear_aux_bytes(act, y);
  }
  void linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b, const TensorView& y,
              void* aux) override {
    const double flops = 2 * elements(y) * static_cast<double>(w.shape[1]);
    see(
        "linear", {x, w, b}, {y}, [&] { target_.linear(act, x, w, b, y, aux); }, flops);
  }
  void linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux, const TensorView& x,
                       const TensorView& w, Activation below, const void* below_aux, const TensorView& dx,
                       const TensorView& dw, const TensorView& db) override {
    const double product = 2 * elements(dy) * static_cast<double>(w.shape[1]);
    const double flops = (dx.data != nullptr ? product : 0) + (dw.data != nullptr ? product : 0);
    see(
        "linear_backward", {dy, y, x, w}, {dx, dw, db},
        [&] { target_.linear_backward(act, dy, y, aux, x, w, below, below_aux, dx, dw, db); }, flops);
  }
  void optimise(const OptimArgs& args, std::span<const OptimSlot> slots) override {
    std::vector<TensorView> in, out;
    for (const OptimSlot& slot : slots) {
      in.push_back(slot.grad);
      for (const TensorView& view : {slot.param, slot.state1, slot.state2}) {
        in.push_back(view);
        out.push_back(view);
      }
    }
    see_all("optimise", in, out, [&] { target_.optimise(args, slots); }, {});
  }
  void sum_squares(std::span<const TensorView> views, const TensorView& out) override {
    see_all("sum_squares", {views.begin(), views.end()}, {out}, [&] { target_.sum_squares(views, out); }, {});
  }
  void gather_batch(const GatherBatchArgs& args, const TensorView& data, const TensorView& labels,
                    const TensorView& index, const TensorView& out, const TensorView& out_labels) override {
    see("gather_batch", {index}, {out, out_labels},
        [&] { target_.gather_batch(args, data, labels, index, out, out_labels); });
  }

  Stream* make_stream() override { return target_.make_stream(); }
  void use_stream(Stream* stream) override { target_.use_stream(stream); }
  void wait(Stream* until_done) override { target_.wait(until_done); }
  void drop_stream(Stream* stream) noexcept override { target_.drop_stream(stream); }
  bool begin_capture() override { return target_.begin_capture(); }
  Capture* end_capture() override { return target_.end_capture(); }
  void replay(Capture* capture, int times) override { target_.replay(capture, times); }
  void drop_capture(Capture* capture) noexcept override { target_.drop_capture(capture); }
  void* allocate_pinned(std::size_t bytes) override { return target_.allocate_pinned(bytes); }
  void free_pinned(void* p, std::size_t bytes) noexcept override { target_.free_pinned(p, bytes); }
  void copy_in_async(void* to, const void* pinned, std::size_t bytes) override {
    target_.copy_in_async(to, pinned, bytes);
  }
  MemoryCounts memory() const noexcept override { return target_.memory(); }
  void release_cached() override { target_.release_cached(); }
  bool set_option(std::string_view key, std::string_view value) override { return target_.set_option(key, value); }
  bool exhibit(std::string_view name, std::int64_t setting, ExhibitFigures& figures,
               std::span<double> seconds) override {
    return target_.exhibit(name, setting, figures, seconds);
  }
  void tag(const OpTag& tag) noexcept override {
    Backend::tag(tag);
    target_.tag(tag);
  }

 private:
  static TensorView view_in(const Argument& argument) { return argument.is_number ? TensorView{} : argument.view; }

  template <class F>
  void see(const char* function, std::initializer_list<TensorView> in, std::initializer_list<TensorView> out, F f,
           std::optional<double> flops = {}) {
    see_all(function, in, out, f, flops);
  }

  template <class F>
  void see_all(const char* function, std::vector<TensorView> in, std::vector<TensorView> out, F f,
               std::optional<double> flops) {
    const auto not_given = [](const TensorView& view) { return view.data == nullptr; };
    std::erase_if(in, not_given);
    std::erase_if(out, not_given);
    double read = 0, written = 0;
    for (const TensorView& view : in) read = std::max(read, elements(view));
    for (const TensorView& view : out) written += elements(view);
    const ObservedCall call{function, current_tag(), in, out, flops.value_or(std::max(read, written)), target_};
    observer_.before(call);
    f();
    observer_.after(call);
  }

  Observer& observer_;
  Backend& target_;
};

Observer::Observer() = default;
Observer::~Observer() = default;

Backend& Observer::route(Backend& backend) {
  for (const auto& [target, watched] : watched_) {
    if (target == &backend || watched.get() == &backend) return *watched;
  }
  watched_.emplace_back(&backend, std::make_unique<Watched>(*this, backend));
  return *watched_.back().second;
}

}  // namespace weft::backends
