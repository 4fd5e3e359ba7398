#pragma once
// Kernels of the harness's own tests. `bug` is 0 for the right one.

#include <cstddef>

#include <cuda_runtime_api.h>

namespace weft_harness::test {

void launch_reverse(int* a, int n, int bug, cudaStream_t s);                        // 1: no barrier
void launch_block_sum(const float* x, float* out, int n, int bug, cudaStream_t s);  // 1: no barrier; 2: half the mask
void launch_tile(const float* x, float* y, int n, int bug,
                 cudaStream_t s);  // transpose; 1, 2: a barrier left out; 3: index
void launch_histogram(const int* x, int* bins, int n, int bug, cudaStream_t s);  // 1: += instead of atomicAdd
void launch_divergent(int* a, int bug, cudaStream_t s);  // 1: two barriers; 2: one returns; 3: a warp diverges
void launch_saxpy(const float* x, float* y, int n, int bug, cudaStream_t s);  // 1: one too far; 2: one before; 3: null
void launch_warp_exchange(int* a, int bug, cudaStream_t s);                   // 1: no __syncwarp
void launch_blocks_write(int* a, int bug, cudaStream_t s);                    // 1: all blocks write a[0]
void launch_last_block_sums(const int* x, int* partial, unsigned* ticket, int* out, int bug,
                            cudaStream_t s);  // 1: no fence
void launch_dynamic(int* a, int n, std::size_t bytes, cudaStream_t s);
void launch_big_static(int* a, cudaStream_t s);  // more static shared memory than there is
void launch_trap(int* a, cudaStream_t s);
void launch_votes(unsigned* out, cudaStream_t s);
void launch_shape(dim3 grid, dim3 block, std::size_t shared, cudaStream_t s);
void launch_touch(const int* from, int* to, cudaStream_t s);  // to[0] = from[0]

}  // namespace weft_harness::test
