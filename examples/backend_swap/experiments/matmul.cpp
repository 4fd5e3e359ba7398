// matmul: products of n x n matrices, from plain loops to every core and the GPU.

#include <memory>
#include <stdexcept>

#include <weft/weft.h>

#include "experiment.h"
#include "experiments/matmul_ladder.h"
#include "loops.h"
#include "machine.h"
#include "measure.h"
#include "sweep.h"
#include "units.h"

namespace lab {
namespace {

using weft::Tensor;

Tensor random_matrix(std::int64_t n, std::uint64_t seed) {
  weft::Generator generator(seed);
  return weft::randn({n, n}, weft::cpu(), generator);
}

Way loop(const std::string& name, const Loops* loops,
         void (*Loops::*product)(const float*, const float*, float*, std::int64_t)) {
  Way way;
  way.name = name;
  if (loops == nullptr) {
    way.why_not = "not measured: this processor lacks the instructions it was compiled for";
    return way;
  }
  const auto call = loops->*product;
  way.make = [call](std::int64_t n) -> std::function<void()> {
    const Tensor a = random_matrix(n, 1), b = random_matrix(n, 2);
    auto c = std::make_shared<std::vector<float>>(static_cast<std::size_t>(n * n));
    return [=] { call(a.data<float>(), b.data<float>(), c->data(), n); };
  };
  return way;
}

Way resident(const Place& place) {
  const weft::Device device = place.device;
  return way_of(place, [device](std::int64_t n) -> std::function<void()> {
    const Tensor a = random_matrix(n, 1).to(device), b = random_matrix(n, 2).to(device);
    return [=] {
      const weft::NoGrad off;
      const Tensor c = weft::matmul(a, b);
      finish(device);
    };
  });
}

Way with_transfers(const Place& place) {
  const weft::Device device = place.device;
  Way way = way_of(place, [device](std::int64_t n) -> std::function<void()> {
    const Tensor a = random_matrix(n, 1), b = random_matrix(n, 2);
    return [=] {
      const weft::NoGrad off;
      const Tensor c = weft::matmul(a.to(device), b.to(device)).to(weft::cpu());
    };
  });
  way.name += " with transfers";
  return way;
}

/// Before anything is timed: the loops and every backend compute the same product.
void check_products(const Context& context) {
  constexpr std::int64_t n = 48;
  const weft::NoGrad off;
  const Tensor a = random_matrix(n, 1), b = random_matrix(n, 2);
  const Tensor truth = weft::matmul(a.to(weft::DType::float64), b.to(weft::DType::float64));
  const auto check = [&](const Tensor& c, const std::string& name) {
    const double off_by = (c.to(weft::cpu()).to(weft::DType::float64) - truth).abs().max().item();
    if (!(off_by < 1e-3))
      throw std::runtime_error(name + " computes another product: off by " + std::to_string(off_by));
  };
  for (const Loops* loops : {&plain_loops(), best_loops()}) {
    if (loops == nullptr) continue;
    for (const auto product : {loops->product_ijk, loops->product_ikj}) {
      Tensor c = weft::zeros({n, n});
      product(a.data<float>(), b.data<float>(), c.mutable_data<float>(), n);
      check(c, loops->flags);
    }
  }
  for (const Place& p : context.places) {
    if (p.here()) check(weft::matmul(a.to(p.device), b.to(p.device)), p.name);
  }
}

}  // namespace

void run_matmul(Context& context, Section& section) {
  check_products(context);
  std::vector<std::int64_t> sizes = context.sizes;
  if (sizes.empty()) sizes = {16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  const auto work = [](double n) { return 2 * n * n * n; };
  const Sweep sweep =
      measure_sweep(context, section,
                    {resident(context.serial()), loop("loops i-j-k", &plain_loops(), &Loops::product_ijk),
                     loop("compiler's best", best_loops(), &Loops::product_ikj), resident(context.one_thread()),
                     resident(context.all_threads()), resident(context.gpu()), with_transfers(context.gpu())},
                    sizes, 3);
  enum { plain, ijk, best, one, all, gpu, gpu_with_transfers };

  Table table = rate_table(sweep, "Floating-point operations per second of an n x n product", "n", "FLOP/s", work);
  table.note = std::string("serial is weft's backend, loops in the order i-k-j, built ") + serial_flags() +
               "; loops i-j-k is built alike; compiler's best is i-k-j built " +
               (best_loops() != nullptr ? best_loops()->flags : "with other flags") + ". Matrices are random.";
  Chart chart = line_chart(table, "matmul", "Matrix products: what each way makes of the same work",
                           {"n, of an n x n product (log)", "2^", true},
                           {"floating-point operations per second (log); higher is faster", "FLOP/s", true});
  compare_ways(sweep, all, plain, "n", "all threads pass serial:", section, chart);
  compare_ways(sweep, all, one, "n", "all threads pass one:", section, chart);
  compare_ways(sweep, gpu, all, "n", "cuda passes cpu:", section, chart);
  compare_ways(sweep, gpu_with_transfers, all, "n", "cuda with transfers passes cpu:", section, chart);
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(chart));

  // The largest size that serial and cpu both have.
  std::size_t common = sizes.size();
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    if (sweep.times[plain][s].value.has_value() && sweep.times[all][s].value.has_value()) common = s;
  }
  if (common == sizes.size()) {
    ladder(context, section);
    return;
  }
  Table ratios;
  ratios.title = "Times as fast as serial, at the largest size that serial was measured at";
  ratios.columns = {{"way", ""}, {"n", ""}, {"time", "s"}, {"speed-up over serial", "x"}};
  Chart bars;
  bars.kind = ChartKind::bars;
  bars.id = "matmul-speedup";
  bars.title = "Times as fast as serial at n = " + quantity(sweep.sizes[common], "");
  bars.x = {"speed-up over serial (log)", "x", true};
  bars.parts = {"speed-up"};
  for (std::size_t w = 0; w < sweep.ways.size(); ++w) {
    const Cell& time = sweep.times[w][common];
    const Cell ratio = speedup_of(sweep.times[plain][common], time);
    ratios.add({text(sweep.ways[w].name), exact(sweep.sizes[common]), time, ratio});
    bars.bars.push_back(bar_of(sweep.ways[w].name, ratio));
  }
  section.tables.push_back(std::move(ratios));
  section.charts.push_back(std::move(bars));
  ladder(context, section);
}

}  // namespace lab
