// vector-add: c = a + b, where there is one addition for three numbers that have to travel.

#include <memory>

#include <weft/weft.h>

#include "experiment.h"
#include "measure.h"
#include "sweep.h"

namespace lab {
namespace {

using weft::Tensor;

Tensor numbers(std::int64_t n, std::uint64_t seed) {
  weft::Generator generator(seed);
  return weft::rand({n}, weft::cpu(), generator);
}

Way resident(const Place& place) {
  const weft::Device device = place.device;
  return way_of(place, [device](std::int64_t n) -> std::function<void()> {
    const Tensor a = numbers(n, 1).to(device), b = numbers(n, 2).to(device);
    return [=] {
      const weft::NoGrad off;
      const Tensor c = a + b;
      finish(device);
    };
  });
}

Way with_transfers(const Place& place) {
  const weft::Device device = place.device;
  Way way = way_of(place, [device](std::int64_t n) -> std::function<void()> {
    const Tensor a = numbers(n, 1), b = numbers(n, 2);
    return [=] {
      const weft::NoGrad off;
      const Tensor c = (a.to(device) + b.to(device)).to(weft::cpu());
    };
  });
  way.name += " with transfers";
  return way;
}

}  // namespace

void run_vector_add(Context& context, Section& section) {
  const std::vector<std::int64_t> sizes = {1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};
  const Sweep sweep =
      measure_sweep(context, section,
                    {resident(context.serial()), resident(context.one_thread()), resident(context.all_threads()),
                     resident(context.gpu()), with_transfers(context.gpu())},
                    sizes, 1);
  enum { plain, one, all, gpu, gpu_with_transfers };
  Table times = rate_table(sweep, "Time of one addition of two vectors", "elements", "s", [](double) { return 1; });
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    for (std::size_t w = 0; w < sweep.ways.size(); ++w) times.rows[s].cells[w + 1] = sweep.times[w][s];
  }
  Table rates = rate_table(sweep, "Bytes per second: two vectors read, one written", "elements", "B/s",
                           [](double n) { return 12 * n; });
  rates.note =
      "A GPU would use blocks of 256 threads, one element each. What lies in the caches is faster than memory.";
  Chart chart = line_chart(times, "vector-add", "c = a + b: the time follows the bytes", {"elements (log)", "", true},
                           {"time of one call (log); lower is faster", "s", true});
  compare_ways(sweep, one, plain, "n", "one thread passes serial:", section, chart);
  compare_ways(sweep, all, one, "n", "all threads pass one:", section, chart);
  compare_ways(sweep, gpu, all, "n", "cuda passes cpu:", section, chart);
  compare_ways(sweep, gpu_with_transfers, all, "n", "cuda with transfers passes cpu:", section, chart);
  section.charts.push_back(std::move(chart));
  section.tables.push_back(std::move(times));
  section.tables.push_back(std::move(rates));
}

}  // namespace lab
