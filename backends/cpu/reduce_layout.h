#pragma once
// Private: brings a reduction's input into the form [outer, reduced, inner] the kernels take.

#include <weft/backends/backend.h>
#include <weft/backends/common/strided.h>
#include <weft/backends/cpu/scratch.h>

namespace weft::backends::cpu {

/// x[o, r, i] lies at data[o * outer_stride + r * reduced_stride + i]; where inner is 1, reduced_stride is 1.
/// Which axes are outer, reduced, inner follows from the shapes alone. An input with several groups of reduced axes,
/// with strides that do not fit or with another dtype than `wanted` is copied.
class ReduceLayout {
 public:
  ReduceLayout(Backend& backend, const TensorView& in, const Shape& out_shape, DType wanted);

  const void* data = nullptr;
  std::int64_t outer = 1, reduced = 1, inner = 1;
  std::int64_t outer_stride = 0, reduced_stride = 1;

 private:
  Scratch<char> copied_;
};

}  // namespace weft::backends::cpu
