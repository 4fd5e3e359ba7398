#include <weft/backends/cuda/device/dispatch.h>
#include <weft/core/philox.h>
#include <weft/backends/cuda/device/elementwise.cuh>

// An element's number follows from its position alone (core/philox.h): packs are whole Philox blocks, or single
// elements where the output is not contiguous.

namespace weft::backends::cuda {
namespace {

struct Key {
  std::uint64_t seed;
  std::uint64_t draw;
  const std::uint64_t* draw_base;  ///< in device memory, advanced by every replay

  __device__ std::uint64_t now() const { return draw + (draw_base != nullptr ? *draw_base : 0); }
};

/// What a pack or a single element gets from the float32 stream.
template <int V>
__device__ inline void draw(RandomKind kind, std::uint64_t seed, std::uint64_t draw, std::uint64_t unit,
                            float (&to)[V]) {
  if constexpr (V == 1) {
    to[0] = kind == RandomKind::normal ? philox_normal_f32(seed, draw, unit) : philox_uniform_f32(seed, draw, unit);
  } else {
#pragma unroll
    for (int block = 0; block < V / 4; ++block) {
      const std::uint64_t number = unit * (V / 4) + block;
      if (kind == RandomKind::normal) {
        philox_normal4_f32(seed, draw, number, to + 4 * block);
      } else {
        philox_uniform4_f32(seed, draw, number, to + 4 * block);
      }
    }
  }
}
template <int V>
__device__ inline void draw(RandomKind kind, std::uint64_t seed, std::uint64_t draw, std::uint64_t unit,
                            double (&to)[V]) {
  if constexpr (V == 1) {
    to[0] = kind == RandomKind::normal ? philox_normal_f64(seed, draw, unit) : philox_uniform_f64(seed, draw, unit);
  } else if (kind == RandomKind::normal) {
    philox_normal2_f64(seed, draw, unit, to);
  } else {
    philox_uniform2_f64(seed, draw, unit, to);
  }
}
template <int V, class I>
__device__ inline void draw(RandomKind, std::uint64_t seed, std::uint64_t draw, std::uint64_t unit, I (&to)[V]) {
  if constexpr (V == 1) {
    to[0] = static_cast<I>(philox_bits(seed, draw, unit));
  } else {
#pragma unroll
    for (int block = 0; block < V / 4; ++block) {
      std::uint32_t words[4];
      philox_bits4(seed, draw, unit * (V / 4) + block, words);
#pragma unroll
      for (int j = 0; j < 4; ++j) to[4 * block + j] = static_cast<I>(words[j]);
    }
  }
}

/// Elements to a Philox block or more.
template <class T>
inline constexpr int draw_width = std::is_same_v<T, double> ? 2
                                  : pack_width<T> < 4       ? 4
                                                            : pack_width<T>;

template <class T>
struct Draw {
  static constexpr int views = 1, width = draw_width<T>, unroll = 1;
  RandomKind kind;
  Key key;
  T* out;

  template <int V>
  struct Registers {};
  template <int V>
  __device__ void load(const Walk<1>&, const std::int64_t (&)[1], int, Registers<V>&) const {}
  template <int V>
  __device__ void finish(const Walk<1>&, const std::int64_t (&at)[1], int count, std::int64_t unit,
                         Registers<V>&) const {
    Compute<T> x[V];
    draw<V>(kind, key.seed, key.now(), static_cast<std::uint64_t>(unit), x);
    store_pack<V>(out + at[0], count, x);
  }
};

/// y = u >= p ? x / (1 - p) : 0 with u from the float32 stream whatever x's dtype, so that it does not change which
/// elements stay.
template <class T>
struct Dropout {
  static constexpr int views = 2, width = pack_width<T> < 4 ? 4 : pack_width<T>, unroll = 1;
  Source<T> x;
  T* y;
  Key key;
  float p;
  Compute<T> stays;

  template <int V>
  struct Registers {
    Compute<T> x[V];
  };
  template <int V>
  __device__ void load(const Walk<2>& walk, const std::int64_t (&at)[2], int count, Registers<V>& r) const {
    x.template load<V>(walk.along[0], at[0], count, r.x);
  }
  template <int V>
  __device__ void finish(const Walk<2>&, const std::int64_t (&at)[2], int count, std::int64_t unit,
                         Registers<V>& r) const {
    float u[V];
    draw<V>(RandomKind::uniform, key.seed, key.now(), static_cast<std::uint64_t>(unit), u);
#pragma unroll
    for (int j = 0; j < V; ++j) r.x[j] = u[j] >= p ? r.x[j] / stays : Compute<T>(0);
    store_pack<V>(y + at[1], count, r.x);
  }
};

}  // namespace

void CudaBackend::random(RandomKind kind, const RandomKey& key, const TensorView& out) {
  if (is_integer(out.dtype) != (kind == RandomKind::bits) || out.dtype == DType::boolean) {
    refuse_dtype("random", out.dtype);
  }
  dispatch_numbers(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const Draw<T> f = {kind, {key.seed, key.draw, key.draw_base}, out.as<T>()};
    if (out.is_contiguous()) {
      elementwise(*this, f, {out.numel()}, {contiguous_view(out.data, out.dtype, {out.numel()})});
    } else {
      elementwise(*this, f, out.shape, {out}, AxisOrder::logical);
    }
  });
}

void CudaBackend::dropout(double p, const RandomKey& key, const TensorView& x, const TensorView& y) {
  if (p >= 1) return fill(y, Number(0.0));
  dispatch_floating(y.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const Dropout<T> f = {source_of<T>(x),
                          y.as<T>(),
                          {key.seed, key.draw, key.draw_base},
                          static_cast<float>(p),
                          static_cast<Compute<T>>(1 - p)};
    elementwise(*this, f, y.shape, {x, y}, AxisOrder::logical);
  });
}

}  // namespace weft::backends::cuda
