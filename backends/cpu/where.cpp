#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/operand.h>
#include <weft/backends/cpu/runs.h>

namespace weft::backends::cpu {

void CpuBackend::where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) {
  const NumberOr yes(a, out.dtype), no(b, out.dtype);
  const auto loop = collapse(out.shape, {&condition.strides, yes.strides(), no.strides(), &out.strides});
  const std::int64_t cs = loop.inner_stride(0), ys = loop.inner_stride(1), ns = loop.inner_stride(2);
  const std::int64_t os = loop.inner_stride(3);
  dispatch_size(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    parallel_runs(loop, cheap_grain, [&](const std::int64_t* offset, std::int64_t n) {
      const unsigned char* c = condition.as<const unsigned char>() + offset[0];
      const T* y = static_cast<const T*>(yes.data()) + offset[1];
      const T* z = static_cast<const T*>(no.data()) + offset[2];
      T* to = out.as<T>() + offset[3];
      if (cs == 1 && os == 1 && ys == 1 && ns == 0) {
        const T other = *z;
        for (std::int64_t i = 0; i < n; ++i) to[i] = c[i] != 0 ? y[i] : other;
      } else {
        for (std::int64_t i = 0; i < n; ++i) to[i * os] = c[i * cs] != 0 ? y[i * ys] : z[i * ns];
      }
    });
  });
}

}  // namespace weft::backends::cpu
