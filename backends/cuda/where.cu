#include <bit>

#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/device/elementwise.cuh>

namespace weft::backends::cuda {
namespace {

/// Moves bits: B is an unsigned integer of the dtype's size.
template <class B>
struct Choose {
  static constexpr int views = 4, width = pack_width<B>, unroll = 2;
  Source<bool> condition;
  Source<B> a, b;
  B* out;

  template <int V>
  struct Registers {
    bool first[V];
    B a[V], b[V];
  };
  template <int V>
  __device__ void load(const Walk<4>& walk, const std::int64_t (&at)[4], int count, Registers<V>& r) const {
    condition.template load<V>(walk.along[0], at[0], count, r.first);
    a.template load<V>(walk.along[1], at[1], count, r.a);
    b.template load<V>(walk.along[2], at[2], count, r.b);
  }
  template <int V>
  __device__ void finish(const Walk<4>&, const std::int64_t (&at)[4], int count, std::int64_t, Registers<V>& r) const {
#pragma unroll
    for (int j = 0; j < V; ++j) r.a[j] = r.first[j] ? r.a[j] : r.b[j];
    store_pack<V>(out + at[3], count, r.a);
  }
};

template <class T, class B>
Source<B> bits_of(const Argument& argument) {
  if (!argument.is_number) return {argument.view.as<const B>(), {}};
  return {nullptr, std::bit_cast<B>(argument.number.to<T>())};
}

template <class T>
using Bits = std::conditional_t<sizeof(T) == 1, std::uint8_t,
                                std::conditional_t<sizeof(T) == 2, std::uint16_t,
                                                   std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;

}  // namespace

void CudaBackend::where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) {
  dispatch(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    using B = Bits<T>;
    const Choose<B> choose = {source_of<bool>(condition), bits_of<T, B>(a), bits_of<T, B>(b), out.as<B>()};
    elementwise(*this, choose, out.shape, {condition, a, b, out});
  });
}

}  // namespace weft::backends::cuda
