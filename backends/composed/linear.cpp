#include <optional>

#include <weft/backends/composed/scratch.h>

namespace weft::backends {

using namespace composed;

namespace {

void activate(Backend& backend, Activation act, const TensorView& y) {
  Calls call(backend);
  switch (act) {
    case Activation::none:
      return;
    case Activation::relu:
      return call.unary(UnaryOp::relu, y, y);
    case Activation::tanh:
      return call.unary(UnaryOp::tanh, y, y);
    case Activation::sigmoid:
      return call.unary(UnaryOp::sigmoid, y, y);
  }
}

/// out = d act'(y); out may be d.
void times_derivative(Backend& backend, Activation act, const TensorView& d, const TensorView& y,
                      const TensorView& out) {
  Calls call(backend);
  switch (act) {
    case Activation::none:
      return backend.copy(d, out);
    case Activation::relu:
      return call.binary(BinaryOp::relu_backward, d, y, out);
    case Activation::tanh:
      return call.binary(BinaryOp::tanh_backward, d, y, out);
    case Activation::sigmoid:
      return call.binary(BinaryOp::sigmoid_backward, d, y, out);
  }
}

}  // namespace

std::size_t Backend::linear_aux_bytes(Activation, const TensorView&) { return 0; }

void Backend::linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b, const TensorView& y,
                     void*) {
  const DType dtype = compute_dtype(y.dtype);
  const Input in(*this, x, dtype), weight(*this, w, dtype), bias(*this, b, dtype);
  Output out(*this, y, dtype);
  matmul(in, transposed(weight), out, false);
  if (wanted(b)) Calls(*this).add(out.view(), as_row(bias), out);
  activate(*this, act, out);
  out.finish();
}

void Backend::linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void*,
                              const TensorView& x, const TensorView& w, Activation below, const void*,
                              const TensorView& dx, const TensorView& dw, const TensorView& db) {
  const DType dtype = compute_dtype(dy.dtype);
  const Input dout(*this, dy, dtype), in(*this, x, dtype);
  std::optional<Scratch> scratch;
  TensorView dz = dout;
  if (act != Activation::none) {
    const Input output(*this, y, dtype);
    scratch.emplace(*this, dtype, dy.shape);
    dz = scratch->view();
    times_derivative(*this, act, dout, output, dz);
  }
  if (wanted(dx)) {
    const Input weight(*this, w, dtype);
    Output out(*this, dx, dtype);
    matmul(dz, weight, out, false);
    if (below != Activation::none) times_derivative(*this, below, out, in, out);
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
