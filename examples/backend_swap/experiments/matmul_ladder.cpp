// The ladder of product kernels on cuda, each step using one more level of the memory hierarchy.

#include "experiments/matmul_ladder.h"

#include <cmath>

#include <weft/weft.h>

#include "measure.h"

namespace lab {

void ladder(Context& context, Section& section) {
  const Place gpu = context.gpu();
  std::vector<std::int64_t> sizes = context.sizes;
  if (sizes.empty()) sizes = {256, 1024, 4096};
  Table table;
  table.title = "The ladder of kernels on cuda: floating-point operations per second";
  table.columns = {{"kernel", ""}};
  for (const std::int64_t n : sizes) table.columns.push_back({"n = " + std::to_string(n), "FLOP/s"});
  Chart chart;
  chart.kind = ChartKind::bars;
  chart.id = "matmul-ladder";
  chart.title = "The ladder at n = " + std::to_string(sizes.back()) + ": each kernel uses one more level of the GPU";
  chart.x = {"floating-point operations per second", "FLOP/s"};
  chart.parts = {"rate"};
  for (const std::string_view kernel : weft::matmul_kernels(weft::cuda())) {
    if (kernel == "auto") continue;
    std::vector<Cell> row = {text(std::string(kernel))};
    double once = 0, before = 0;  // seconds at the size before, and that size
    for (const std::int64_t n : sizes) {
      const double side = static_cast<double>(n);
      if (once > 0) once *= std::pow(side / before, 3);
      const std::string why_not = gpu.here() ? context.budget.refuse(once) : gpu.why_not;
      before = side;
      if (!why_not.empty()) {
        row.push_back(absent(why_not));
        continue;
      }
      try {
        weft::set_matmul_kernel(weft::cuda(), kernel);
        const weft::Tensor a = weft::randn({n, n}, weft::cuda()), b = weft::randn({n, n}, weft::cuda());
        const weft::NoGrad off;
        const Measured m = measure(
            [&] {
              const weft::Tensor c = weft::matmul(a, b);
              finish(weft::cuda());
            },
            context.budget.share(once));
        once = m.median;
        row.push_back(rate_of(m, 2 * side * side * side));
      } catch (const weft::ValueError& e) {  // built without it
        row.push_back(absent(e.what()));
      }
      weft::set_matmul_kernel(weft::cuda(), "auto");
    }
    chart.bars.push_back(bar_of(std::string(kernel), row.back()));
    table.add(std::move(row));
  }
  table.note =
      "naive: one thread an element, everything from global memory. coalesced: neighbours read neighbours. "
      "shared-tile: a tile in shared memory. register-tile: many elements a thread. vectorised: 16 bytes a load. "
      "warp-tile: tiles for warps. tensor-core: TF32. cublaslt: NVIDIA's library.";
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(chart));
}

}  // namespace lab
