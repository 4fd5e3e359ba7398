#include <optional>

#include <weft/backends/composed/scratch.h>

namespace weft::backends {

using namespace composed;

namespace {

/// What stood in y before gelu_tanh, in y's dtype and row-major: its derivative is a function of that.
TensorView before(const void* aux, const TensorView& y) {
  return contiguous_view(const_cast<void*>(aux), y.dtype, y.shape);
}

/// What the derivative of `act` is a function of: the result, or what aux remembers.
TensorView seen_by(Activation act, const TensorView& y, const void* aux) {
  return act == Activation::gelu_tanh ? before(aux, y) : y;
}

}  // namespace

std::size_t Backend::linear_aux_bytes(Activation act, const TensorView& y) {
  return act == Activation::gelu_tanh ? static_cast<std::size_t>(y.numel()) * item_size(y.dtype) : 0;
}

void Backend::linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b, const TensorView& y,
                     void* aux) {
  const DType dtype = compute_dtype(y.dtype);
  const Input in(*this, x, dtype), weight(*this, w, dtype), bias(*this, b, dtype);
  Output out(*this, y, dtype);
  matmul(in, transposed(weight), out, false);
  if (wanted(b)) Calls(*this).add(out.view(), as_row(bias), out);
  if (act == Activation::gelu_tanh && aux != nullptr) copy(out, before(aux, y));
  if (act != Activation::none) Calls(*this).unary(function_of(act), out, out);
  out.finish();
}

void Backend::linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux,
                              const TensorView& x, const TensorView& w, Activation below, const void* below_aux,
                              const TensorView& dx, const TensorView& dw, const TensorView& db) {
  const DType dtype = compute_dtype(dy.dtype);
  const Input dout(*this, dy, dtype), in(*this, x, dtype);
  std::optional<Scratch> scratch;
  TensorView dz = dout;
  if (act != Activation::none) {
    const Input seen(*this, seen_by(act, y, aux), dtype);
    scratch.emplace(*this, dtype, dy.shape);
    dz = scratch->view();
    Calls(*this).binary(derivative_of(act), dout.view(), seen.view(), dz);
  }
  if (wanted(dx)) {
    const Input weight(*this, w, dtype);
    Output out(*this, dx, dtype);
    matmul(dz, weight, out, false);
    if (below != Activation::none) {
      const Input seen(*this, seen_by(below, x, below_aux), dtype);
      Calls(*this).binary(derivative_of(below), out.view(), seen.view(), out);
    }
    out.finish();
  }
  if (wanted(dw)) {
    Output out(*this, dw, dtype);
    matmul(transposed(dz), in, out, false);
    out.finish();
  }
  if (wanted(db)) {
    Output out(*this, as_row(db), dtype);
    Calls(*this).sum(dz, out);
    out.finish();
  }
}

}  // namespace weft::backends
