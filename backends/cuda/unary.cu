#include <weft/backends/cuda/device/dispatch.h>
#include <weft/core/dtype_support.h>
#include <weft/backends/cuda/device/elementwise.cuh>
#include <weft/backends/cuda/device/math.cuh>

// The operation is a run-time switch, taken once for a pack: one kernel to a dtype and a group of operations that need
// about the same registers.

namespace weft::backends::cuda {
namespace {

/// out = f(in), pack by pack.
template <class T>
struct Map {
  static constexpr int views = 2, width = pack_width<T>, unroll = 2;
  Source<T> in;
  T* out;

  template <int V>
  struct Registers {
    Compute<T> x[V];
  };
  template <int V>
  __device__ void load(const Walk<2>& walk, const std::int64_t (&at)[2], int count, Registers<V>& r) const {
    in.template load<V>(walk.along[0], at[0], count, r.x);
  }
  template <int V>
  __device__ void save(const std::int64_t (&at)[2], int count, const Registers<V>& r) const {
    store_pack<V>(out + at[1], count, r.x);
  }
};

template <int V, class C, class F>
__device__ inline void each(C (&x)[V], F f) {
#pragma unroll
  for (int j = 0; j < V; ++j) x[j] = f(x[j]);
}

template <class C>
__device__ inline bool negative(C x) {
  if constexpr (std::is_unsigned_v<C>) {
    return false;
  } else {
    return x < 0;
  }
}

/// What integers can do as well. NaN stays NaN in all of them.
template <class T>
struct Arithmetic : Map<T> {
  UnaryOp op;
  template <int V>
  using Registers = typename Map<T>::template Registers<V>;

  template <int V>
  __device__ void finish(const Walk<2>&, const std::int64_t (&at)[2], int count, std::int64_t, Registers<V>& r) const {
    using C = Compute<T>;
    switch (op) {
      case UnaryOp::neg:
        each(r.x, [](C x) {
          if constexpr (is_real<T>)
            return -x;
          else
            return minus(C(0), x);
        });
        break;
      case UnaryOp::abs:
        each(r.x, [](C x) {
          if constexpr (is_real<T>)
            return std::fabs(x);
          else
            return negative(x) ? minus(C(0), x) : x;
        });
        break;
      case UnaryOp::sign:
        each(r.x, [](C x) { return x > 0 ? C(1) : negative(x) ? C(-1) : x == 0 ? C(0) : x; });
        break;
      case UnaryOp::relu:
        each(r.x, [](C x) { return x == 0 || negative(x) ? C(0) : x; });
        break;
      default:
        if constexpr (is_real<T>) {
          if (op == UnaryOp::floor) each(r.x, [](C x) { return std::floor(x); });
          if (op == UnaryOp::ceil) each(r.x, [](C x) { return std::ceil(x); });
          if (op == UnaryOp::round) each(r.x, [](C x) { return std::rint(x); });
          if (op == UnaryOp::sqrt) each(r.x, [](C x) { return std::sqrt(x); });
        }
        break;
    }
    this->template save<V>(at, count, r);
  }
};

struct Not : Map<bool> {
  template <int V>
  using Registers = Map<bool>::Registers<V>;
  template <int V>
  __device__ void finish(const Walk<2>&, const std::int64_t (&at)[2], int count, std::int64_t, Registers<V>& r) const {
    each(r.x, [](bool x) { return !x; });
    save<V>(at, count, r);
  }
};

/// Exponentials, logarithms and what activations make of them.
template <class T>
struct Exponential : Map<T> {
  UnaryOp op;
  Compute<T> a, b;
  template <int V>
  using Registers = typename Map<T>::template Registers<V>;

  template <int V>
  __device__ void finish(const Walk<2>&, const std::int64_t (&at)[2], int count, std::int64_t, Registers<V>& r) const {
    using C = Compute<T>;
    const C slope = a, threshold = b;
    switch (op) {
      case UnaryOp::exp:
        each(r.x, [](C x) { return std::exp(x); });
        break;
      case UnaryOp::log:
        each(r.x, [](C x) { return std::log(x); });
        break;
      case UnaryOp::tanh:
        each(r.x, [](C x) { return std::tanh(x); });
        break;
      case UnaryOp::sigmoid:
        each(r.x, [](C x) { return sigmoid(x); });
        break;
      case UnaryOp::expm1:
        each(r.x, [](C x) { return std::expm1(x); });
        break;
      case UnaryOp::log1p:
        each(r.x, [](C x) { return std::log1p(x); });
        break;
      case UnaryOp::rsqrt:
        each(r.x, [](C x) { return 1 / std::sqrt(x); });
        break;
      case UnaryOp::leaky_relu:
        each(r.x, [slope](C x) { return x > 0 ? x : slope * x; });
        break;
      case UnaryOp::elu:
        each(r.x, [slope](C x) { return x > 0 ? x : slope * std::expm1(x); });
        break;
      case UnaryOp::silu:
        each(r.x, [](C x) { return silu(x); });
        break;
      case UnaryOp::softplus:
        each(r.x, [slope, threshold](C x) { return softplus(x, slope, threshold); });
        break;
      default:
        break;
    }
    this->template save<V>(at, count, r);
  }
};

/// What needs more registers, or memory of a thread's own (the sine of large numbers).
template <class T>
struct Special : Map<T> {
  static constexpr int unroll = 1;
  UnaryOp op;
  template <int V>
  using Registers = typename Map<T>::template Registers<V>;

  template <int V>
  __device__ void finish(const Walk<2>&, const std::int64_t (&at)[2], int count, std::int64_t, Registers<V>& r) const {
    using C = Compute<T>;
    switch (op) {
      case UnaryOp::sin:
        each(r.x, [](C x) { return std::sin(x); });
        break;
      case UnaryOp::cos:
        each(r.x, [](C x) { return std::cos(x); });
        break;
      case UnaryOp::erf:
        each(r.x, [](C x) { return std::erf(x); });
        break;
      case UnaryOp::gelu:
        each(r.x, [](C x) { return gelu(x); });
        break;
      case UnaryOp::gelu_tanh:
        each(r.x, [](C x) { return gelu_tanh(x); });
        break;
      default:
        break;
    }
    this->template save<V>(at, count, r);
  }
};

enum class Group { arithmetic, exponential, special };
Group group_of(UnaryOp op) {
  switch (op) {
    case UnaryOp::neg:
    case UnaryOp::abs:
    case UnaryOp::sign:
    case UnaryOp::relu:
    case UnaryOp::floor:
    case UnaryOp::ceil:
    case UnaryOp::round:
    case UnaryOp::sqrt:
      return Group::arithmetic;
    case UnaryOp::sin:
    case UnaryOp::cos:
    case UnaryOp::erf:
    case UnaryOp::gelu:
    case UnaryOp::gelu_tanh:
      return Group::special;
    default:
      return Group::exponential;
  }
}

}  // namespace

void CudaBackend::unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) {
  if (!supports(op, in.dtype)) refuse_dtype(weft::name(op), in.dtype);
  if (in.dtype == DType::boolean) {
    return elementwise(*this, Not{{source_of<bool>(in), out.as<bool>()}}, out.shape, {in, out});
  }
  if (!is_floating(in.dtype) && keeps_integers(op)) return copy(in, out);
  dispatch_numbers(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const Map<T> map = {source_of<T>(in), out.as<T>()};
    if constexpr (is_real<T>) {
      const Group group = group_of(op);
      if (group == Group::exponential) {
        const auto a = static_cast<Compute<T>>(args.a), b = static_cast<Compute<T>>(args.b);
        return elementwise(*this, Exponential<T>{map, op, a, b}, out.shape, {in, out});
      }
      if (group == Group::special) return elementwise(*this, Special<T>{map, op}, out.shape, {in, out});
    }
    elementwise(*this, Arithmetic<T>{map, op}, out.shape, {in, out});
  });
}

}  // namespace weft::backends::cuda
