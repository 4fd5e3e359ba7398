#include <mutex>
#include <unordered_set>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/product.h>

// One call of cuBLASLt per product, with what surrounds it as its epilogue:
//
//   forward        y = x w^T + b, ReLU, and the bit mask of where ReLU let pass    BIAS, RELU_BIAS, RELU_AUX_BIAS
//   dx             dz w, times the derivative of the ReLU that produced x          DRELU with that mask
//   dw and db      dz^T x, and the column sums of dz                               BGRADB
//
// tanh and sigmoid follow as a kernel. float64 has no epilogues in cuBLASLt and goes to the composed form, as do 16-bit
// tanh and sigmoid, which would be rounded twice. Where the library has no algorithm with the epilogue, the product is
// made without it and the rest by kernels: these read y, never the mask, whose layout is the library's own business.

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

UnaryOp function_of(Activation act) {
  return act == Activation::relu ? UnaryOp::relu : act == Activation::tanh ? UnaryOp::tanh : UnaryOp::sigmoid;
}
BinaryOp derivative_of(Activation act) {
  return act == Activation::relu   ? BinaryOp::relu_backward
         : act == Activation::tanh ? BinaryOp::tanh_backward
                                   : BinaryOp::sigmoid_backward;
}

/// A rung of the ladder has no epilogues: the composed form calls matmul, which takes the rung.
bool by_ladder(const State& state, DType dtype) {
  return dtype == DType::float32 &&
         state.matmul_kernel.load(std::memory_order_relaxed) != ladder::MatmulKernel::automatic;
}

bool is_half(DType dtype) { return dtype == DType::float16 || dtype == DType::bfloat16; }

}  // namespace

std::size_t CudaBackend::linear_aux_bytes(Activation act, const TensorView& y) {
  if (act != Activation::relu || y.dtype == DType::float64 || y.rank() != 2) return 0;
  return static_cast<std::size_t>(mask_ld(y.shape[1]) / 8 * y.shape[0]);
}

void CudaBackend::linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b,
                         const TensorView& y, void* aux) {
  const bool relu = act == Activation::relu, kernel_follows = act != Activation::none && !relu;
  const bool covered = y.dtype != DType::float64 && by_rows(y) && !by_ladder(state_, y.dtype) &&
                       !(kernel_follows && is_half(y.dtype)) && (!wanted(b) || plain_vector(b));
  if (aux != nullptr) masks().set(aux, false);
  if (!covered) return Backend::linear(act, x, w, b, y, nullptr);

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
  s.epilogue = with_mask   ? (wanted(b) ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_RELU_AUX)
               : relu      ? (wanted(b) ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU)
               : wanted(b) ? CUBLASLT_EPILOGUE_BIAS
                           : CUBLASLT_EPILOGUE_DEFAULT;
  if (!run_product(state_, s, data, stream())) return Backend::linear(act, x, w, b, y, nullptr);
  if (with_mask) masks().set(aux, true);
  if (kernel_follows) unary(function_of(act), {}, y, y);
}

void CudaBackend::linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux,
                                  const TensorView& x, const TensorView& w, Activation below, const void* below_aux,
                                  const TensorView& dx, const TensorView& dw, const TensorView& db) {
  const DType dtype = dy.dtype;
  const bool covered = dtype != DType::float64 && !by_ladder(state_, dtype) && (!wanted(dx) || by_rows(dx)) &&
                       (!wanted(dw) || by_rows(dw)) &&
                       !(is_half(dtype) && (act > Activation::relu || below > Activation::relu));
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
      binary(derivative_of(act), dy, y, dz);
    } else {
      copy(dy, dz);
    }
  }

  if (wanted(dx)) {
    const Readable weight(*this, w);
    bool folded = false;
    // Not for one output feature: the library has no DRELU for a sum of one term.
    if (below == Activation::relu && dz.shape[1] > 1 && masks().has(below_aux)) {
      ProductShape s = shape_of(state_, dz, weight.view(), dx);
      s.epilogue = CUBLASLT_EPILOGUE_DRELU;
      s.aux_ld = mask_ld(dx.shape[1]);
      ProductData data;
      data.a = weight.view().data;
      data.b = dz.data;
      data.d = dx.data;
      data.aux = const_cast<void*>(below_aux);
      folded = run_product(state_, s, data, stream());
    }
    if (!folded) {
      matmul(dz, weight.view(), dx, false);
      if (below != Activation::none) binary(derivative_of(below), dx, x, dx);
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
