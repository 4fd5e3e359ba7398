// OpenBLAS on the shapes of gemm_cases.h; OPENBLAS_NUM_THREADS chooses its threads.

#include <cblas.h>

#include <memory>

#include "gemm_cases.h"

int main(int argc, char** argv) {
  return bench::run(argc, argv, bench::gemm_programs([](const bench::Gemm& g, std::shared_ptr<bench::Operands> o) {
                      const auto turn = [](bool yes) { return yes ? CblasTrans : CblasNoTrans; };
                      const auto ta = turn(g.layout == bench::Layout::x_transposed),
                                 tb = turn(g.layout == bench::Layout::w_transposed);
                      return [=] {
                        cblas_sgemm(CblasRowMajor, ta, tb, static_cast<blasint>(g.m), static_cast<blasint>(g.n),
                                    static_cast<blasint>(g.k), 1.0f, o->a.data(), static_cast<blasint>(g.lda()),
                                    o->b.data(), static_cast<blasint>(g.ldb()), 0.0f, o->c.data(),
                                    static_cast<blasint>(g.n));
                      };
                    }));
}
