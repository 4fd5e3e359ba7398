#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/backends/cpu/product.h>
#include <weft/backends/cpu/scratch.h>

namespace weft::backends::cpu {
namespace {

const LinearKernels& linear_kernels(DType dtype) {
  return dtype == DType::float64 ? *kernels().linear_float64 : *kernels().linear_float32;
}

Epilogue epilogue_of(Activation act) {
  switch (act) {
    case Activation::none:
      return Epilogue::none;
    case Activation::relu:
      return Epilogue::relu;
    case Activation::tanh:
      return Epilogue::tanh;
    case Activation::sigmoid:
      return Epilogue::sigmoid;
    case Activation::gelu_tanh:
      return Epilogue::gelu_tanh;
  }
  return Epilogue::none;
}

bool wanted(const TensorView& view) { return view.data != nullptr; }

/// Rows of contiguous elements.
bool in_rows(const TensorView& view) { return view.strides[1] == 1 || view.shape[1] == 1; }

TensorView turned(const TensorView& view) {
  return {view.data, view.dtype, {view.shape[1], view.shape[0]}, {view.strides[1], view.strides[0]}, {}};
}

/// What the derivative of `act` is a function of: the result, or what linear() remembered in aux.
TensorView seen_by(Activation act, const TensorView& y, const void* aux) {
  return act == Activation::gelu_tanh ? contiguous_view(const_cast<void*>(aux), y.dtype, y.shape) : y;
}

char* element(const TensorView& view, std::int64_t i, std::int64_t j) {
  return static_cast<char*>(view.data) + (i * view.strides[0] + j) * static_cast<std::int64_t>(item_size(view.dtype));
}

}  // namespace

void CpuBackend::linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b,
                        const TensorView& y, void* aux) {
  const DType dtype = y.dtype;
  const bool covered = is_native_float(dtype) && x.shape[1] > 0 && in_rows(y) && (!wanted(b) || b.is_contiguous());
  if (!covered) return Backend::linear(act, x, w, b, y, aux);
  const LinearKernels& kernel = linear_kernels(dtype);
  const Epilogue epilogue = epilogue_of(act);
  const TensorView remembered = contiguous_view(aux, dtype, y.shape);
  const auto done = [&](std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
    const char* bias = b.as<const char>();
    if (bias != nullptr) bias += j0 * static_cast<std::int64_t>(item_size(dtype));
    char* before = act == Activation::gelu_tanh && aux != nullptr ? element(remembered, i0, j0) : nullptr;
    kernel.activate(epilogue, element(y, i0, j0), y.strides[0], bias, before, y.shape[1], i1 - i0, j1 - j0);
  };
  run_product(product_kernels(dtype), product_of(x, turned(w), y, false), done);
}

void CpuBackend::linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux,
                                 const TensorView& x, const TensorView& w, Activation below, const void* below_aux,
                                 const TensorView& dx, const TensorView& dw, const TensorView& db) {
  const DType dtype = dy.dtype;
  const bool covered = is_native_float(dtype) && dy.shape[1] > 0 && dy.shape[0] > 0 &&
                       (!wanted(dx) || (in_rows(dx) && in_rows(x))) && (!wanted(dw) || in_rows(dw));
  if (!covered) return Backend::linear_backward(act, dy, y, aux, x, w, below, below_aux, dx, dw, db);
  const ProductKernels& product = product_kernels(dtype);
  const LinearKernels& kernel = linear_kernels(dtype);

  Scratch<char> memory;
  TensorView dz = dy;
  if (act != Activation::none) {
    dz = contiguous_view(memory.get(dy.numel() * static_cast<std::int64_t>(item_size(dtype))), dtype, dy.shape);
    binary(derivative_of(act), dy, seen_by(act, y, aux), dz);
  }
  if (wanted(dx)) {
    const Epilogue epilogue = epilogue_of(below);
    const TensorView seen = seen_by(below, x, below_aux);
    run_product(product, product_of(dz, w, dx, false),
                [&](std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
                  kernel.derive(epilogue, element(dx, i0, j0), dx.strides[0], element(seen, i0, j0), seen.strides[0],
                                i1 - i0, j1 - j0);
                });
  }
  if (wanted(dw)) {
    const auto nothing = [](std::int64_t, std::int64_t, std::int64_t, std::int64_t) {};
    run_product(product, product_of(turned(dz), x, dw, false), nothing);
  }
  if (wanted(db)) {
    reduce(ReduceOp::sum, dz, TensorView{db.data, db.dtype, {1, db.shape[0]}, {0, db.strides[0]}, {}});
  }
}

}  // namespace weft::backends::cpu
