#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/call.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/product.h>
#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

// Transposes and broadcast batches are strides. A view cuBLASLt cannot read (gaps along both axes, negative strides) is
// copied first; batch axes that are not one axis for all three operands are walked, or copied where that would take
// many calls.

namespace weft::backends::cuda {
namespace {

using composed::Scratch;
using composed::transposed;

constexpr std::int64_t most_walked = 8;  // products queued one by one before copying is taken to be cheaper
constexpr std::int64_t most_batch = std::int64_t{1} << 30;

/// The axes in front of the last two, without those of extent 1, neighbours joined where all operands walk them as one.
struct Batch {
  int rank = 0;
  std::int64_t extent[max_rank] = {};
  std::int64_t step[3][max_rank] = {};

  Batch(const TensorView& a, const TensorView& b, const TensorView& out) {
    const TensorView* views[3] = {&a, &b, &out};
    for (int axis = 0; axis < out.rank() - 2; ++axis) {
      if (out.shape[axis] == 1) continue;
      bool joins = rank > 0;
      for (int v = 0; v < 3 && joins; ++v) {
        joins = step[v][rank - 1] == views[v]->strides[axis] * out.shape[axis];
      }
      if (!joins) extent[rank++] = 1;
      extent[rank - 1] *= out.shape[axis];
      for (int v = 0; v < 3; ++v) step[v][rank - 1] = views[v]->strides[axis];
    }
  }
  bool strided(int axis) const noexcept {
    return step[0][axis] >= 0 && step[1][axis] >= 0 && step[2][axis] > 0 && extent[axis] <= most_batch;
  }
};

char* at(const TensorView& view, std::int64_t elements) {
  return static_cast<char*>(view.data) + elements * static_cast<std::int64_t>(item_size(view.dtype));
}

Operand matrix_of(const TensorView& view) {
  const int last = view.rank() - 1;
  return operand_of(view.shape[last - 1], view.shape[last], view.strides[last - 1], view.strides[last]);
}

/// Extents a multiple of 16: what every algorithm of the library takes.
std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }

class Multiply {
 public:
  Multiply(CudaBackend& backend, const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate)
      : backend_(backend), a_(a), b_(b), out_(out), accumulate_(accumulate) {}

  /// All operands can be read and written as they are.
  void run() {
    const Operand a = matrix_of(a_), b = matrix_of(b_), out = matrix_of(out_);
    const int last = out_.rank() - 1;
    ProductShape s;
    s.m = out_.shape[last];
    s.n = out_.shape[last - 1];
    s.k = a_.shape[last];
    s.lda = b.ld;
    s.ldb = a.ld;
    s.ldd = out.ld;
    s.transpose_a = b.by_rows ? 0 : 1;
    s.transpose_b = a.by_rows ? 0 : 1;
    s.accumulate = accumulate_ ? 1 : 0;
    s.dtype = static_cast<std::int32_t>(out_.dtype);
    s.tf32 = tf32_of(backend_.state(), out_.dtype);
    Batch batch(a_, b_, out_);
    if (batch.rank == 1 && batch.step[1][0] == 0 && a.by_rows && batch.step[0][0] == s.n * a.ld &&
        batch.step[2][0] == s.n * out.ld) {  // one b for all: the rows of the batch are rows of one product
      s.n *= batch.extent[0];
      batch.rank = 0;
    }
    int inner = -1;  // the axis the library walks
    for (int i = 0; i < batch.rank; ++i) {
      if (batch.strided(i) && (inner < 0 || batch.extent[i] > batch.extent[inner])) inner = i;
    }
    if (inner >= 0) {
      s.batch = batch.extent[inner];
      s.step_a = batch.step[1][inner];
      s.step_b = batch.step[0][inner];
      s.step_d = batch.step[2][inner];
      batch.extent[inner] = 1;
    }
    walk(s, batch, 0, 0, 0, 0);
  }

 private:
  void walk(const ProductShape& s, const Batch& batch, int axis, std::int64_t a, std::int64_t b, std::int64_t out) {
    if (axis < batch.rank) {
      for (std::int64_t i = 0; i < batch.extent[axis]; ++i) {
        walk(s, batch, axis + 1, a + i * batch.step[0][axis], b + i * batch.step[1][axis],
             out + i * batch.step[2][axis]);
      }
      return;
    }
    ProductData data;
    data.a = at(b_, b);
    data.b = at(a_, a);
    data.d = at(out_, out);
    if (run_product(backend_.state(), s, data, backend_.stream())) return;
    for (std::int64_t i = 0; i < s.batch; ++i) {
      run_padded(s, at(a_, a + i * s.step_b), at(b_, b + i * s.step_a), at(out_, out + i * s.step_d));
    }
  }

  /// The library has no algorithm for these extents or addresses: the same product among zeros.
  void run_padded(const ProductShape& s, void* a, void* b, void* out) {
    const DType dtype = out_.dtype;
    const std::int64_t m = padded(s.n), n = padded(s.m), k = padded(s.k);
    const TensorView from_a{a, dtype, {s.n, s.k}, strides_of(s.transpose_b == 0, s.ldb), {}};
    const TensorView from_b{b, dtype, {s.k, s.m}, strides_of(s.transpose_a == 0, s.lda), {}};
    const TensorView to{out, dtype, {s.n, s.m}, {s.ldd, 1}, {}};
    const Scratch wide_a(backend_, dtype, {m, k}), wide_b(backend_, dtype, {k, n}), wide_out(backend_, dtype, {m, n});
    fill_around(wide_a, from_a);
    fill_around(wide_b, from_b);
    if (s.accumulate != 0) fill_around(wide_out, to);
    ProductShape p;
    p.m = n;
    p.n = m;
    p.k = k;
    p.lda = n;
    p.ldb = k;
    p.ldd = n;
    p.accumulate = s.accumulate;
    p.dtype = s.dtype;
    p.tf32 = s.tf32;
    ProductData data;
    data.a = wide_b.view().data;
    data.b = wide_a.view().data;
    data.d = wide_out.view().data;
    if (!run_product(backend_.state(), p, data, backend_.stream())) {
      throw DeviceError(ErrorCode::device_failure, call_name("matmul"),
                        message("cuBLASLt has no algorithm for a product of ", dtype, " (", s.n, ", ", s.k, ") by (",
                                s.k, ", ", s.m, ") on this device"),
                        call_site());
    }
    backend_.copy(corner(wide_out, to.shape), to);
  }

  static Strides strides_of(bool by_rows, std::int64_t ld) { return by_rows ? Strides{ld, 1} : Strides{1, ld}; }
  static TensorView corner(TensorView view, const Shape& shape) {
    view.shape = shape;
    return view;
  }
  void fill_around(const TensorView& wide, const TensorView& view) {
    backend_.fill(wide, Number(0));
    backend_.copy(view, corner(wide, view.shape));
  }

  CudaBackend& backend_;
  const TensorView& a_;
  const TensorView& b_;
  const TensorView& out_;
  bool accumulate_;
};

/// Whether the batch axes of all three are one, or few.
bool walks_well(const TensorView& a, const TensorView& b, const TensorView& out) {
  const Batch batch(a, b, out);
  std::int64_t walked = 1, longest = 1;
  for (int i = 0; i < batch.rank; ++i) {
    walked *= batch.extent[i];
    if (batch.strided(i) && batch.extent[i] > longest) longest = batch.extent[i];
  }
  return walked / longest <= most_walked;
}

}  // namespace

void CudaBackend::matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) {
  if (!supports_matmul(out.dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, call_name("matmul"), message("matmul does not take ", out.dtype),
                     call_site());
  }
  if (const auto rung = state_.matmul_kernel.load(std::memory_order_relaxed);
      rung != ladder::MatmulKernel::automatic && out.dtype == DType::float32 &&
      ladder::matmul(*this, rung, a, b, out, accumulate)) {
    return;
  }
  if (const Operand target = matrix_of(out); target.usable && !target.by_rows) {  // the transposed product is row-major
    return matmul(transposed(b), transposed(a), transposed(out), accumulate);
  }
  const bool few = walks_well(a, b, out);
  if (!matrix_of(out).usable || !few) {
    bool packed = few;
    if (!few) {
      TensorView plain = out;
      plain.strides = contiguous_strides(out.shape);
      packed = plain.strides == out.strides;
    }
    if (!matrix_of(out).usable || !packed) {
      const Scratch result(*this, out.dtype, out.shape);
      if (accumulate) copy(out, result);
      matmul(a, b, result, accumulate);
      return copy(result, out);
    }
  }
  const auto with_copy = [&](const TensorView& view) {
    return !matrix_of(view).usable || (!few && !view.is_contiguous());
  };
  if (with_copy(a)) {
    const Scratch plain(*this, a.dtype, a.shape);
    copy(a, plain);
    return matmul(plain, b, out, accumulate);
  }
  if (with_copy(b)) {
    const Scratch plain(*this, b.dtype, b.shape);
    copy(b, plain);
    return matmul(a, plain, out, accumulate);
  }
  Multiply(*this, a, b, out, accumulate).run();
}

}  // namespace weft::backends::cuda
