#include <algorithm>
#include <cmath>

#include <weft/backends/composed/scratch.h>

// The formulas of PyTorch's optimisers, g = grad * grad_scale, t = step counted from 1:
//
//   sgd      g += wd p;  b = t == 1 ? g : mu b + (1 - dampening) g;  p -= lr (nesterov ? g + mu b : b)
//   adam     g += wd p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//            p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)
//   adamw    p *= 1 - lr wd, then as adam without the first line
//   rmsprop  g += wd p;  v = a v + (1 - a) g^2;  u = g / (sqrt(v) + eps);  mu: b = mu b + u, u = b;  p -= lr u
//
// lr, step, grad_scale and what follows from them are computed in float64 on the device, with the same calls whether
// they came as numbers or as views: a captured step gives the bits of an eager one. Everything is allocated before the
// first parameter is written.

namespace weft::backends {

using namespace composed;

namespace {

enum Coefficient { lr, step, grad_scale, fresh, shrink, step_size, root, coefficient_count };

bool one(const Argument& argument) { return argument.is_number && argument.number.to<double>() == 1.0; }

class Coefficients {
 public:
  Coefficients(Backend& backend, const OptimArgs& args)
      : backend_(backend),
        wide_(backend, DType::float64, {coefficient_count}),
        narrow_(backend, DType::float32, {coefficient_count}) {
    Calls call(backend);
    backend.fill(wide_, Number(0.0));
    put(args.lr, lr);
    put(args.step, step);
    put(args.grad_scale, grad_scale);
    const TensorView rate = at(lr, DType::float64), t = at(step, DType::float64);
    if (args.momentum != 0 && args.dampening != 0) {
      const Scratch first(backend, DType::boolean, {});
      call.binary(BinaryOp::eq, t, Number(1.0), first);
      call.where(first, Number(1.0), Number(1 - args.dampening), at(fresh, DType::float64));
    }
    const TensorView less = at(shrink, DType::float64);
    call.mul(rate, Number(args.weight_decay), less);
    call.sub(Number(1.0), less, less);
    if (args.kind == OptimKind::adam || args.kind == OptimKind::adamw) {
      const TensorView size = at(step_size, DType::float64), root_of = at(root, DType::float64);
      correction(args.beta1, size);
      call.div(rate, size, size);
      correction(args.beta2, root_of);
      call.unary(UnaryOp::sqrt, root_of, root_of);
    }
    backend.copy(wide_, narrow_);
  }

  TensorView at(Coefficient which, DType dtype) const {
    const TensorView& all = dtype == DType::float64 ? wide_.view() : narrow_.view();
    return {static_cast<char*>(all.data) + static_cast<std::size_t>(which) * item_size(dtype), dtype, {}, {}, {}};
  }

 private:
  void put(const Argument& value, Coefficient where) {
    const TensorView to = at(where, DType::float64);
    if (value.is_number) {
      backend_.fill(to, value.number);
    } else {
      backend_.copy(value.view, to);
    }
  }

  /// out = 1 - beta^t
  void correction(double beta, const TensorView& out) {
    Calls call(backend_);
    call.mul(at(step, DType::float64), Number(std::log(beta)), out);
    call.unary(UnaryOp::exp, out, out);
    call.sub(Number(1.0), out, out);
  }

  Backend& backend_;
  Scratch wide_;
  Scratch narrow_;
};

/// Temporaries of the largest parameter's size, cut out of one allocation.
class Lanes {
 public:
  Lanes(Backend& backend, std::span<const OptimSlot> slots) : memory_(backend, DType::uint8, {lane_bytes(slots) * 6}) {
    step_ = memory_.view().shape[0] / 6;
  }
  TensorView at(int lane, DType dtype, std::int64_t n) const {
    return contiguous_view(memory_.view().as<char>() + step_ * lane, dtype, {n});
  }

 private:
  static std::int64_t lane_bytes(std::span<const OptimSlot> slots) {
    std::int64_t most = 1;
    for (const OptimSlot& slot : slots) {
      const std::size_t item = item_size(compute_dtype(slot.param.dtype));
      most = std::max(most, slot.param.numel() * static_cast<std::int64_t>(item));
    }
    return (most + 63) / 64 * 64;
  }

  Scratch memory_;
  std::int64_t step_;
};

/// One parameter, flat and in its compute dtype.
class Update {
 public:
  Update(Backend& backend, const OptimArgs& args, const Coefficients& coefficients, const Lanes& lanes,
         const OptimSlot& slot)
      : call(backend), args_(args), coefficients_(coefficients), n_(slot.param.numel()) {
    dtype_ = compute_dtype(slot.param.dtype);
    p = load(backend, slot.param, lanes, 0);
    b = load(backend, slot.state1, lanes, 1);
    v = load(backend, slot.state2, lanes, 2);
    grad_ = load(backend, slot.grad, lanes, 3);
    g = lanes.at(4, dtype_, n_);
    t = lanes.at(5, dtype_, n_);
  }

  void run() {
    call.mul(grad_, one(args_.grad_scale) ? Argument(Number(1.0)) : Argument(number(grad_scale)), g);
    if (args_.weight_decay != 0) {
      if (args_.kind == OptimKind::adamw) {
        call.mul(p, number(shrink), p);
      } else {
        call.mul(p, Number(args_.weight_decay), t);
        call.add(g, t, g);
      }
    }
    switch (args_.kind) {
      case OptimKind::sgd:
        return sgd();
      case OptimKind::adam:
      case OptimKind::adamw:
        return adam();
      case OptimKind::rmsprop:
        return rmsprop();
    }
  }

  void finish(Backend& backend, const OptimSlot& slot) const {
    save(backend, p, slot.param);
    save(backend, b, slot.state1);
    save(backend, v, slot.state2);
  }

 private:
  void sgd() {
    if (args_.momentum != 0 && wanted(b)) {
      call.mul(b, Number(args_.momentum), b);
      if (args_.dampening != 0) {
        call.mul(g, number(fresh), t);
        call.add(b, t, b);
      } else {
        call.add(b, g, b);
      }
      if (args_.nesterov) {
        call.mul(b, Number(args_.momentum), t);
        call.add(g, t, g);
      } else {
        g = b;
      }
    }
    call.mul(g, number(lr), t);
    call.sub(p, t, p);
  }

  void adam() {
    call.mul(b, Number(args_.beta1), b);
    call.mul(g, Number(1 - args_.beta1), t);
    call.add(b, t, b);
    squares(args_.beta2);
    call.unary(UnaryOp::sqrt, v, t);
    call.div(t, number(root), t);
    call.add(t, Number(args_.epsilon), t);
    call.div(b, t, t);
    call.mul(t, number(step_size), t);
    call.sub(p, t, p);
  }

  void rmsprop() {
    squares(args_.alpha);
    call.unary(UnaryOp::sqrt, v, t);
    call.add(t, Number(args_.epsilon), t);
    call.div(g, t, t);
    if (args_.momentum != 0 && wanted(b)) {
      call.mul(b, Number(args_.momentum), b);
      call.add(b, t, b);
      call.mul(b, number(lr), t);
    } else {
      call.mul(t, number(lr), t);
    }
    call.sub(p, t, p);
  }

  /// v = keep v + (1 - keep) g^2
  void squares(double keep) {
    call.mul(v, Number(keep), v);
    call.mul(g, g, t);
    call.mul(t, Number(1 - keep), t);
    call.add(v, t, v);
  }

  TensorView number(Coefficient which) const {
    TensorView view = coefficients_.at(which, dtype_);
    view.shape = {1};
    view.strides = {0};
    return view;
  }

  TensorView load(Backend& backend, const TensorView& view, const Lanes& lanes, int lane) const {
    if (!wanted(view)) return view;
    const TensorView flat = contiguous_view(view.data, view.dtype, {n_});
    if (view.dtype == dtype_) return flat;
    const TensorView wide = lanes.at(lane, dtype_, n_);
    backend.copy(flat, wide);
    return wide;
  }
  void save(Backend& backend, const TensorView& from, const TensorView& to) const {
    if (wanted(to) && to.dtype != dtype_) backend.copy(from, contiguous_view(to.data, to.dtype, {n_}));
  }

  Calls call;
  const OptimArgs& args_;
  const Coefficients& coefficients_;
  std::int64_t n_;
  DType dtype_;
  TensorView p, b, v, g, t, grad_;
};

}  // namespace

void Backend::optimise(const OptimArgs& args, std::span<const OptimSlot> slots) {
  if (slots.empty()) return;
  const Coefficients coefficients(*this, args);
  const Lanes lanes(*this, slots);
  for (const OptimSlot& slot : slots) {
    Update update(*this, args, coefficients, lanes, slot);
    update.run();
    update.finish(*this, slot);
  }
}

}  // namespace weft::backends
