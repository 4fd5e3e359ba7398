#include <mutex>
#include <unordered_set>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/product.h>

// One call of cuBLASLt per product, with what surrounds it as its epilogue:
//
//   forward        y = x w^T + b, ReLU, and the bit mask of where ReLU let pass    BIAS, RELU_BIAS, RELU_AUX_BIAS
//   dx             dz w, times the derivative of the ReLU that produced x          DRELU with that mask
//   forward        y = gelu_tanh(x w^T + b), and what stood there before           GELU_BIAS, GELU_AUX_BIAS
//   dx             dz w, times the derivative of the gelu_tanh that produced x     DGELU
//   dw and db      dz^T x, and the column sums of dz                               BGRADB
//
// tanh and sigmoid follow as a kernel, and so does gelu_tanh where the number of features is no multiple of 8, which
// the library asks of the matrix that remembers. float64 has no epilogues in cuBLASLt and goes to the composed form.
// Where the library has no algorithm with the epilogue, the product is made without it and the rest by kernels: these
// read y, never the mask, whose layout is the library's own business.

namespace weft::backends::cuda {
namespace {

using composed::Scratch;
using composed::transposed;
using composed::wanted;

/// Which masks the library wrote: by address, the last forward call with that address counts.
class Masks {
 public:
  void set(const void* aux, bool written) {
    const std::lock_guard lock(lock_);
    if (!written) {
      known_.erase(aux);
      return;
    }
    if (known_.size() >= 65536) known_.clear();  // whoever misses its mask reads y instead
    known_.insert(aux);
  }
  bool has(const void* aux) {
    if (aux == nullptr) return false;
    const std::lock_guard lock(lock_);
    return known_.contains(aux);
  }

 private:
  std::mutex lock_;
  std::unordered_set<const void*> known_;
};

Masks& masks() {
  static Masks& all = *new Masks;
  return all;
}

constexpr std::int64_t mask_ld(std::int64_t features) { return (features + 127) / 128 * 128; }

Operand matrix_of(const TensorView& view) {
  return operand_of(view.shape[0], view.shape[1], view.strides[0], view.strides[1]);
}

/// A matrix the library can read: the view, or a copy of it.
class Readable {
 public:
  Readable(CudaBackend& backend, const TensorView& view) : backend_(backend), view_(view) {
    if (matrix_of(view).usable) return;
    bytes_ = static_cast<std::size_t>(view.numel()) * item_size(view.dtype);
    copy_ = backend.allocate(bytes_);
    view_ = contiguous_view(copy_, view.dtype, view.shape);
    try {
      backend.copy(view, view_);
    } catch (...) {
      backend.free(copy_, bytes_);
      throw;
    }
  }
  ~Readable() { backend_.free(copy_, bytes_); }
  Readable(const Readable&) = delete;
  Readable& operator=(const Readable&) = delete;
  const TensorView& view() const noexcept { return view_; }

 private:
  CudaBackend& backend_;
  TensorView view_;
  void* copy_ = nullptr;
  std::size_t bytes_ = 0;
};

/// out[rows, columns] (row-major) = a b.
ProductShape shape_of(const State& state, const TensorView& a, const TensorView& b, const TensorView& out) {
  const Operand left = matrix_of(a), right = matrix_of(b), target = matrix_of(out);
  ProductShape s;
  s.m = out.shape[1];
  s.n = out.shape[0];
  s.k = a.shape[1];
  s.lda = right.ld;
  s.ldb = left.ld;
  s.ldd = target.ld;
  s.transpose_a = right.by_rows ? 0 : 1;
  s.transpose_b = left.by_rows ? 0 : 1;
  s.dtype = static_cast<std::int32_t>(out.dtype);
  s.tf32 = tf32_of(state, out.dtype);
  return s;
}

bool by_rows(const TensorView& view) {
  const Operand operand = matrix_of(view);
  return operand.usable && operand.by_rows;
}

/// A vector the library can read or write as a bias: no gaps, and the alignment of its vector loads.
bool plain_vector(const TensorView& v) {
  return v.is_contiguous() && reinterpret_cast<std::uintptr_t>(v.data) % 16 == 0;
}

/// What stood in y before gelu_tanh: row-major, in y's dtype, whoever wrote it.
TensorView before(const void* aux, const TensorView& y) {
  return contiguous_view(const_cast<void*>(aux), y.dtype, y.shape);
}

/// A rung of the ladder has no epilogues: the composed form calls matmul, which takes the rung.
bool by_ladder(const State& state, DType dtype) {
  return dtype == DType::float32 &&
         state.matmul_kernel.load(std::memory_order_relaxed) != ladder::MatmulKernel::automatic;
}

TensorView seen_by(Activation act, const TensorView& y, const void* aux) {
  return act == Activation::gelu_tanh ? before(aux, y) : y;
}

/// Whether the library can keep, or read, gelu_tanh's arguments.
bool keeps_arguments(const TensorView& y) { return y.shape[1] % 8 == 0; }

}  // namespace

std::size_t CudaBackend::linear_aux_bytes(Activation act, const TensorView& y) {
  if (act == Activation::gelu_tanh) return Backend::linear_aux_bytes(act, y);
  if (act != Activation::relu || y.dtype == DType::float64 || y.rank() != 2) return 0;
  return static_cast<std::size_t>(mask_ld(y.shape[1]) / 8 * y.shape[0]);
}

void CudaBackend::linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b,
                         const TensorView& y, void* aux) {
  const bool relu = act == Activation::relu, gelu = act == Activation::gelu_tanh && keeps_arguments(y);
  const bool kernel_follows = act != Activation::none && !relu && !gelu;
  const bool covered =
      y.dtype != DType::float64 && by_rows(y) && !by_ladder(state_, y.dtype) && (!wanted(b) || plain_vector(b));
  if (aux != nullptr) masks().set(aux, false);
  if (!covered) return Backend::linear(act, x, w, b, y, act == Activation::gelu_tanh ? aux : nullptr);

  const Readable in(*this, x), weight(*this, w);
  ProductShape s = shape_of(state_, in.view(), transposed(weight.view()), y);
  ProductData data;
  data.a = weight.view().data;
  data.b = in.view().data;
  data.d = y.data;
  data.bias = b.data;
  const bool with_mask = relu && aux != nullptr;
  if (with_mask) {
    s.aux_ld = mask_ld(y.shape[1]);
    data.aux = aux;
  }
  const bool with_arguments = gelu && aux != nullptr;
  if (with_arguments) {
    s.aux_ld = y.shape[1];
    data.aux = aux;
  }
  s.epilogue = with_arguments ? (wanted(b) ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_AUX)
               : gelu         ? (wanted(b) ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU)
               : with_mask    ? (wanted(b) ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_RELU_AUX)
               : relu         ? (wanted(b) ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU)
               : wanted(b)    ? CUBLASLT_EPILOGUE_BIAS
                              : CUBLASLT_EPILOGUE_DEFAULT;
  if (!run_product(state_, s, data, stream())) {
    return Backend::linear(act, x, w, b, y, act == Activation::gelu_tanh ? aux : nullptr);
  }
  if (with_mask) masks().set(aux, true);
  if (act == Activation::gelu_tanh && !gelu && aux != nullptr) copy(y, before(aux, y));
  if (kernel_follows) unary(function_of(act), {}, y, y);
}

void CudaBackend::linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux,
                                  const TensorView& x, const TensorView& w, Activation below, const void* below_aux,
                                  const TensorView& dx, const TensorView& dw, const TensorView& db) {
  const DType dtype = dy.dtype;
  const bool covered = dtype != DType::float64 && !by_ladder(state_, dtype) && (!wanted(dx) || by_rows(dx)) &&
                       (!wanted(dw) || by_rows(dw));
  if (!covered) return Backend::linear_backward(act, dy, y, aux, x, w, below, below_aux, dx, dw, db);

  TensorView dz = dy;
  std::size_t scratch_bytes = 0;
  void* scratch = nullptr;
  struct Give {
    CudaBackend& backend;
    void*& p;
    std::size_t& bytes;
    ~Give() { backend.free(p, bytes); }
  } const give{*this, scratch, scratch_bytes};
  if (act != Activation::none || !matrix_of(dy).usable) {
    scratch_bytes = static_cast<std::size_t>(dy.numel()) * item_size(dtype);
    scratch = allocate(scratch_bytes);
    dz = contiguous_view(scratch, dtype, dy.shape);
    if (act != Activation::none) {
      binary(derivative_of(act), dy, seen_by(act, y, aux), dz);
    } else {
      copy(dy, dz);
    }
  }

  if (wanted(dx)) {
    const Readable weight(*this, w);
    bool folded = false;
    // Not for one output feature: the library has no such epilogue for a sum of one term.
    const bool drelu = below == Activation::relu && masks().has(below_aux);
    const bool dgelu = below == Activation::gelu_tanh && keeps_arguments(dx);
    if ((drelu || dgelu) && dz.shape[1] > 1) {
      ProductShape s = shape_of(state_, dz, weight.view(), dx);
      s.epilogue = drelu ? CUBLASLT_EPILOGUE_DRELU : CUBLASLT_EPILOGUE_DGELU;
      s.aux_ld = drelu ? mask_ld(dx.shape[1]) : dx.shape[1];
      ProductData data;
      data.a = weight.view().data;
      data.b = dz.data;
      data.d = dx.data;
      data.aux = const_cast<void*>(below_aux);
      folded = run_product(state_, s, data, stream());
    }
    if (!folded) {
      matmul(dz, weight.view(), dx, false);
      if (below != Activation::none) binary(derivative_of(below), dx, seen_by(below, x, below_aux), dx);
    }
  }

  bool summed = !wanted(db);
  if (wanted(dw)) {
    const Readable in(*this, x);
    bool made = false;
    if (!summed && plain_vector(db)) {
      ProductShape s = shape_of(state_, transposed(dz), in.view(), dw);
      s.epilogue = CUBLASLT_EPILOGUE_BGRADB;
      ProductData data;
      data.a = in.view().data;
      data.b = dz.data;
      data.d = dw.data;
      data.bias = db.data;
      made = run_product(state_, s, data, stream());
      summed = made;
    }
    if (!made) matmul(transposed(dz), in.view(), dw, false);
  }
  if (!summed) reduce(ReduceOp::sum, dz, TensorView{db.data, db.dtype, {1, db.shape[0]}, {0, db.strides[0]}, {}});
}

}  // namespace weft::backends::cuda
