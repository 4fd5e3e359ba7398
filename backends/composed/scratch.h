#pragma once
// Private: what the composed forms are written with. Temporaries from the backend's own memory, views of views, and the
// pure calls with their operands in the order a formula has them.

#include <cstdint>

#include <weft/backends/backend.h>

namespace weft::backends::composed {

/// A contiguous temporary; its memory goes back when the scope ends (on a device with queues: in order behind the
/// work).
class Scratch {
 public:
  Scratch(Backend& backend, DType dtype, const Shape& shape);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const TensorView& view() const noexcept { return view_; }
  operator const TensorView&() const noexcept { return view_; }  // NOLINT(google-explicit-constructor)

 private:
  Backend& backend_;
  std::size_t bytes_;
  TensorView view_;
};

/// The dtype a formula over `dtype` is computed in: float32 for the 16-bit types, otherwise itself.
constexpr DType compute_dtype(DType dtype) noexcept {
  return dtype == DType::float16 || dtype == DType::bfloat16 ? DType::float32 : dtype;
}

/// An input in the dtype `wanted`: the view itself where it has it, else a converted copy. A null view stays null.
class Input {
 public:
  Input(Backend& backend, const TensorView& view, DType wanted);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  const TensorView& view() const noexcept { return view_; }
  operator const TensorView&() const noexcept { return view_; }  // NOLINT(google-explicit-constructor)

 private:
  Backend& backend_;
  void* copy_ = nullptr;
  std::size_t bytes_ = 0;
  TensorView view_;
};

/// An output computed in `wanted`: the view itself where it has that dtype, else a temporary that finish() rounds into
/// the view. in_out starts the temporary with what the view holds.
class Output {
 public:
  Output(Backend& backend, const TensorView& view, DType wanted, bool in_out = false);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  void finish();
  const TensorView& view() const noexcept { return view_; }
  operator const TensorView&() const noexcept { return view_; }  // NOLINT(google-explicit-constructor)

 private:
  Backend& backend_;
  void* copy_ = nullptr;
  std::size_t bytes_ = 0;
  TensorView view_;
  TensorView target_;
};

inline bool wanted(const TensorView& view) noexcept { return view.data != nullptr; }

/// `view` with another shape, repeated (stride 0) where it has extent 1. Ranks are equal.
TensorView expand(const TensorView& view, const Shape& shape);
/// [n] as the last axis of a view of `rank` axes: (1, .., 1, n).
TensorView as_row(const TensorView& vector, int rank = 2);
/// [n] as (n, 1).
TensorView as_column(const TensorView& vector);
/// [n] as axis `axis` of `rank` axes, every other extent 1.
TensorView as_axis(const TensorView& vector, int axis, int rank);
/// The last two axes exchanged.
TensorView transposed(const TensorView& view);
/// `shape` with extent 1 on `axis`.
Shape without_axis(Shape shape, int axis);

/// The pure calls of one backend; views are expanded to out's shape where they have extent 1.
class Calls {
 public:
  explicit Calls(Backend& backend) : backend_(backend) {}

  void add(const Argument& a, const Argument& b, const TensorView& out) { binary(BinaryOp::add, a, b, out); }
  void sub(const Argument& a, const Argument& b, const TensorView& out) { binary(BinaryOp::sub, a, b, out); }
  void mul(const Argument& a, const Argument& b, const TensorView& out) { binary(BinaryOp::mul, a, b, out); }
  void div(const Argument& a, const Argument& b, const TensorView& out) { binary(BinaryOp::div, a, b, out); }
  void binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out);
  void unary(UnaryOp op, const TensorView& in, const TensorView& out);
  void where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out);
  /// The reduced axes are those where out has extent 1.
  void sum(const TensorView& in, const TensorView& out);
  void max(const TensorView& in, const TensorView& out);

 private:
  Backend& backend_;
};

}  // namespace weft::backends::composed
