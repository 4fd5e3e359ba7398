// weft's matrix product on the shapes of gemm_cases.h (timing.h says how it is called). WEFT_NUM_THREADS and
// WEFT_CPU_ISA choose what runs.

#include <memory>
#include <utility>

#include <weft/backends/registry.h>

#include "gemm_cases.h"

namespace {

using weft::backends::TensorView;

TensorView view(std::vector<float>& values, std::int64_t rows, std::int64_t columns, bool transposed) {
  if (transposed) std::swap(rows, columns);
  TensorView v = weft::backends::contiguous_view(values.data(), weft::DType::float32, {rows, columns});
  if (transposed) {
    std::swap(v.shape[0], v.shape[1]);
    std::swap(v.strides[0], v.strides[1]);
  }
  return v;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, bench::gemm_programs([](const bench::Gemm& g, std::shared_ptr<bench::Operands> o) {
                      const TensorView a = view(o->a, g.m, g.k, g.layout == bench::Layout::x_transposed);
                      const TensorView b = view(o->b, g.k, g.n, g.layout == bench::Layout::w_transposed);
                      const TensorView c = view(o->c, g.m, g.n, false);
                      return [=, held = o] { weft::backends::backend_for(weft::cpu()).matmul(a, b, c, false); };
                    }));
}
