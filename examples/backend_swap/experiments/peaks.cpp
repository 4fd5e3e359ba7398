// peaks: what this machine can do at most, and how near weft's operations come: a roofline.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include <weft/weft.h>

#include "experiment.h"
#include "loops.h"
#include "measure.h"
#include "sweep.h"
#include "units.h"

namespace lab {
namespace {

using weft::Tensor;

Cell arithmetic(Context& context, const Loops* loops, double flops_per_step, int threads) {
  if (loops == nullptr) return absent("not measured: this processor lacks the instructions it was compiled for");
  const Threads scope(threads);
  constexpr std::int64_t steps = 50'000;
  std::vector<float> results(static_cast<std::size_t>(threads));
  const Measured m = measure(
      [&] {
        weft::parallel_for(threads, 1, [&](std::int64_t from, std::int64_t to) {
          for (std::int64_t i = from; i < to; ++i) {
            results[static_cast<std::size_t>(i)] = loops->multiply_adds(steps, 1e-3f);
          }
        });
      },
      context.budget.limits().measure * 3);
  return rate_of(m, flops_per_step * static_cast<double>(steps) * threads);
}

Cell copying(Context& context, int threads) {
  const Threads scope(threads);
  constexpr std::int64_t bytes = std::int64_t{64} << 20;
  std::vector<char> from(bytes, 1), to(bytes);
  const Measured m = measure(
      [&] {
        weft::parallel_for(bytes, bytes / threads, [&](std::int64_t begin, std::int64_t end) {
          std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin));
        });
      },
      context.budget.limits().measure * 3);
  return rate_of(m, 2.0 * bytes);
}

/// What weft's own product and copy reach on a place.
Cell product(Context& context, const Place& place) {
  if (!place.here()) return absent(place.why_not);
  const std::int64_t n = place.device == weft::serial() ? 256 : place.device == weft::cuda() ? 4096 : 768;
  const Threads scope(place.threads);
  const Tensor a = weft::randn({n, n}).to(place.device), b = weft::randn({n, n}).to(place.device);
  const weft::NoGrad off;
  const Measured m = measure(
      [&] {
        const Tensor c = weft::matmul(a, b);
        finish(place.device);
      },
      context.budget.limits().measure * 2);
  return rate_of(m, 2 * std::pow(static_cast<double>(n), 3));
}

Cell tensor_copy(Context& context, const Place& place) {
  if (!place.here()) return absent(place.why_not);
  const std::int64_t n = std::int64_t{1} << (place.device == weft::cuda() ? 28 : 24);
  const Threads scope(place.threads);
  const Tensor a = weft::rand({n}).to(place.device);
  Tensor b = weft::zeros({n}, place.device);
  const weft::NoGrad off;
  const Measured m = measure(
      [&] {
        b.copy_(a);
        finish(place.device);
      },
      context.budget.limits().measure * 2);
  return rate_of(m, 8.0 * static_cast<double>(n));
}

struct Operation {
  std::string name;
  double flops, bytes;
  std::function<Tensor()> run;
};

std::vector<Operation> operations() {
  const std::int64_t n = 1 << 22;
  const Tensor x = weft::rand({n}), y = weft::rand({n});
  const Tensor small = weft::randn({64, 64}), middle = weft::randn({256, 256}), large = weft::randn({768, 768});
  const Tensor rows = weft::randn({4096, 512}), images = weft::randn({32, 16, 28, 28}),
               filters = weft::randn({32, 16, 3, 3});
  const auto count = [](std::int64_t elements) { return static_cast<double>(elements); };
  const auto product = [&](const char* name, const Tensor& a) {
    const double e = count(a.size(0));
    return Operation{name, 2 * e * e * e, 12 * e * e, [a] { return weft::matmul(a, a); }};
  };
  return {
      {"a + b", count(n), 12 * count(n), [=] { return x + y; }},
      {"sum", count(n), 4 * count(n), [=] { return x.sum(); }},
      {"softmax", 4 * count(rows.numel()), 8 * count(rows.numel()), [=] { return weft::softmax(rows, 1); }},
      product("matmul 64", small),
      product("matmul 256", middle),
      product("matmul 768", large),
      {"conv 3x3", 2.0 * 32 * 32 * 26 * 26 * 16 * 9,
       4 * (count(images.numel()) + count(filters.numel()) + 32.0 * 32 * 26 * 26),
       [=] { return weft::conv2d(images, filters); }},
  };
}

}  // namespace

void run_peaks(Context& context, Section& section) {
  Table table;
  table.title = "At most, and what weft reaches";
  table.columns = {{"what", ""},
                   {"arithmetic, at most", "FLOP/s"},
                   {"product of weft", "FLOP/s"},
                   {"memory, at most", "B/s"},
                   {"copy of weft", "B/s"}};
  const double vector = best_loops() != nullptr ? best_loops()->multiply_adds_flops : 0;
  const Cell peak = arithmetic(context, best_loops(), vector, context.threads);
  const Cell bandwidth = copying(context, context.threads);
  for (const Place& p : context.places) {
    Cell flops = absent("no loop of our own for it"), bytes = flops;
    if (p.device == weft::serial()) {
      flops = arithmetic(context, &plain_loops(), plain_loops().multiply_adds_flops, 1);
      bytes = copying(context, 1);
    } else if (&p == &context.one_thread()) {
      flops = arithmetic(context, best_loops(), vector, 1);
      bytes = copying(context, 1);
    } else if (&p == &context.all_threads()) {
      flops = peak;
      bytes = bandwidth;
    }
    table.add({text(p.name), flops, product(context, p), bytes, tensor_copy(context, p)});
  }
  const auto published = [&](const char* what, double flops, Cell bytes) {
    table.add({text(std::string(what) + " (published)"), exact(flops), text(""), std::move(bytes), text("")});
  };
  published("a CPU of 24 cores", 0.66e12, text(""));
  published("NVIDIA A100, float32", 19.5e12, exact(1.5e12));
  table.note = std::string(
                   "Arithmetic: independent multiply-adds in registers, a multiply-add counts two; for serial one "
                   "float at a time, for cpu in vectors (") +
               (best_loops() != nullptr ? best_loops()->flags : "not here") +
               "). Memory: a copy of 64 MiB, read and written. Published: the figures that texts about GPUs quote, "
               "1.5 TB/s is a lower bound; not measured here.";
  section.tables.push_back(std::move(table));

  // The roofline: rate against operations per byte.
  if (!peak.value.has_value() || !bandwidth.value.has_value() || !context.all_threads().here()) return;
  Chart chart;
  chart.id = "peaks";
  chart.title = "Roofline of cpu, all threads: bytes limit the left, arithmetic the right";
  chart.x = {"operations per byte (log)", "", true};
  chart.y = {"operations per second (log)", "FLOP/s", true};
  const double ridge = *peak.value / *bandwidth.value;
  Series roof{"roof: what the machine can do", {}, true, false, false};
  roof.points = {{0.03, 0.03 * *bandwidth.value}, {ridge, *peak.value}, {200, *peak.value}};
  Series points{"weft's operations", {}, false, true, false};
  Table ops;
  ops.title = "weft's operations on cpu, all threads, under the roof";
  ops.columns = {{"operation", ""}, {"operations per byte", ""}, {"rate", "FLOP/s"},
                 {"bytes", "B/s"},  {"of the roof", "%"},        {"limit", ""}};
  const Threads scope(context.threads);
  for (const Operation& op : operations()) {
    const weft::NoGrad off;
    const Measured m = measure([&] { const Tensor result = op.run(); }, context.budget.share(0.01));
    const double intensity = op.flops / op.bytes, limit = std::min(*peak.value, intensity * *bandwidth.value);
    const Cell rate = rate_of(m, op.flops);
    points.points.push_back({intensity, *rate.value, rate.low, rate.high, op.name});
    ops.add({text(op.name), exact(intensity), rate, rate_of(m, op.bytes), exact(100 * *rate.value / limit),
             text(intensity < ridge ? "memory" : "arithmetic")});
  }
  ops.note = "Bytes count every input and output once. Over 100 %: the data stayed in the caches.";
  Series quoted{"published: A100, float32", {}, true, false, true};
  quoted.points = {{0.03, 0.03 * 1.5e12}, {19.5e12 / 1.5e12, 19.5e12}, {200, 19.5e12}};
  chart.series = {std::move(roof), std::move(points), std::move(quoted)};
  section.tables.push_back(std::move(ops));
  section.charts.push_back(std::move(chart));
  section.verdicts.push_back(
      format("On this machine an operation needs %.3g operations per byte before arithmetic, not memory, is its limit.",
             ridge));
}

}  // namespace lab
