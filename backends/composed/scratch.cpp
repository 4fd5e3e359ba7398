#include <weft/backends/composed/scratch.h>

namespace weft::backends::composed {
namespace {

std::size_t bytes_of(DType dtype, const Shape& shape) {
  return static_cast<std::size_t>(shape.numel()) * item_size(dtype);
}

Argument expanded(const Argument& argument, const Shape& shape) {
  return argument.is_number ? argument : Argument(expand(argument.view, shape));
}

}  // namespace

Scratch::Scratch(Backend& backend, DType dtype, const Shape& shape)
    : backend_(backend),
      bytes_(bytes_of(dtype, shape)),
      view_(contiguous_view(backend.allocate(bytes_), dtype, shape)) {}
Scratch::~Scratch() { backend_.free(view_.data, bytes_); }

Input::Input(Backend& backend, const TensorView& view, DType wanted) : backend_(backend), view_(view) {
  if (view.data == nullptr || view.dtype == wanted) return;
  bytes_ = bytes_of(wanted, view.shape);
  copy_ = backend.allocate(bytes_);
  view_ = contiguous_view(copy_, wanted, view.shape);
  try {
    backend.copy(view, view_);
  } catch (...) {
    backend.free(copy_, bytes_);
    throw;
  }
}
Input::~Input() {
  if (copy_ != nullptr) backend_.free(copy_, bytes_);
}

Output::Output(Backend& backend, const TensorView& view, DType wanted, bool in_out)
    : backend_(backend), view_(view), target_(view) {
  if (view.data == nullptr || view.dtype == wanted) return;
  bytes_ = bytes_of(wanted, view.shape);
  copy_ = backend.allocate(bytes_);
  view_ = contiguous_view(copy_, wanted, view.shape);
  if (!in_out) return;
  try {
    backend.copy(view, view_);
  } catch (...) {
    backend.free(copy_, bytes_);
    throw;
  }
}
Output::~Output() {
  if (copy_ != nullptr) backend_.free(copy_, bytes_);
}
void Output::finish() {
  if (copy_ != nullptr) backend_.copy(view_, target_);
}

TensorView expand(const TensorView& view, const Shape& shape) {
  TensorView wide = view;
  for (int i = 0; i < shape.rank(); ++i) {
    if (view.shape[i] == shape[i]) continue;
    wide.shape[i] = shape[i];
    wide.strides[i] = 0;
  }
  return wide;
}

TensorView as_axis(const TensorView& vector, int axis, int rank) {
  TensorView view = vector;
  view.shape = Shape::filled(rank, 1);
  view.strides = Strides::filled(rank, 0);
  view.shape[axis] = vector.shape[0];
  view.strides[axis] = vector.strides[0];
  return view;
}
TensorView as_row(const TensorView& vector, int rank) { return as_axis(vector, rank - 1, rank); }
TensorView as_column(const TensorView& vector) { return as_axis(vector, 0, 2); }

TensorView transposed(const TensorView& view) {
  TensorView t = view;
  const int last = view.rank() - 1;
  t.shape[last] = view.shape[last - 1];
  t.shape[last - 1] = view.shape[last];
  t.strides[last] = view.strides[last - 1];
  t.strides[last - 1] = view.strides[last];
  return t;
}

Shape without_axis(Shape shape, int axis) {
  shape[axis] = 1;
  return shape;
}

void Calls::binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) {
  backend_.binary(op, expanded(a, out.shape), expanded(b, out.shape), out);
}
void Calls::unary(UnaryOp op, const TensorView& in, const TensorView& out) {
  backend_.unary(op, UnaryArgs{}, expand(in, out.shape), out);
}
void Calls::where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) {
  backend_.where(expand(condition, out.shape), expanded(a, out.shape), expanded(b, out.shape), out);
}
void Calls::sum(const TensorView& in, const TensorView& out) { backend_.reduce(ReduceOp::sum, in, out); }
void Calls::max(const TensorView& in, const TensorView& out) { backend_.reduce(ReduceOp::max, in, out); }

}  // namespace weft::backends::composed
