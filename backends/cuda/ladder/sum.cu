#include <algorithm>

#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/walk.h>
#include <weft/backends/cuda/ladder/kernels.h>
#include <weft/backends/cuda/ladder/ladder.h>

// Rows that lie one behind the other; another layout is copied first. Long rows are cut into chunks, so that they keep
// many blocks busy, and the chunks' sums are added in the same way; but not by the sequential rung, whose point it is.

namespace weft::backends::cuda::ladder {
namespace {

using composed::Scratch;

constexpr std::int64_t longest = 65536;  // elements of a chunk

void run(CudaBackend& backend, ReduceKernel kernel, Lines s, float* out) {
  if (kernel == ReduceKernel::sequential || s.length <= longest) {
    s.chunk = s.length;
    s.chunks = 1;
    s.out = out;
    return kernel == ReduceKernel::sequential ? sequential(s, backend.stream())
           : kernel == ReduceKernel::tree     ? tree(s, backend.stream())
                                              : warp_shuffle(s, backend.stream());
  }
  s.chunk = longest;
  s.chunks = static_cast<std::uint32_t>((s.length + longest - 1) / longest);
  const Scratch sums(backend, DType::float32, {s.lines, s.chunks});
  s.out = sums.view().as<float>();
  kernel == ReduceKernel::tree ? tree(s, backend.stream()) : warp_shuffle(s, backend.stream());
  Lines rest;
  rest.in = s.out;
  rest.step = rest.length = s.chunks;
  rest.lines = s.lines;
  run(backend, kernel, rest, out);
}

}  // namespace

bool parse(std::string_view name, ReduceKernel& kernel) noexcept {
  constexpr std::string_view names[] = {"auto", "sequential", "tree", "warp-shuffle"};
  const auto found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return false;
  kernel = static_cast<ReduceKernel>(found - std::begin(names));
  return true;
}

bool sum(CudaBackend& backend, ReduceKernel kernel, const TensorView& in, const TensorView& out) {
  std::int64_t lines = 1, length = 1;
  for (int axis = 0; axis < in.rank(); ++axis) {
    if (in.shape[axis] == 1) continue;
    if (out.shape[axis] == 1) {
      length *= in.shape[axis];
    } else if (length > 1) {
      return false;
    } else {
      lines *= in.shape[axis];
    }
  }
  if (length == 1 || lines * ((length + longest - 1) / longest) > most_units) return false;
  if (!in.is_contiguous()) {
    const Scratch rows(backend, in.dtype, in.shape);
    backend.copy(in, rows);
    return sum(backend, kernel, rows, out);
  }
  if (!out.is_contiguous()) {
    const Scratch sums(backend, out.dtype, out.shape);
    sum(backend, kernel, in, sums);
    backend.copy(sums, out);
    return true;
  }
  Lines s;
  s.in = in.as<const float>();
  s.step = s.length = length;
  s.lines = static_cast<std::uint32_t>(lines);
  run(backend, kernel, s, out.as<float>());
  return true;
}

}  // namespace weft::backends::cuda::ladder
