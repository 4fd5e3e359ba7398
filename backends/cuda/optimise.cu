#include <cmath>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/element.cuh>
#include <weft/backends/cuda/device/report.cuh>

// The formulas of backends/composed/optimise.cpp. A launch takes as many parameters as a kernel's arguments hold, of
// one dtype; a block takes a piece of one of them. lr, step, grad_scale and what follows from them are computed in
// float64 on the device, with the same code whether they came as numbers or as views: a captured step gives the bits of
// an eager one. Nothing is written while an error is pending.

namespace weft::backends::cuda {
namespace {

constexpr int most_slots = 80;
constexpr unsigned optimise_threads = 256;
constexpr int V = 4;
constexpr std::uint32_t piece_packs = optimise_threads * 2;  // packs of a parameter that a block takes

/// A number, or where it lies.
struct Scalar {
  double number = 0;
  const double* view = nullptr;

  explicit Scalar(const Argument& argument)
      : number(argument.is_number ? argument.number.to<double>() : 0),
        view(argument.is_number ? nullptr : argument.view.as<const double>()) {}
  __device__ double get() const { return view != nullptr ? *view : number; }
};

struct Slots {
  void* param[most_slots];
  const void* grad[most_slots];
  void* state1[most_slots];
  void* state2[most_slots];
  std::int64_t n[most_slots];
  std::uint32_t first_block[most_slots];
  std::uint32_t aligned[(most_slots + 31) / 32];  ///< a bit each: packs may be read at once
  std::int32_t count;
};

struct Recipe {
  OptimKind kind;
  Scalar lr, step, grad_scale;
  double momentum, dampening, weight_decay, beta1, beta2, log_beta1, log_beta2, alpha, epsilon;
  bool nesterov;
};

/// What every element of a step is computed with.
struct Numbers {
  double lr, grad_scale, fresh, shrink, step_size, root;
};

/// 1 - beta^t
__device__ inline double correction(double log_beta, double t) { return 1.0 - std::exp(t * log_beta); }

__device__ inline Numbers numbers_of(const Recipe& r) {
  Numbers o = {r.lr.get(), r.grad_scale.get(), 1, 1, 0, 1};
  const double t = r.step.get();
  if (r.dampening != 0) o.fresh = t == 1.0 ? 1.0 : 1 - r.dampening;
  o.shrink = 1.0 - o.lr * r.weight_decay;
  if (r.kind == OptimKind::adam || r.kind == OptimKind::adamw) {
    o.step_size = o.lr / correction(r.log_beta1, t);
    o.root = std::sqrt(correction(r.log_beta2, t));
  }
  return o;
}

template <class C>
struct Step {
  OptimKind kind;
  bool momentum, dampened, nesterov, decays;
  C lr, scale, fresh, shrink, step_size, root, mu, decay, beta1, rest1, beta2, rest2, keep, rest, epsilon;

  __device__ Step(const Recipe& r, const Numbers& o)
      : kind(r.kind),
        momentum(r.momentum != 0),
        dampened(r.dampening != 0),
        nesterov(r.nesterov),
        decays(r.weight_decay != 0),
        lr(static_cast<C>(o.lr)),
        scale(static_cast<C>(o.grad_scale)),
        fresh(static_cast<C>(o.fresh)),
        shrink(static_cast<C>(o.shrink)),
        step_size(static_cast<C>(o.step_size)),
        root(static_cast<C>(o.root)),
        mu(static_cast<C>(r.momentum)),
        decay(static_cast<C>(r.weight_decay)),
        beta1(static_cast<C>(r.beta1)),
        rest1(static_cast<C>(1 - r.beta1)),
        beta2(static_cast<C>(r.beta2)),
        rest2(static_cast<C>(1 - r.beta2)),
        keep(static_cast<C>(r.alpha)),
        rest(static_cast<C>(1 - r.alpha)),
        epsilon(static_cast<C>(r.epsilon)) {}

  /// `has_momentum`: b is there.
  __device__ void operator()(C& p, C g, C& b, C& v, bool has_momentum) const {
    g = g * scale;
    if (decays) {
      if (kind == OptimKind::adamw) {
        p = p * shrink;
      } else {
        g = g + p * decay;
      }
    }
    const bool buffered = momentum && has_momentum;
    if (kind == OptimKind::sgd) {
      if (buffered) {
        b = b * mu;
        b = dampened ? b + g * fresh : b + g;
        g = nesterov ? g + b * mu : b;
      }
      p = p - g * lr;
    } else if (kind == OptimKind::rmsprop) {
      v = v * keep + (g * g) * rest;
      C u = g / (std::sqrt(v) + epsilon);
      if (buffered) {
        b = b * mu + u;
        u = b;
      }
      p = p - u * lr;
    } else {
      b = b * beta1 + g * rest1;
      v = v * beta2 + (g * g) * rest2;
      const C down = std::sqrt(v) / root + epsilon;
      p = p - (b / down) * step_size;
    }
  }
};

template <class T>
__device__ inline void load_some(const T* p, bool whole, int count, Compute<T> (&x)[V]) {
  if (whole) return load_pack<V>(p, V, x);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    x[j] = Compute<T>{};
    if (j < count) x[j] = load(p + j);
  }
}
template <class T>
__device__ inline void store_some(T* p, bool whole, int count, const Compute<T> (&x)[V]) {
  if (whole) return store_pack<V>(p, V, x);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    if (j < count) store(p + j, x[j]);
  }
}

template <class T>
__global__ void __launch_bounds__(optimise_threads, 2)
    optimise_kernel(const Recipe recipe, const Slots slots, const Reporter reporter) {
  using C = Compute<T>;
  if (raised(reporter)) return;
  WEFT_SHARED(Numbers, shared);
  if (threadIdx.x == 0) shared = numbers_of(recipe);
  int slot = 0;
  for (int above = slots.count; above - slot > 1;) {
    const int middle = (slot + above) / 2;
    if (slots.first_block[middle] <= blockIdx.x) {
      slot = middle;
    } else {
      above = middle;
    }
  }
  __syncthreads();
  const Step<C> step(recipe, shared);
  T* param = static_cast<T*>(slots.param[slot]);
  const T* grad = static_cast<const T*>(slots.grad[slot]);
  T* state1 = static_cast<T*>(slots.state1[slot]);
  T* state2 = static_cast<T*>(slots.state2[slot]);
  const std::int64_t n = slots.n[slot];
  const bool aligned = (slots.aligned[slot / 32] >> (slot % 32) & 1u) != 0;
  const std::int64_t piece = static_cast<std::int64_t>(blockIdx.x - slots.first_block[slot]) * piece_packs;
  for (std::uint32_t pack = threadIdx.x; pack < piece_packs; pack += optimise_threads) {
    const std::int64_t i = (piece + pack) * V;
    if (i >= n) break;
    const int count = n - i < V ? static_cast<int>(n - i) : V;
    const bool whole = aligned && count == V;
    C p[V], g[V], b[V] = {}, v[V] = {};
    load_some(param + i, whole, count, p);
    load_some(grad + i, whole, count, g);
    if (state1 != nullptr) load_some(state1 + i, whole, count, b);
    if (state2 != nullptr) load_some(state2 + i, whole, count, v);
#pragma unroll
    for (int j = 0; j < V; ++j) step(p[j], g[j], b[j], v[j], state1 != nullptr);
    store_some(param + i, whole, count, p);
    if (state1 != nullptr) store_some(state1 + i, whole, count, b);
    if (state2 != nullptr) store_some(state2 + i, whole, count, v);
  }
}

/// Whether the kernel takes a slot as it is: one float dtype, and the states its formula needs.
bool covered(const OptimArgs& args, const OptimSlot& slot) {
  for (const TensorView* view : {&slot.grad, &slot.state1, &slot.state2}) {
    if (view->data != nullptr && view->dtype != slot.param.dtype) return false;
  }
  if (args.kind != OptimKind::sgd && slot.state2.data == nullptr) return false;
  const bool moments = args.kind == OptimKind::adam || args.kind == OptimKind::adamw;
  return !moments || slot.state1.data != nullptr;
}

bool has_aligned_packs(const OptimSlot& slot) {
  const std::uintptr_t bytes = item_size(slot.param.dtype) * V < 16 ? item_size(slot.param.dtype) * V : 16;
  for (const TensorView* view : {&slot.param, &slot.grad, &slot.state1, &slot.state2}) {
    if (reinterpret_cast<std::uintptr_t>(view->data) % bytes != 0) return false;
  }
  return true;
}

/// A slot whose parts have several dtypes, with all of them in the parameter's (in float64 where one of them is).
class Unified {
 public:
  Unified(CudaBackend& backend, const OptimSlot& slot) {
    DType dtype = composed::compute_dtype(slot.param.dtype);
    for (const TensorView* view : {&slot.grad, &slot.state1, &slot.state2}) {
      if (view->data != nullptr && view->dtype == DType::float64) dtype = DType::float64;
    }
    param_.emplace(backend, slot.param, dtype, true);
    grad_.emplace(backend, slot.grad, dtype);
    state1_.emplace(backend, slot.state1, dtype, true);
    state2_.emplace(backend, slot.state2, dtype, true);
  }
  OptimSlot slot() const { return {param_->view(), grad_->view(), state1_->view(), state2_->view()}; }
  void finish() {
    param_->finish();
    state1_->finish();
    state2_->finish();
  }

 private:
  std::optional<composed::Output> param_, state1_, state2_;
  std::optional<composed::Input> grad_;
};

template <class T>
void run(CudaBackend& backend, const Recipe& recipe, std::span<const OptimSlot> all) {
  Slots slots = {};
  std::uint32_t blocks = 0;
  const auto flush = [&] {
    if (slots.count > 0) {
      launch(optimise_kernel<T>, {blocks, optimise_threads}, backend.stream(), recipe, slots, backend.reporter());
    }
    slots = {};
    blocks = 0;
  };
  for (const OptimSlot& slot : all) {
    if (slot.param.dtype != dtype_of<T>) continue;
    if (slots.count == most_slots) flush();
    const int i = slots.count++;
    slots.param[i] = slot.param.data;
    slots.grad[i] = slot.grad.data;
    slots.state1[i] = slot.state1.data;
    slots.state2[i] = slot.state2.data;
    slots.n[i] = slot.param.numel();
    slots.first_block[i] = blocks;
    if (has_aligned_packs(slot)) slots.aligned[i / 32] |= 1u << (i % 32);
    blocks += blocks_of(slots.n[i], piece_packs * V);
  }
  flush();
}

}  // namespace

void CudaBackend::optimise(const OptimArgs& args, std::span<const OptimSlot> slots) {
  if (slots.empty()) return;
  end_of_step();
  // What is not float64 becomes so first: the kernel reads these from the device.
  const composed::Input lr(*this, args.lr.view, DType::float64), step(*this, args.step.view, DType::float64),
      grad_scale(*this, args.grad_scale.view, DType::float64);
  const auto scalar = [](const Argument& argument, const composed::Input& wide) {
    return argument.is_number ? Scalar(argument) : Scalar(Argument(wide.view()));
  };
  const Recipe recipe = {
      args.kind,     scalar(args.lr, lr),  scalar(args.step, step), scalar(args.grad_scale, grad_scale),
      args.momentum, args.dampening,       args.weight_decay,       args.beta1,
      args.beta2,    std::log(args.beta1), std::log(args.beta2),    args.alpha,
      args.epsilon,  args.nesterov};
  std::vector<OptimSlot> plain;
  std::deque<Unified> unified;
  for (const OptimSlot& slot : slots) {
    if (covered(args, slot)) {
      plain.push_back(slot);
    } else {
      unified.emplace_back(*this, slot);
      plain.push_back(unified.back().slot());
    }
  }
  for (const DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16}) {
    dispatch_floating(dtype, [&](auto type) { run<typename decltype(type)::type>(*this, recipe, plain); });
  }
  for (Unified& each : unified) each.finish();
}

}  // namespace weft::backends::cuda
