#include "cuda_on_cpu/harness_kernels.h"

namespace weft_harness::test {
namespace {

__global__ void reverse(int* a, int n, int bug) {
  WEFT_DYNAMIC_SHARED(int, s);
  const int t = static_cast<int>(threadIdx.x);
  s[t] = a[t];
  if (bug != 1) __syncthreads();
  a[t] = s[n - 1 - t];
}

__global__ void block_sum(const float* x, float* out, int n, int bug) {
  WEFT_SHARED(float[8], part);
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) sum += x[i];
  const unsigned mask = bug == 2 ? 0xFFFFu : 0xFFFFFFFFu;
  for (int o = 16; o > 0; o /= 2) sum += __shfl_xor_sync(mask, sum, o);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
  if (bug != 1) __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0;
    for (unsigned o = 4; o > 0; o /= 2) sum += __shfl_down_sync(0xFFFFFFFFu, sum, o);
    if (threadIdx.x == 0) out[0] = sum;
  }
}

template <int N>
__global__ void tile(const float* x, float* y, int n, int bug) {
  WEFT_SHARED(float[N][N + 1], t);
  const int row = static_cast<int>(threadIdx.y), column = static_cast<int>(threadIdx.x);
  for (int block = 0; block < n; block += N) {
    t[row][column] = x[row * n + block + column];
    if (bug != 1) __syncthreads();
    y[(block + row) * N + column] = t[column + (bug == 3 ? N : 0)][row];
    if (bug != 2) __syncthreads();
  }
}

__global__ void histogram(const int* x, int* bins, int n, int bug) {
  WEFT_SHARED(int[4], h);
  if (threadIdx.x < 4) h[threadIdx.x] = 0;
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) {
    if (bug == 1) {
      h[x[i]] += 1;
    } else {
      atomicAdd(&h[x[i]], 1);
    }
  }
  __syncthreads();
  if (threadIdx.x < 4) atomicAdd(&bins[threadIdx.x], h[threadIdx.x]);
}

__global__ void divergent(int* a, int bug) {
  const int t = static_cast<int>(threadIdx.x);
  if (bug == 2 && t == 3) return;
  if (bug == 3) {
    if (t < 16) __syncwarp();
    a[t] = 1;
    return;
  }
  if (bug == 1 && t < 16) {
    __syncthreads();
    a[t] = 1;
  } else {
    __syncthreads();
    a[t] = 2;
  }
}

__global__ void saxpy(const float* x, float* y, int n, int bug) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) + (bug == 1 ? 1 : bug == 2 ? -1 : 0);
  if (i < n + (bug == 1 ? 1 : 0)) y[i] = 2 * (bug == 3 ? static_cast<const float*>(nullptr)[i] : x[i]);
}

__global__ void warp_exchange(int* a, int bug) {
  WEFT_SHARED(int[32], s);
  const int t = static_cast<int>(threadIdx.x);
  s[t] = t;
  if (bug != 1) __syncwarp();
  a[t] = s[31 - t];
}

__global__ void blocks_write(int* a, int bug) {
  if (threadIdx.x == 0) a[bug == 1 ? 0 : blockIdx.x] = 1;
}

__global__ void last_block_sums(const int* x, int* partial, unsigned* ticket, int* out, int bug) {
  WEFT_SHARED(unsigned, mine);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = x[blockIdx.x];
    if (bug != 1) __threadfence();
    mine = atomicAdd(ticket, 1u);
  }
  __syncthreads();
  if (mine != gridDim.x - 1 || threadIdx.x != 0) return;
  int sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += partial[i];
  *out = sum;
}

__global__ void dynamic(int* a, int n) {
  WEFT_DYNAMIC_SHARED(int, s);
  for (int i = 0; i < n; ++i) s[i] = i;
  a[0] = s[n - 1];
}

__global__ void big_static(int* a) {
  WEFT_SHARED(int[8192], first);
  WEFT_SHARED(int[8192], second);
  first[0] = 1;
  second[0] = 2;
  a[0] = first[0] + second[0];
}

__global__ void traps(int* a) {
  if (a[0] == 0) __trap();
}

__global__ void votes(unsigned* out) {
  const unsigned lane = threadIdx.x;
  const unsigned odd = __ballot_sync(0xFFFFFFFFu, lane % 2);
  const unsigned same = __match_any_sync(0xFFFFFFFFu, lane / 8);
  const int count = __syncthreads_count(lane < 5);
  const int any = __syncthreads_or(lane == 31), all = __syncthreads_and(lane < 31);
  const unsigned up = __shfl_up_sync(0xFFFFFFFFu, lane, 1u, 8);
  const unsigned from_two = __shfl_sync(0xFFFFFFFFu, lane, 2);
  if (lane == 9) {
    out[0] = odd;
    out[1] = same;
    out[2] = static_cast<unsigned>(count);
    out[3] = static_cast<unsigned>(any);
    out[4] = static_cast<unsigned>(all);
    out[5] = up;
    out[6] = from_two;
  }
}

__global__ void nothing() {}

__global__ void touch(const int* from, int* to) { to[0] = from[0]; }

template <class... P, class... A>
void start(void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared, cudaStream_t s, A... arguments) {
  launch(kernel, grid, block, shared, s, std::tuple<P...>(arguments...));
}

}  // namespace

void launch_reverse(int* a, int n, int bug, cudaStream_t s) {
  const auto threads = static_cast<unsigned>(n);
  start(reverse, 1, threads, threads * sizeof(int), s, a, n, bug);
}
void launch_block_sum(const float* x, float* out, int n, int bug, cudaStream_t s) {
  start(block_sum, 1, 256, 0, s, x, out, n, bug);
}
void launch_tile(const float* x, float* y, int n, int bug, cudaStream_t s) {
  start(tile<16>, 1, dim3(16, 16), 0, s, x, y, n, bug);
}
void launch_histogram(const int* x, int* bins, int n, int bug, cudaStream_t s) {
  start(histogram, 2, 64, 0, s, x, bins, n, bug);
}
void launch_divergent(int* a, int bug, cudaStream_t s) { start(divergent, 1, 32, 0, s, a, bug); }
void launch_saxpy(const float* x, float* y, int n, int bug, cudaStream_t s) {
  start(saxpy, static_cast<unsigned>((n + 63) / 64), 64, 0, s, x, y, n, bug);
}
void launch_warp_exchange(int* a, int bug, cudaStream_t s) { start(warp_exchange, 1, 32, 0, s, a, bug); }
void launch_blocks_write(int* a, int bug, cudaStream_t s) { start(blocks_write, 4, 32, 0, s, a, bug); }
void launch_last_block_sums(const int* x, int* partial, unsigned* ticket, int* out, int bug, cudaStream_t s) {
  start(last_block_sums, 4, 32, 0, s, x, partial, ticket, out, bug);
}
void launch_dynamic(int* a, int n, std::size_t bytes, cudaStream_t s) { start(dynamic, 1, 1, bytes, s, a, n); }
void launch_big_static(int* a, cudaStream_t s) { start(big_static, 1, 1, 0, s, a); }
void launch_trap(int* a, cudaStream_t s) { start(traps, 1, 1, 0, s, a); }
void launch_votes(unsigned* out, cudaStream_t s) { start(votes, 1, 32, 0, s, out); }
void launch_shape(dim3 grid, dim3 block, std::size_t shared, cudaStream_t s) { start(nothing, grid, block, shared, s); }
void launch_touch(const int* from, int* to, cudaStream_t s) { start(touch, 1, 1, 0, s, from, to); }

}  // namespace weft_harness::test
