#pragma once
// Private: runs a matrix product on all cores. Where the tiles' borders lie does not change a bit of the result
// (isa/product.h), so they follow what is fast.

#include <weft/backends/cpu/isa/product.h>
#include <weft/backends/tensor_view.h>
#include <weft/core/function_ref.h>

namespace weft::backends::cpu {

/// Called for every tile of C when it is finished, while it is in the cache: rows [i0, i1), columns [j0, j1).
using TileDone = FunctionRef<void(std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1)>;

void run_product(const ProductKernels& kernels, const Product& p, TileDone done);

/// The kernels of a floating dtype.
const ProductKernels& product_kernels(DType dtype);

/// out[m, n] (+)= a[m, k] b[k, n] for views of rank 2 with any strides for a and b, contiguous rows for out.
Product product_of(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate);

}  // namespace weft::backends::cpu
