#pragma once
// Private: convolution by a kernel of weft's own, one sum per thread. Slow, complete and exact in its order: for what
// cuDNN does not take, and to compare with (option "conv.kernel" = "direct").

#include <weft/backends/cuda/cuda_backend.h>

namespace weft::backends::cuda {

/// As Backend::conv: any strides, any floating dtype, any number of positions of y.
void conv_direct(CudaBackend& backend, Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w,
                 const TensorView& y);

}  // namespace weft::backends::cuda
