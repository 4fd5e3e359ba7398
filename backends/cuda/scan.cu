#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/device/dispatch.h>
#include <weft/backends/cuda/device/walk.h>
#include <weft/backends/cuda/launch.h>
#include <weft/backends/cuda/device/reduce.cuh>

// Two ways, chosen by the shape alone: with 32 or more lines side by side a thread goes down each; otherwise a block
// takes a chunk of a line, and where lines have several chunks the sums of those are scanned in the same way and added.

namespace weft::backends::cuda {
namespace {

using composed::Scratch;

constexpr unsigned scan_threads = 256;
constexpr int per_thread = 4;
constexpr std::int64_t chunk = static_cast<std::int64_t>(scan_threads) * per_thread * 8;  // elements to a block

template <class T>
using ScanOut = std::conditional_t<is_real<T>, T, std::int64_t>;

template <class T>
__global__ void __launch_bounds__(scan_threads)
    scan_lines_kernel(const T* in, std::int64_t in_step, ScanOut<T>* out, std::int64_t out_step, std::int64_t length,
                      const Walk<2> lines) {
  using A = Total<T>;
  const std::uint32_t line = blockIdx.x * scan_threads + threadIdx.x;
  if (line >= lines.units) return;
  std::int64_t at[2];
  lines.offsets(line, at);
  A total = 0;
  for (std::int64_t i = 0; i < length; ++i) {
    total = plus(total, static_cast<A>(load(in + at[0] + i * in_step)));
    store(out + at[1] + i * out_step, total);
  }
}

/// blockIdx.x = line * chunks + chunk. With `sums` it writes the total of each chunk there and nothing else; otherwise
/// the scan, each chunk's after what `before` (may be null) has for the chunks before it.
template <class T>
__global__ void __launch_bounds__(scan_threads)
    scan_chunks_kernel(const T* in, std::int64_t in_step, ScanOut<T>* out, std::int64_t out_step, std::int64_t length,
                       std::uint32_t chunks, Total<T>* sums, const Total<T>* before, const Walk<2> lines) {
  using A = Total<T>;
  WEFT_SHARED(A[scan_threads / 32], warp_totals);
  const std::uint32_t line = blockIdx.x / chunks, part = blockIdx.x - line * chunks;
  std::int64_t at[2];
  lines.offsets(line, at);
  const T* from = in + at[0];
  ScanOut<T>* to = out + at[1];
  const std::int64_t begin = part * chunk, end = length - begin < chunk ? length : begin + chunk;
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  A carried = before != nullptr && part > 0 ? before[blockIdx.x - 1] : A(0);
  for (std::int64_t tile = begin; tile < end; tile += static_cast<std::int64_t>(scan_threads) * per_thread) {
    const std::int64_t first = tile + static_cast<std::int64_t>(threadIdx.x) * per_thread;
    A x[per_thread];
#pragma unroll
    for (int j = 0; j < per_thread; ++j) {
      x[j] = first + j < end ? static_cast<A>(load(from + (first + j) * in_step)) : A(0);
      if (j > 0) x[j] = plus(x[j - 1], x[j]);
    }
    A up_to = x[per_thread - 1];  // the sum of this thread's and all lower lanes' elements
    for (unsigned distance = 1; distance < 32; distance *= 2) {
      A lower;
      if constexpr (std::is_same_v<A, std::int64_t>) {
        lower = static_cast<A>(__shfl_up_sync(every_lane, static_cast<long long>(up_to), distance));
      } else {
        lower = __shfl_up_sync(every_lane, up_to, distance);
      }
      if (lane >= distance) up_to = plus(lower, up_to);
    }
    if (lane == 31) warp_totals[warp] = up_to;
    __syncthreads();
    A base = carried;
    for (unsigned w = 0; w < scan_threads / 32; ++w) {
      if (w < warp) base = plus(base, warp_totals[w]);
      carried = plus(carried, warp_totals[w]);
    }
    __syncthreads();
    A lower_lanes;
    if constexpr (std::is_same_v<A, std::int64_t>) {
      lower_lanes = static_cast<A>(__shfl_up_sync(every_lane, static_cast<long long>(up_to), 1));
    } else {
      lower_lanes = __shfl_up_sync(every_lane, up_to, 1);
    }
    if (lane > 0) base = plus(base, lower_lanes);
#pragma unroll
    for (int j = 0; j < per_thread; ++j) {
      if (sums == nullptr && first + j < end) store(to + (first + j) * out_step, plus(base, x[j]));
    }
  }
  if (sums != nullptr && threadIdx.x == 0) sums[blockIdx.x] = carried;
}

/// The totals of a line's chunks, scanned in place by one thread to a line: there are few of them.
template <class A>
__global__ void __launch_bounds__(scan_threads) scan_sums_kernel(A* sums, std::uint32_t lines, std::uint32_t chunks) {
  const std::uint32_t line = blockIdx.x * scan_threads + threadIdx.x;
  if (line >= lines) return;
  A total = 0;
  for (std::uint32_t c = 0; c < chunks; ++c) {
    A& sum = sums[static_cast<std::int64_t>(line) * chunks + c];
    total = plus(total, sum);
    sum = total;
  }
}

}  // namespace

void CudaBackend::scan(ScanOp, const TensorView& in, int axis, const TensorView& out) {
  Shape shape = in.shape;
  shape[axis] = 1;
  std::int64_t behind = 1;
  for (int i = axis + 1; i < in.rank(); ++i) behind *= in.shape[i];
  const StridedLoop<2> loop = collapse<2>(shape, {&in.strides, &out.strides}, AxisOrder::logical);
  const std::int64_t length = in.shape[axis], chunks = (length + chunk - 1) / chunk;
  const std::int64_t start[2] = {};
  dispatch(in.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    using A = Total<T>;
    for_walks(loop, 1, start, 0, [&](const Walk<2>& lines) {
      // (the pass that only makes sums writes nothing else: `out` may be `in`)
      const auto go = [&](auto kernel, unsigned blocks, auto... more) {
        launch(kernel, {blocks, scan_threads}, stream(), in.as<const T>(), in.strides[axis], out.as<ScanOut<T>>(),
               out.strides[axis], length, more..., lines);
      };
      if (behind >= 32) return go(scan_lines_kernel<T>, blocks_of(lines.units, scan_threads));
      const std::uint32_t parts = static_cast<std::uint32_t>(chunks);
      const unsigned blocks = static_cast<unsigned>(lines.units * chunks);
      A* none = nullptr;
      if (chunks == 1) return go(scan_chunks_kernel<T>, blocks, parts, none, none);
      const Scratch sums(*this, dtype_of<A>, {lines.units, chunks});
      go(scan_chunks_kernel<T>, blocks, parts, sums.view().template as<A>(), none);
      launch(scan_sums_kernel<A>, {blocks_of(lines.units, scan_threads), scan_threads}, stream(),
             sums.view().template as<A>(), lines.units, parts);
      go(scan_chunks_kernel<T>, blocks, parts, none, sums.view().template as<A>());
    });
  });
}

}  // namespace weft::backends::cuda
