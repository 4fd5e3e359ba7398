#pragma once
// Optimiser steps over n elements in one pass, float32 and float64. The operations and their order are those of the
// composed form (backends/composed/optimise.cpp), so the bits are the same.

#include <stdint.h>

namespace weft::backends::cpu {

/// Coefficients, computed in float64; a kernel rounds them to its element type.
struct OptimNumbers {
  double lr = 0;
  double grad_scale = 1;
  double momentum = 0;
  double fresh = 1;  ///< 1 - dampening, 1 in the first step
  double weight_decay = 0;
  double shrink = 1;  ///< 1 - lr weight_decay (adamw)
  double beta1 = 0, beta2 = 0;
  double keep = 0;  ///< rmsprop's alpha
  double epsilon = 0;
  double step_size = 0;  ///< lr / (1 - beta1^t)
  double root = 1;       ///< sqrt(1 - beta2^t)
  bool dampened = false, nesterov = false, decoupled = false;
};

struct OptimiseKernels {
  /// b may be null: no momentum.
  void (*sgd)(const OptimNumbers&, void* p, const void* grad, void* b, int64_t n);
  void (*adam)(const OptimNumbers&, void* p, const void* grad, void* m, void* v, int64_t n);
  /// b may be null: no momentum.
  void (*rmsprop)(const OptimNumbers&, void* p, const void* grad, void* b, void* v, int64_t n);
};

}  // namespace weft::backends::cpu
