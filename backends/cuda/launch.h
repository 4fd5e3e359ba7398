#pragma once
// Private: the one way to start a kernel.
//
//     launch(scale_kernel, {blocks_of(n, 256), 256}, backend.stream(), out, in, n, 2.0f);
//
// Arguments are converted to the kernel's own parameter types, so a literal or a const view cannot shift the layout.

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include <cuda_runtime_api.h>

#include <weft/backends/cuda/runtime.h>

namespace weft::backends::cuda {

struct LaunchShape {
  dim3 grid{1, 1, 1};
  dim3 block{1, 1, 1};
  std::size_t shared_bytes = 0;
};

/// The blocks of `threads` that cover n elements; n >= 1.
constexpr unsigned blocks_of(std::int64_t n, unsigned threads) noexcept {
  return static_cast<unsigned>((n + threads - 1) / threads);
}

template <class... P, class... A>
void launch(void (*kernel)(P...), const LaunchShape& shape, cudaStream_t stream, A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  std::tuple<P...> parameters{static_cast<P>(std::forward<A>(arguments))...};
#ifdef WEFT_CUDA_ON_CPU
  check(weft_harness::launch(kernel, shape.grid, shape.block, shape.shared_bytes, stream, std::move(parameters)),
        "cudaLaunchKernel");
#else
  std::apply(
      [&](P&... each) {
        void* argv[] = {const_cast<void*>(static_cast<const void*>(&each))..., nullptr};
        check(cudaLaunchKernel(reinterpret_cast<const void*>(kernel), shape.grid, shape.block, argv, shape.shared_bytes,
                               stream),
              "cudaLaunchKernel");
      },
      parameters);
#endif
}

}  // namespace weft::backends::cuda
