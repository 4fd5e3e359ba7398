#pragma once
// The matrix products measured: C[m, n] = A[m, k] B[k, n], float32, with the operands lying as training has them.

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "timing.h"

namespace bench {

/// Which operand lies transposed in memory: y = x w^T, dx = dy w, dw = dy^T x.
enum class Layout { w_transposed, plain, x_transposed };

struct Gemm {
  const char* name;  ///< layout-MxNxK
  std::int64_t m, n, k;
  Layout layout;

  std::int64_t lda() const { return layout == Layout::x_transposed ? m : k; }
  std::int64_t ldb() const { return layout == Layout::w_transposed ? k : n; }
};

inline const std::vector<Gemm>& gemm_cases() {
  static const std::vector<Gemm> cases = {
      {"y-32x512x784", 32, 512, 784, Layout::w_transposed},
      {"dw-512x784x32", 512, 784, 32, Layout::x_transposed},
      {"dx-32x512x512", 32, 512, 512, Layout::plain},
      {"y-128x512x784", 128, 512, 784, Layout::w_transposed},
      {"y-128x512x512", 128, 512, 512, Layout::w_transposed},
      {"dx-128x512x512", 128, 512, 512, Layout::plain},
      {"dw-512x784x128", 512, 784, 128, Layout::x_transposed},
      {"y-1024x512x784", 1024, 512, 784, Layout::w_transposed},
      {"dx-1024x512x512", 1024, 512, 512, Layout::plain},
      {"dw-512x784x1024", 512, 784, 1024, Layout::x_transposed},
      {"square-256", 256, 256, 256, Layout::plain},
      {"square-512", 512, 512, 512, Layout::plain},
      {"square-1024", 1024, 1024, 1024, Layout::plain},
      {"square-2048", 2048, 2048, 2048, Layout::plain},
      {"y-128x10x512", 128, 10, 512, Layout::w_transposed},
      {"dx-128x512x10", 128, 512, 10, Layout::plain},
      {"dw-10x512x128", 10, 512, 128, Layout::x_transposed},
      {"y-1x512x784", 1, 512, 784, Layout::w_transposed},
  };
  return cases;
}

struct Operands {
  std::vector<float> a, b, c;
  explicit Operands(const Gemm& g)
      : a(static_cast<std::size_t>(g.m * g.k)),
        b(static_cast<std::size_t>(g.k * g.n)),
        c(static_cast<std::size_t>(g.m * g.n)) {
    std::mt19937 generator(1);
    std::normal_distribution<float> normal;
    for (float& x : a) x = normal(generator);
    for (float& x : b) x = normal(generator);
  }
};

/// One case per product: make(gemm, operands) returns the call.
template <class Make>
std::vector<Case> gemm_programs(Make make) {
  std::vector<Case> cases;
  for (const Gemm& g : gemm_cases()) {
    cases.push_back({g.name, [&g, make]() -> std::function<void()> { return make(g, std::make_shared<Operands>(g)); }});
  }
  return cases;
}

}  // namespace bench
