#pragma once
// Private: the entry points of the code that is compiled once per instruction set (isa/*.inc), and which set is in use.

#include <weft/backends/cpu/isa/conv.h>
#include <weft/backends/cpu/isa/elementwise.h>
#include <weft/backends/cpu/isa/linear.h>
#include <weft/backends/cpu/isa/norm.h>
#include <weft/backends/cpu/isa/optimise.h>
#include <weft/backends/cpu/isa/product.h>
#include <weft/backends/cpu/isa/random.h>
#include <weft/backends/cpu/isa/reduce.h>
#include <weft/backends/cpu/isa/softmax.h>

namespace weft::backends::cpu {

struct Kernels {
  const char* isa;  ///< "baseline", "avx2", "avx512", "neon"
  const ProductKernels* product_float32;
  const ProductKernels* product_float64;
  const ProductKernels* product_float16;
  const ProductKernels* product_bfloat16;
  const ConvKernels* conv_float32;
  const ConvKernels* conv_float64;
  const LinearKernels* linear_float32;
  const LinearKernels* linear_float64;
  const ElementwiseKernels* elementwise_float32;
  const ElementwiseKernels* elementwise_float64;
  const ConvertKernels* convert;
  const ReduceKernels* reduce_float32;
  const ReduceKernels* reduce_float64;
  const SoftmaxKernels* softmax_float32;
  const SoftmaxKernels* softmax_float64;
  const NormKernels* norm_float32;
  const NormKernels* norm_float64;
  const OptimiseKernels* optimise_float32;
  const OptimiseKernels* optimise_float64;
  const RandomKernels* random;
};

/// The best set this machine can run, or what the environment variable WEFT_CPU_ISA names. Decided at the first call;
/// throws ValueError naming the sets of this machine when the variable names none of them. Thread-safe.
const Kernels& kernels();

/// The sets this machine can run, worst first. For tests, which run them all.
struct KernelSets {
  const Kernels* set[4];
  int count;
};
KernelSets kernel_sets();

/// The set called `name`, as WEFT_CPU_ISA would choose it; null or empty: the best. Throws as kernels() does.
const Kernels& choose_kernels(const char* name);

}  // namespace weft::backends::cpu
