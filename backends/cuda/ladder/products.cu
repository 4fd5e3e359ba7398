#include <algorithm>
#include <limits>

#include <weft/backends/common/strided.h>
#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/walk.h>
#include <weft/backends/cuda/ladder/kernels.h>
#include <weft/backends/cuda/ladder/ladder.h>

// What a rung needs: rows whose elements are neighbours, and one walk over the batch. A view that lies otherwise (a
// transposed weight) is copied: m k + k n elements beside 2 m n k operations. Repeated batches (stride 0) are no
// copies.

namespace weft::backends::cuda::ladder {
namespace {

using composed::Scratch;

constexpr std::int64_t most_batches = 65535;  // blocks along z

/// The leading dimension; 0 where the rows' elements are no neighbours.
std::int64_t leading(const TensorView& view) {
  const int last = view.rank() - 1;
  if (view.strides[last] != 1 && view.shape[last] != 1) return 0;
  if (view.shape[last - 1] == 1) return std::max<std::int64_t>(view.shape[last], 1);
  return view.strides[last - 1] >= view.shape[last] ? view.strides[last - 1] : 0;
}

/// Whether each row of each matrix starts at a multiple of 16 bytes.
bool in_fours(const TensorView& view) {
  if (reinterpret_cast<std::uintptr_t>(view.data) % 16 != 0) return false;
  for (int axis = 0; axis + 1 < view.rank(); ++axis) {
    if (view.shape[axis] != 1 && view.strides[axis] % 4 != 0) return false;
  }
  return true;
}

void run(MatmulKernel kernel, const Product& p, unsigned batches, cudaStream_t stream) {
  switch (kernel) {
    case MatmulKernel::naive:
      return naive(p, batches, stream);
    case MatmulKernel::coalesced:
      return coalesced(p, batches, stream);
    case MatmulKernel::shared_tile:
      return shared_tile(p, batches, stream);
    case MatmulKernel::register_tile:
      return register_tile(p, batches, stream);
    case MatmulKernel::vectorised:
      return vectorised(p, batches, stream);
    case MatmulKernel::warp_tile:
      return warp_tile(p, batches, stream);
    case MatmulKernel::automatic:
    case MatmulKernel::tensor_core:
      return tensor_core(p, batches, stream);
  }
}

}  // namespace

bool parse(std::string_view name, MatmulKernel& kernel) noexcept {
  constexpr std::string_view names[] = {"auto",          "naive",      "coalesced", "shared-tile",
                                        "register-tile", "vectorised", "warp-tile", "tensor-core"};
  if (name == "cublaslt") name = "auto";
  const auto found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return false;
  kernel = static_cast<MatmulKernel>(found - std::begin(names));
  return true;
}

bool matmul(CudaBackend& backend, MatmulKernel kernel, const TensorView& a, const TensorView& b, const TensorView& out,
            bool accumulate) {
  const int last = out.rank() - 1;
  const std::int64_t m = out.shape[last - 1], n = out.shape[last], k = a.shape[last];
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() - 256;  // a tile may reach beyond the edge
  const bool fits = m <= most && n <= most && k <= most && (m / 8 + 1) * (n / 8 + 1) <= most &&  // blocks along x
                    out.numel() / (m * n) <= most_units;
  if (!fits) return false;
  if (leading(out) == 0) {
    const Scratch rows(backend, out.dtype, out.shape);
    if (accumulate) backend.copy(out, rows);
    matmul(backend, kernel, a, b, rows, accumulate);
    backend.copy(rows, out);
    return true;
  }
  if (leading(a) == 0) {
    const Scratch rows(backend, a.dtype, a.shape);
    backend.copy(a, rows);
    return matmul(backend, kernel, rows, b, out, accumulate);
  }
  if (leading(b) == 0) {
    const Scratch rows(backend, b.dtype, b.shape);
    backend.copy(b, rows);
    return matmul(backend, kernel, a, rows, out, accumulate);
  }
  Product p;
  p.a = a.as<const float>();
  p.b = b.as<const float>();
  p.c = out.as<float>();
  p.lda = leading(a);
  p.ldb = leading(b);
  p.ldc = leading(out);
  p.m = static_cast<std::int32_t>(m);
  p.n = static_cast<std::int32_t>(n);
  p.k = static_cast<std::int32_t>(k);
  p.accumulate = accumulate;
  p.a_in_fours = in_fours(a);
  p.b_in_fours = in_fours(b);
  p.c_in_fours = in_fours(out);
  Shape batch;
  Strides steps[3];
  for (int axis = 0; axis < last - 1; ++axis) {
    batch.push_back(out.shape[axis]);
    steps[0].push_back(a.strides[axis]);
    steps[1].push_back(b.strides[axis]);
    steps[2].push_back(out.strides[axis]);
  }
  p.batch = walk_of(collapse<3>(batch, {&steps[0], &steps[1], &steps[2]}, AxisOrder::logical), 1);
  for (std::int64_t first = 0; first < p.batch.units; first += most_batches) {
    p.first = static_cast<std::uint32_t>(first);
    run(kernel, p, static_cast<unsigned>(std::min<std::int64_t>(most_batches, p.batch.units - first)),
        backend.stream());
  }
  return true;
}

}  // namespace weft::backends::cuda::ladder
