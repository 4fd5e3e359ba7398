#include <weft/backends/cuda/ladder/product.cuh>

// Rung 7: the multiplications of a 16 x 8 tile over 8 steps of k, 1,024 of them, are one instruction of a warp
// (mma.sync.m16n8k8), made by a Tensor Core. Its operands are TF32: float32 with 10 bits of fraction, rounded to
// nearest on the way into shared memory; sums are float32. A warp makes 32 x 32 elements of c from 2 x 4 such tiles.
//
// Devices before compute capability 8.0 have no TF32: there, and on the CPU, a stand-in multiplies the same fragments,
// which it collects from the lanes that the instruction's description says have them.

namespace weft::backends::cuda::ladder {
namespace {

constexpr int side = 64, depth = 16, threads = 128;

/// Nearest with 10 bits of fraction, halves away from zero, as cvt.rna.tf32.f32; infinities and NaN stay.
__device__ inline float to_tf32(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
#else
  const std::uint32_t bits = __float_as_uint(x);
  if ((bits & 0x7F800000u) == 0x7F800000u) return x;
  return __uint_as_float((bits + 0x1000u) & 0xFFFFE000u);
#endif
}

/// d += a b. Lane 4 g + t holds of a[16, 8] the elements (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4), of b[8, 8]
/// (t, g), (t + 4, g), and of d[16, 8] (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1): NVIDIA, PTX ISA, "Matrix
/// Fragments for mma.m16n8k8".
__device__ inline void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
        "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
#else
  const int lane = static_cast<int>(threadIdx.x % 32), g = lane / 4, t = lane % 4;
  for (int e = 0; e < 4; ++e) {
    for (int k = 0; k < 8; ++k) {
      const float left = __shfl_sync(every_lane, a[e / 2 + k / 4 * 2], g * 4 + k % 4);
      const float right = __shfl_sync(every_lane, b[k / 4], (2 * t + e % 2) * 4 + k % 4);
      d[e] = fmaf(left, right, d[e]);
    }
  }
#endif
}

__global__ void __launch_bounds__(threads) tensor_core_kernel(const Product p) {
  WEFT_SHARED(float[side][depth + 4], as);  // rows so far apart that the 32 reads of a fragment lie in 32 banks
  WEFT_SHARED(float[depth][side + 8], bs);
  const Tile tile = tile_of(p, side, side);
  const std::int32_t i = static_cast<std::int32_t>(threadIdx.x), lane = i % 32, g = lane / 4, t = lane % 4;
  const std::int32_t row = i / 64 * 32, column = i / 32 % 2 * 32;  // of the warp's tile
  float sum[2][4][4] = {};
  for (std::int32_t first = 0; first < p.k; first += depth) {
#pragma unroll
    for (int u = 0; u < 2; ++u) {  // 64 x 16 and 16 x 64, in fours
      const std::int32_t at = i + u * threads;
      const float4 left = four(tile.a, p.lda, tile.row + at / 4, first + at % 4 * 4, p.m, p.k, p.a_in_fours);
      float* to = &as[at / 4][at % 4 * 4];
      to[0] = to_tf32(left.x);
      to[1] = to_tf32(left.y);
      to[2] = to_tf32(left.z);
      to[3] = to_tf32(left.w);
      const float4 right = four(tile.b, p.ldb, first + at / 16, tile.column + at % 16 * 4, p.k, p.n, p.b_in_fours);
      to = &bs[at / 16][at % 16 * 4];
      to[0] = to_tf32(right.x);
      to[1] = to_tf32(right.y);
      to[2] = to_tf32(right.z);
      to[3] = to_tf32(right.w);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < depth; k += 8) {
      float left[2][4], right[4][2];
#pragma unroll
      for (int u = 0; u < 2; ++u) {
        const std::int32_t y = row + u * 16 + g;
        left[u][0] = as[y][k + t];
        left[u][1] = as[y + 8][k + t];
        left[u][2] = as[y][k + t + 4];
        left[u][3] = as[y + 8][k + t + 4];
      }
#pragma unroll
      for (int v = 0; v < 4; ++v) {
        right[v][0] = bs[k + t][column + v * 8 + g];
        right[v][1] = bs[k + t + 4][column + v * 8 + g];
      }
#pragma unroll
      for (int u = 0; u < 2; ++u) {
#pragma unroll
        for (int v = 0; v < 4; ++v) multiply_add(sum[u][v], left[u], right[v]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int u = 0; u < 2; ++u) {
#pragma unroll
    for (int v = 0; v < 4; ++v) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        put(p, tile.c, tile.row + row + u * 16 + g + e / 2 * 8, tile.column + column + v * 8 + t * 2 + e % 2,
            sum[u][v][e]);
      }
    }
  }
}

}  // namespace

void tensor_core(const Product& p, unsigned batches, cudaStream_t stream) {
  launch(tensor_core_kernel, grid_of(p, side, side, dim3(threads), batches), stream, p);
}

}  // namespace weft::backends::cuda::ladder
