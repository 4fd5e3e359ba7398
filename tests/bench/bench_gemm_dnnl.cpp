// oneDNN on the shapes of gemm_cases.h; OMP_NUM_THREADS chooses its threads.

#include <dnnl.h>

#include <memory>

#include "gemm_cases.h"

int main(int argc, char** argv) {
  return bench::run(argc, argv, bench::gemm_programs([](const bench::Gemm& g, std::shared_ptr<bench::Operands> o) {
                      const char ta = g.layout == bench::Layout::x_transposed ? 'T' : 'N';
                      const char tb = g.layout == bench::Layout::w_transposed ? 'T' : 'N';
                      return [=] {
                        const dnnl_status_t status = dnnl_sgemm(ta, tb, g.m, g.n, g.k, 1.0f, o->a.data(), g.lda(),
                                                                o->b.data(), g.ldb(), 0.0f, o->c.data(), g.n);
                        if (status != dnnl_success) std::exit(1);
                      };
                    }));
}
