#pragma once
// Loops of the experiments' own, twice from one text (loops.inc): `plain` is built as weft's serial backend is, `best`
// as well as the compiler can without being told to change the order of operations (loops_flags in results.json). Raw
// pointers only: nothing that another object could share is compiled with -m flags.

#include <cstdint>

namespace lab {

struct Loops {
  const char* flags;
  /// c = a b, all n x n, row-major, with the loops in that order.
  void (*product_ijk)(const float* a, const float* b, float* c, std::int64_t n);
  void (*product_ikj)(const float* a, const float* b, float* c, std::int64_t n);
  /// `steps` multiply-adds in each of 1, 2, 4, 8, 16, 32 chains that do not wait for each other.
  float (*chains)(int count, std::int64_t steps, float start);
  /// The most multiply-adds the compiler gets out; each step is `multiply_adds_flops` operations.
  float (*multiply_adds)(std::int64_t steps, float start);
  double multiply_adds_flops;
  /// x[i] = b[i] + s * c[i]
  void (*triad)(float* x, const float* b, const float* c, float s, std::int64_t n);
  float (*sum)(const float* x, std::int64_t n);       ///< one after the other
  float (*sum_tree)(const float* x, std::int64_t n);  ///< halves of halves, down to 256
  /// Every stride-th element of n, `reads` of them in all, around again at the end.
  float (*strided)(const float* x, std::int64_t n, std::int64_t stride, std::int64_t reads);
  /// Two kinds of work chosen by x[i] < limit, with a branch, and both computed and one selected.
  float (*branch)(const float* x, std::int64_t n, float limit);
  float (*select)(const float* x, std::int64_t n, float limit);
  /// A convolution of k x k, stride 1, no padding. Extents n, c, h, w of x, m channels of y; the letters say in which
  /// order the axes of x and y lie. Weights: (m, c, k, k) for nchw, (k, k, c, m) for the other two.
  void (*conv_nchw)(const float* x, const float* w, float* y, const std::int64_t extents[6]);
  void (*conv_nhwc)(const float* x, const float* w, float* y, const std::int64_t extents[6]);
  void (*conv_chwn)(const float* x, const float* w, float* y, const std::int64_t extents[6]);
};

const Loops& plain_loops();
/// Null where the processor lacks what they were compiled for.
const Loops* best_loops();

}  // namespace lab
