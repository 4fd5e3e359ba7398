// weft's matrix product against Eigen's, one thread each, on the shapes of training: interleaved, median of eleven
// rounds, so that other work on the machine hits both. Then weft alone on more threads.
//
// This file is compiled for the machine it is built on, so Eigen uses its best instruction set; weft chooses its own at
// run time (WEFT_CPU_ISA forces another, and is then compared with Eigen's best).

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <vector>

#include <Eigen/Core>

#include <weft/backends/registry.h>
#include <weft/core/thread_pool.h>

namespace {

using weft::backends::Backend;
using weft::backends::TensorView;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int rounds = 11;

/// Which operand lies transposed in memory: y = x w^T, dx = dy w, dw = dy^T x.
enum class Layout { w_transposed, plain, x_transposed };

struct Case {
  const char* what;
  std::int64_t m, n, k;
  Layout layout;
};

const Case cases[] = {
    {"128x512x784  y = x w^T", 128, 512, 784, Layout::w_transposed},
    {"128x512x784  dx = dy w", 128, 512, 784, Layout::plain},
    {"128x512x784  dw = dy^T x", 128, 512, 784, Layout::x_transposed},
    {"512x784x128  y = x w^T", 512, 784, 128, Layout::w_transposed},
    {"512x784x128  dx = dy w", 512, 784, 128, Layout::plain},
    {"512x784x128  dw = dy^T x", 512, 784, 128, Layout::x_transposed},
    {"1024^3       y = x w^T", 1024, 1024, 1024, Layout::w_transposed},
    {"1024^3       dx = dy w", 1024, 1024, 1024, Layout::plain},
    {"1024^3       dw = dy^T x", 1024, 1024, 1024, Layout::x_transposed},
    {"128x10x512   y = x w^T", 128, 10, 512, Layout::w_transposed},
    {"128x512x10   dx = dy w", 128, 512, 10, Layout::plain},
    {"10x512x128   dw = dy^T x", 10, 512, 128, Layout::x_transposed},
    {"1x512x784    y = x w^T", 1, 512, 784, Layout::w_transposed},
    {"1x512x784    dx = dy w", 1, 512, 784, Layout::plain},
    {"8x512x784    y = x w^T", 8, 512, 784, Layout::w_transposed},
};

Matrix random_matrix(std::int64_t rows, std::int64_t columns, std::mt19937& generator) {
  std::normal_distribution<float> normal;
  return Matrix::NullaryExpr(rows, columns, [&] { return normal(generator); });
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Seconds of one call, from enough calls to last a few milliseconds.
template <class F>
double seconds(F f, int calls) {
  const double start = now();
  for (int i = 0; i < calls; ++i) f();
  return (now() - start) / calls;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

TensorView view(Matrix& m, bool transposed) {
  TensorView v = weft::backends::contiguous_view(m.data(), weft::DType::float32, {m.rows(), m.cols()});
  if (transposed) {
    std::swap(v.shape[0], v.shape[1]);
    std::swap(v.strides[0], v.strides[1]);
  }
  return v;
}

}  // namespace

int main() {
  Backend& cpu = weft::backends::backend_for(weft::cpu());
  const int threads = weft::hardware_threads();
  std::printf("weft: %s; Eigen %d.%d.%d, %s; float32, GFLOP/s, median of %d\n", cpu.facts().name, EIGEN_WORLD_VERSION,
              EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION, Eigen::SimdInstructionSetsInUse(), rounds);
  std::printf("%-26s %8s %8s %8s   weft on %d threads\n", "", "weft", "Eigen", "ratio", threads);
  std::mt19937 generator(1);
  for (const Case& c : cases) {
    const bool xt = c.layout == Layout::x_transposed, wt = c.layout == Layout::w_transposed;
    Matrix x = random_matrix(xt ? c.k : c.m, xt ? c.m : c.k, generator);
    Matrix w = random_matrix(wt ? c.n : c.k, wt ? c.k : c.n, generator);
    Matrix own(c.m, c.n), other(c.m, c.n);
    const auto run_own = [&] { cpu.matmul(view(x, xt), view(w, wt), view(own, false), false); };
    const auto run_other = [&] {
      if (wt) {
        other.noalias() = x * w.transpose();
      } else if (xt) {
        other.noalias() = x.transpose() * w;
      } else {
        other.noalias() = x * w;
      }
    };
    const double work = 2e-9 * static_cast<double>(c.m) * static_cast<double>(c.n) * static_cast<double>(c.k);
    const int calls = std::max(1, static_cast<int>(0.5 / work / 100));
    std::vector<double> a, b, many;
    for (int round = 0; round < rounds; ++round) {
      weft::set_num_threads(1);
      a.push_back(seconds(run_own, calls));
      b.push_back(seconds(run_other, calls));
      weft::set_num_threads(threads);
      many.push_back(seconds(run_own, calls));
    }
    if ((own - other).cwiseAbs().maxCoeff() > 1e-3f * static_cast<float>(c.k)) {
      std::printf("%s: the results differ\n", c.what);
      return 1;
    }
    std::printf("%-26s %8.1f %8.1f %8.2f   %.1f\n", c.what, work / median(a), work / median(b), median(b) / median(a),
                work / median(many));
  }
}
