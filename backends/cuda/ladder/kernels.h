#pragma once
// Private: the staircase from a first idea to what a GPU can do, one rung to a file, each with the reason it is faster
// at its top. docs/kernels.md counts what every rung reads and writes. Chosen by set_option("matmul.kernel", ..) and
// ("reduce.kernel", ..); then matmul, and through it linear and both ways back, take float32 products of any size and
// layout by the rung, so that a whole training step can be made on each.

#include <cstdint>
#include <span>
#include <string_view>

#include <weft/backends/op_args.h>
#include <weft/backends/tensor_view.h>

namespace weft::backends::cuda {

class CudaBackend;

namespace ladder {

enum class MatmulKernel : std::uint8_t {
  automatic,
  naive,
  coalesced,
  shared_tile,
  register_tile,
  vectorised,
  warp_tile,
  tensor_core
};
enum class ReduceKernel : std::uint8_t { automatic, sequential, tree, warp_shuffle };

/// False: no such name. "cublaslt" is "auto".
bool parse(std::string_view name, MatmulKernel& kernel) noexcept;
bool parse(std::string_view name, ReduceKernel& kernel) noexcept;

/// The product by a rung; false, with nothing done, where an extent does not fit its 32-bit numbers.
bool matmul(CudaBackend& backend, MatmulKernel kernel, const TensorView& a, const TensorView& b, const TensorView& out,
            bool accumulate);

/// The sum by a rung; false, with nothing done, where the axes summed over are not the last ones.
bool sum(CudaBackend& backend, ReduceKernel kernel, const TensorView& in, const TensorView& out);

/// As Backend::exhibit().
bool exhibit(CudaBackend& backend, std::string_view name, std::int64_t setting, ExhibitFigures& figures,
             std::span<double> seconds);

}  // namespace ladder
}  // namespace weft::backends::cuda
