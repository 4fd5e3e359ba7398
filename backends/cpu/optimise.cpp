#include <cmath>
#include <vector>

#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/backends/cpu/scratch.h>
#include <weft/core/thread_pool.h>

// Coefficients are computed as in backends/composed/optimise.cpp, with this backend's own exp, so that the fused step
// has the composed one's bits.

namespace weft::backends::cpu {
namespace {

constexpr std::int64_t grain = 16384;

double value_of(const Argument& argument) {
  return argument.is_number ? argument.number.to<double>() : *argument.view.as<const double>();
}

/// 1 - beta^t
double correction(double beta, double t) {
  const double logarithm = t * std::log(beta);
  double power = 0;
  kernels().elementwise_float64->unary[static_cast<int>(UnaryOp::exp)](&logarithm, &power, 1, 0, 0);
  return 1.0 - power;
}

OptimNumbers numbers_of(const OptimArgs& args) {
  OptimNumbers o;
  const double step = value_of(args.step);
  o.lr = value_of(args.lr);
  o.grad_scale = value_of(args.grad_scale);
  o.momentum = args.momentum;
  o.dampened = args.dampening != 0;
  o.fresh = step == 1.0 ? 1.0 : 1 - args.dampening;
  o.nesterov = args.nesterov;
  o.weight_decay = args.weight_decay;
  const double less = o.lr * args.weight_decay;
  o.shrink = 1.0 - less;
  o.decoupled = args.kind == OptimKind::adamw;
  o.beta1 = args.beta1;
  o.beta2 = args.beta2;
  o.keep = args.alpha;
  o.epsilon = args.epsilon;
  if (args.kind == OptimKind::adam || args.kind == OptimKind::adamw) {
    o.step_size = o.lr / correction(args.beta1, step);
    o.root = std::sqrt(correction(args.beta2, step));
  }
  return o;
}

/// What the kernels take as it is: one float dtype, contiguous, float64 scalars.
bool covered(const OptimArgs& args, std::span<const OptimSlot> slots) {
  for (const Argument* a : {&args.lr, &args.step, &args.grad_scale}) {
    if (!a->is_number && a->view.dtype != DType::float64) return false;
  }
  for (const OptimSlot& slot : slots) {
    if (!is_native_float(slot.param.dtype)) return false;
    for (const TensorView* view : {&slot.param, &slot.grad, &slot.state1, &slot.state2}) {
      if (view->data != nullptr && (view->dtype != slot.param.dtype || !view->is_contiguous())) return false;
    }
    const bool squares = args.kind != OptimKind::sgd;
    if (squares && slot.state2.data == nullptr) return false;
    if ((args.kind == OptimKind::adam || args.kind == OptimKind::adamw) && slot.state1.data == nullptr) return false;
  }
  return true;
}

/// A piece of a parameter.
struct Piece {
  const OptimSlot* slot;
  std::int64_t begin, n;
};

void update(const OptimArgs& args, const OptimNumbers& o, const Piece& piece) {
  const OptimSlot& slot = *piece.slot;
  const bool wide = slot.param.dtype == DType::float64;
  const OptimiseKernels& kernel = wide ? *kernels().optimise_float64 : *kernels().optimise_float32;
  const std::int64_t offset = piece.begin * (wide ? 8 : 4);
  const auto at = [offset](const TensorView& view) {
    return view.data != nullptr ? view.as<char>() + offset : nullptr;
  };
  char* momentum = args.momentum != 0 ? at(slot.state1) : nullptr;
  switch (args.kind) {
    case OptimKind::sgd:
      return kernel.sgd(o, at(slot.param), at(slot.grad), momentum, piece.n);
    case OptimKind::adam:
    case OptimKind::adamw:
      return kernel.adam(o, at(slot.param), at(slot.grad), at(slot.state1), at(slot.state2), piece.n);
    case OptimKind::rmsprop:
      return kernel.rmsprop(o, at(slot.param), at(slot.grad), momentum, at(slot.state2), piece.n);
  }
}

}  // namespace

void CpuBackend::optimise(const OptimArgs& args, std::span<const OptimSlot> slots) {
  if (!covered(args, slots)) return Backend::optimise(args, slots);
  std::vector<Piece> pieces;
  for (const OptimSlot& slot : slots) {
    const std::int64_t n = slot.param.numel();
    for (std::int64_t i = 0; i < n; i += grain) pieces.push_back({&slot, i, n - i < grain ? n - i : grain});
  }
  const OptimNumbers numbers = numbers_of(args);
  parallel_for(static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) update(args, numbers, pieces[static_cast<std::size_t>(i)]);
  });
}

// The order: chunks of 4,096 elements of each view in row-major order, joined by reduce_tree() over the chunks of all
// views in turn.
void CpuBackend::sum_squares(std::span<const TensorView> views, const TensorView& out) {
  std::int64_t chunks = 0;
  for (const TensorView& view : views) {
    if (!is_native_float(view.dtype) || !view.is_contiguous()) return Backend::sum_squares(views, out);
    chunks += (view.numel() + reduce_chunk - 1) / reduce_chunk;
  }
  double total = 0;
  const Scratch<double> partial(chunks);
  std::int64_t first = 0;
  for (const TensorView& view : views) {
    const bool wide = view.dtype == DType::float64;
    const auto squares = wide ? kernels().reduce_float64->squares : kernels().reduce_float32->squares;
    const std::int64_t n = view.numel(), item = wide ? 8 : 4;
    double* to = partial.data() + first;
    parallel_for((n + reduce_chunk - 1) / reduce_chunk, 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) {
        const std::int64_t start = c * reduce_chunk;
        to[c] = squares(view.as<char>() + start * item, n - start < reduce_chunk ? n - start : reduce_chunk);
      }
    });
    first += (n + reduce_chunk - 1) / reduce_chunk;
  }
  if (chunks > 0) total = reduce_tree(partial.data(), chunks, [](double a, double b) { return a + b; });
  copy(contiguous_view(&total, DType::float64, out.shape), out);
}

}  // namespace weft::backends::cpu
