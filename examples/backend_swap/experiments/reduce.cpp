// reduce: the sum of many numbers, one after the other and as a tree.

#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>

#include <weft/weft.h>

#include "experiment.h"
#include "loops.h"
#include "measure.h"
#include "sweep.h"

namespace lab {
namespace {

using weft::Tensor;
using Loop = float (*)(const float*, std::int64_t);

Tensor numbers(std::int64_t n) {
  weft::Generator generator(1);
  return weft::rand({n}, weft::cpu(), generator);
}

Way loop(const std::string& name, const Loops* loops, Loop Loops::*which) {
  Way way;
  way.name = name;
  if (loops == nullptr) {
    way.why_not = "not measured: this processor lacks the instructions it was compiled for";
    return way;
  }
  const Loop sum = loops->*which;
  way.make = [sum](std::int64_t n) -> std::function<void()> {
    const Tensor x = numbers(n);
    auto result = std::make_shared<float>();
    return [=] {
      *result = sum(x.data<float>(), n);
      __asm__ volatile("" : : "r"(result.get()) : "memory");  // the sum is wanted every time
    };
  };
  return way;
}

Way backend(const Place& place) {
  const weft::Device device = place.device;
  return way_of(place, [device](std::int64_t n) -> std::function<void()> {
    const Tensor x = numbers(n).to(device);
    return [=] {
      const weft::NoGrad off;
      const Tensor sum = x.sum();
      finish(device);
    };
  });
}

/// While it lives, cuda sums with this kernel of the ladder.
class Rung {
 public:
  explicit Rung(std::string_view kernel) { weft::set_reduce_kernel(weft::cuda(), kernel); }
  Rung(const Rung&) = delete;
  Rung& operator=(const Rung&) = delete;
  ~Rung() { weft::set_reduce_kernel(weft::cuda(), "auto"); }
};

Way on_rung(const Place& gpu, const std::string& kernel) {
  Way way = backend(gpu);
  way.name = gpu.name + " " + kernel;
  way.make = [kernel, make = way.make](std::int64_t n) -> std::function<void()> {
    return [rung = std::make_shared<Rung>(kernel), call = make(n)] { call(); };  // until the call is thrown away
  };
  return way;
}

/// Before anything is timed: each kernel of the ladder computes the same sum.
void check_rungs(const std::vector<std::string>& kernels) {
  const Tensor x = numbers(100'003);
  const double truth = x.to(weft::DType::float64).sum().item();
  for (const std::string& kernel : kernels) {
    const Rung rung(kernel);
    const double off_by = std::fabs(x.to(weft::cuda()).sum().item() - truth) / truth;
    if (!(off_by < 1e-3)) throw std::runtime_error(kernel + " computes another sum: off by " + std::to_string(off_by));
  }
}

std::vector<std::string> ladder() {
  std::vector<std::string> kernels;
  for (const std::string_view kernel : weft::reduce_kernels(weft::cuda())) {
    if (kernel != "auto") kernels.emplace_back(kernel);
  }
  return kernels;
}

/// The ways from `begin` to before `end`.
Sweep part_of(const Sweep& sweep, std::size_t begin, std::size_t end) {
  Sweep part;
  part.sizes = sweep.sizes;
  for (std::size_t w = begin; w < end; ++w) {
    part.ways.push_back(sweep.ways[w]);
    part.times.push_back(sweep.times[w]);
  }
  return part;
}

/// The ladder of sums on cuda; its lines stand in the chart beside the others.
void show_ladder(const Sweep& rungs, Section& section, Chart& chart) {
  Table table = rate_table(rungs, "The ladder of sums on cuda: numbers summed per second", "elements", "1/s",
                           [](double n) { return n; });
  table.note =
      "sequential: one thread adds them all. tree: halves in shared memory, with a barrier to each level. "
      "warp-shuffle: the last five levels go from register to register, 32 threads handing their numbers to each other "
      "without memory.";
  Chart lines = line_chart(table, "", "", {}, {});
  for (Series& line : lines.series) chart.series.push_back(std::move(line));
  for (std::size_t w = 1; w < rungs.ways.size(); ++w) {
    compare_ways(rungs, w, w - 1, "n", rungs.ways[w].name + " passes:", section, chart);
  }
  section.tables.push_back(std::move(table));
}

/// How wrong a float32 sum is, as a share of the true one.
Table errors(const std::vector<std::int64_t>& sizes) {
  Table table;
  table.title = "How far a float32 sum is off, as a share of the sum in float64";
  table.columns = {{"elements", ""}, {"one after the other", ""}, {"tree", ""}, {"cpu", ""}};
  for (const std::int64_t n : sizes) {
    const Tensor x = numbers(n);
    const double truth = x.to(weft::DType::float64).sum().item();
    const auto off = [&](double sum) { return exact(std::fabs(sum - truth) / truth); };
    table.add({exact(static_cast<double>(n)), off(static_cast<double>(plain_loops().sum(x.data<float>(), n))),
               off(static_cast<double>(plain_loops().sum_tree(x.data<float>(), n))), off(x.sum().item())});
  }
  table.note =
      "Uniform numbers in [0, 1). One after the other, a large partial sum swallows small numbers; in a tree, numbers "
      "of like size meet.";
  return table;
}

}  // namespace

void run_reduce(Context& context, Section& section) {
  Chart tree;
  tree.kind = ChartKind::tree;
  tree.id = "reduce-tree";
  tree.title = "Eight numbers: 7 additions one after the other, or 3 steps as a tree";
  for (int i = 1; i <= 8; ++i) tree.leaves.push_back(i);
  section.charts.push_back(std::move(tree));

  Table steps;
  steps.title = "Steps that have to wait for each other";
  steps.columns = {{"elements", ""}, {"one after the other", ""}, {"tree", ""}};
  std::vector<std::int64_t> sizes;
  for (const int e : {3, 10, 14, 18, 22, 25, 28}) sizes.push_back(std::int64_t{1} << e);
  for (const std::int64_t n : sizes) {
    const auto of = static_cast<double>(n);
    steps.add({exact(of), exact(of - 1), exact(std::ceil(std::log2(of)))});
  }
  section.tables.push_back(std::move(steps));

  // A second and 3 GiB of memory for the largest.
  Table off = errors(context.quick ? std::vector<std::int64_t>(sizes.begin(), sizes.end() - 1) : sizes);

  std::vector<Way> ways = {
      loop("one after the other", &plain_loops(), &Loops::sum),
      loop("tree, one core", best_loops(), &Loops::sum_tree),
      backend(context.serial()),
      backend(context.one_thread()),
      backend(context.all_threads()),
      backend(context.gpu()),
  };
  enum { sequential, on_tree, plain, one, all, gpu, rungs };
  const std::vector<std::string> kernels = ladder();
  if (context.gpu().here()) check_rungs(kernels);
  for (const std::string& kernel : kernels) ways.push_back(on_rung(context.gpu(), kernel));
  const Sweep everything = measure_sweep(context, section, std::move(ways), sizes, 1);
  const Sweep sweep = part_of(everything, 0, rungs);
  Table rates = rate_table(sweep, "Numbers summed per second", "elements", "1/s", [](double n) { return n; });
  Chart chart = line_chart(rates, "reduce", "A sum: the tree lets many additions happen at once",
                           {"elements (log)", "2^", true}, {"numbers per second (log); higher is faster", "1/s", true});
  compare_ways(sweep, on_tree, sequential, "n", "the tree passes:", section, chart);
  compare_ways(sweep, all, one, "n", "all threads pass one:", section, chart);
  compare_ways(sweep, gpu, all, "n", "cuda passes cpu:", section, chart);
  section.tables.push_back(std::move(rates));
  show_ladder(part_of(everything, rungs, everything.ways.size()), section, chart);
  section.charts.push_back(std::move(chart));

  section.tables.push_back(std::move(off));
}

}  // namespace lab
