#include <weft/backends/cuda/device/dispatch.h>
#include <weft/core/dtype_support.h>
#include <weft/backends/cuda/device/elementwise.cuh>
#include <weft/backends/cuda/device/math.cuh>

// The operation is a run-time switch, taken once for a pack (see unary.cu).

namespace weft::backends::cuda {
namespace {

template <class T, class Out>
struct Map2 {
  static constexpr int views = 3, width = pack_width<T>, unroll = 2;
  Source<T> a, b;
  Out* out;
  BinaryOp op;

  template <int V>
  struct Registers {
    Compute<T> a[V], b[V];
  };
  template <int V>
  __device__ void load(const Walk<3>& walk, const std::int64_t (&at)[3], int count, Registers<V>& r) const {
    a.template load<V>(walk.along[0], at[0], count, r.a);
    b.template load<V>(walk.along[1], at[1], count, r.b);
  }
};

template <int V, class A, class R, class F>
__device__ inline void each(const A (&a)[V], const A (&b)[V], R (&result)[V], F f) {
#pragma unroll
  for (int j = 0; j < V; ++j) result[j] = f(a[j], b[j]);
}

template <class T>
struct Arithmetic : Map2<T, T> {
  template <int V>
  using Registers = typename Map2<T, T>::template Registers<V>;

  template <int V>
  __device__ void finish(const Walk<3>&, const std::int64_t (&at)[3], int count, std::int64_t, Registers<V>& r) const {
    using C = Compute<T>;
    switch (this->op) {
      case BinaryOp::add:
        each(r.a, r.b, r.a, [](C x, C y) { return plus(x, y); });
        break;
      case BinaryOp::sub:
        each(r.a, r.b, r.a, [](C x, C y) { return minus(x, y); });
        break;
      case BinaryOp::mul:
        each(r.a, r.b, r.a, [](C x, C y) { return times(x, y); });
        break;
      case BinaryOp::maximum:  // NaN on either side wins
        each(r.a, r.b, r.a, [](C x, C y) { return x > y || x != x ? x : y; });
        break;
      case BinaryOp::minimum:
        each(r.a, r.b, r.a, [](C x, C y) { return x < y || x != x ? x : y; });
        break;
      default:
        if constexpr (is_real<T>) {
          if (this->op == BinaryOp::div) each(r.a, r.b, r.a, [](C x, C y) { return x / y; });
          if (this->op == BinaryOp::relu_backward) each(r.a, r.b, r.a, [](C dy, C y) { return y > 0 ? dy : C(0); });
          if (this->op == BinaryOp::tanh_backward) each(r.a, r.b, r.a, [](C dy, C y) { return dy * (1 - y * y); });
          if (this->op == BinaryOp::sigmoid_backward) each(r.a, r.b, r.a, [](C dy, C y) { return dy * y * (1 - y); });
        }
        break;
    }
    store_pack<V>(this->out + at[2], count, r.a);
  }
};

/// Powers, and gradients that take an exponential.
template <class T>
struct Special : Map2<T, T> {
  static constexpr int unroll = 1;
  template <int V>
  using Registers = typename Map2<T, T>::template Registers<V>;

  template <int V>
  __device__ void finish(const Walk<3>&, const std::int64_t (&at)[3], int count, std::int64_t, Registers<V>& r) const {
    using C = Compute<T>;
    switch (this->op) {
      case BinaryOp::pow:
        each(r.a, r.b, r.a, [](C x, C y) { return std::pow(x, y); });
        break;
      case BinaryOp::gelu_backward:
        each(r.a, r.b, r.a, [](C dy, C x) { return dy * gelu_slope(x); });
        break;
      case BinaryOp::gelu_tanh_backward:
        each(r.a, r.b, r.a, [](C dy, C x) { return dy * gelu_tanh_slope(x); });
        break;
      case BinaryOp::silu_backward:
        each(r.a, r.b, r.a, [](C dy, C x) { return dy * silu_slope(x); });
        break;
      default:
        break;
    }
    store_pack<V>(this->out + at[2], count, r.a);
  }
};

template <class T>
struct Compare : Map2<T, bool> {
  template <int V>
  using Registers = typename Map2<T, bool>::template Registers<V>;

  template <int V>
  __device__ void finish(const Walk<3>&, const std::int64_t (&at)[3], int count, std::int64_t, Registers<V>& r) const {
    using C = Compute<T>;
    bool is[V];
    switch (this->op) {
      case BinaryOp::eq:
        each(r.a, r.b, is, [](C x, C y) { return x == y; });
        break;
      case BinaryOp::ne:
        each(r.a, r.b, is, [](C x, C y) { return x != y; });
        break;
      case BinaryOp::lt:
        each(r.a, r.b, is, [](C x, C y) { return x < y; });
        break;
      case BinaryOp::le:
        each(r.a, r.b, is, [](C x, C y) { return x <= y; });
        break;
      case BinaryOp::gt:
        each(r.a, r.b, is, [](C x, C y) { return x > y; });
        break;
      case BinaryOp::ge:
        each(r.a, r.b, is, [](C x, C y) { return x >= y; });
        break;
      case BinaryOp::logical_and:
        each(r.a, r.b, is, [](C x, C y) { return x != C(0) && y != C(0); });
        break;
      default:
        each(r.a, r.b, is, [](C x, C y) { return x != C(0) || y != C(0); });
        break;
    }
    store_pack<V>(this->out + at[2], count, is);
  }
};

bool is_special(BinaryOp op) {
  return op == BinaryOp::pow || op == BinaryOp::gelu_backward || op == BinaryOp::gelu_tanh_backward ||
         op == BinaryOp::silu_backward;
}

}  // namespace

void CudaBackend::binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) {
  const DType dtype = a.is_number ? b.view.dtype : a.view.dtype;
  if (!supports(op, dtype)) refuse_dtype(weft::name(op), dtype);
  dispatch(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if (writes_bool(op)) {
      return elementwise(*this, Compare<T>{{source_of<T>(a), source_of<T>(b), out.as<bool>(), op}}, out.shape,
                         {a, b, out});
    }
    if constexpr (!std::is_same_v<T, bool>) {
      const Map2<T, T> map = {source_of<T>(a), source_of<T>(b), out.as<T>(), op};
      if constexpr (is_real<T>) {
        if (is_special(op)) return elementwise(*this, Special<T>{map}, out.shape, {a, b, out});
      }
      elementwise(*this, Arithmetic<T>{map}, out.shape, {a, b, out});
    }
  });
}

}  // namespace weft::backends::cuda
