#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/backends/cpu/scratch.h>
#include <weft/core/thread_pool.h>

namespace weft::backends::cpu {
namespace {

constexpr std::int64_t grain = 128 * random_group;

std::uint64_t draw_of(const RandomKey& key) { return key.draw + (key.draw_base != nullptr ? *key.draw_base : 0); }

template <class T>
using Stream = void (*)(std::uint64_t seed, std::uint64_t draw, std::int64_t first, std::int64_t n, T* out);

template <class T>
void draw_all(Stream<T> stream, const RandomKey& key, std::int64_t n, T* out) {
  const std::uint64_t draw = draw_of(key);
  parallel_for(n, grain,
               [&](std::int64_t begin, std::int64_t end) { stream(key.seed, draw, begin, end - begin, out + begin); });
}

/// Into out where it is an array of T, otherwise into a temporary that is copied to it.
template <class T>
void draw_into(Backend& backend, Stream<T> stream, const RandomKey& key, const TensorView& out) {
  if (out.dtype == dtype_of<T> && out.is_contiguous()) return draw_all(stream, key, out.numel(), out.as<T>());
  const Scratch<T> values(out.numel());
  draw_all(stream, key, out.numel(), values.data());
  backend.copy(contiguous_view(values.data(), dtype_of<T>, out.shape), out);
}

}  // namespace

void CpuBackend::random(RandomKind kind, const RandomKey& key, const TensorView& out) {
  if (is_integer(out.dtype) != (kind == RandomKind::bits) || out.dtype == DType::boolean) {
    refuse_dtype("random", out.dtype);
  }
  const RandomKernels& kernel = *kernels().random;
  if (kind == RandomKind::bits) {  // the 32-bit word, kept as far as the type holds it
    const Scratch<std::int64_t> wide(out.numel());
    const std::uint64_t draw = draw_of(key);
    parallel_for(out.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      std::uint32_t words[random_group];
      for (std::int64_t i = begin; i < end; i += random_group) {
        const std::int64_t n = end - i < random_group ? end - i : random_group;
        kernel.bits(key.seed, draw, i, n, words);
        for (std::int64_t j = 0; j < n; ++j) wide.data()[i + j] = words[j];
      }
    });
    return copy(contiguous_view(wide.data(), DType::int64, out.shape), out);
  }
  const bool normal = kind == RandomKind::normal;
  if (out.dtype == DType::float64) {
    draw_into<double>(*this, normal ? kernel.normal_float64 : kernel.uniform_float64, key, out);
  } else {  // the 16-bit types round what float32 gets
    draw_into<float>(*this, normal ? kernel.normal_float32 : kernel.uniform_float32, key, out);
  }
}

void CpuBackend::dropout(double p, const RandomKey& key, const TensorView& x, const TensorView& y) {
  if (p >= 1 || !is_native_float(x.dtype) || !x.is_contiguous() || !y.is_contiguous()) {
    return Backend::dropout(p, key, x, y);
  }
  const RandomKernels& kernel = *kernels().random;
  const std::uint64_t draw = draw_of(key);
  parallel_for(x.numel(), 2 * grain, [&](std::int64_t begin, std::int64_t end) {
    if (x.dtype == DType::float64) {
      kernel.dropout_float64(key.seed, draw, begin, end - begin, p, x.as<double>() + begin, y.as<double>() + begin);
    } else {
      kernel.dropout_float32(key.seed, draw, begin, end - begin, p, x.as<float>() + begin, y.as<float>() + begin);
    }
  });
}

}  // namespace weft::backends::cpu
