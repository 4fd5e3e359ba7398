// precision: fewer bits for each number: speed, memory, and what training needs so that nothing is lost.

#include <cmath>
#include <memory>
#include <optional>

#include <weft/weft.h>

#include "digits.h"
#include "experiment.h"
#include "measure.h"
#include "sweep.h"
#include "units.h"

namespace lab {
namespace {

using weft::DType;
using weft::Tensor;
namespace nn = weft::nn;

struct Kind {
  const char* name;
  DType dtype;
  bool tf32;
  double bytes;
};

constexpr Kind kinds[] = {{"float64", DType::float64, false, 8},
                          {"float32", DType::float32, false, 4},
                          {"float32 as TF32", DType::float32, true, 4},
                          {"float16", DType::float16, false, 2},
                          {"bfloat16", DType::bfloat16, false, 2}};

Cell product_rate(Context& context, const Place& place, const Kind& kind, std::int64_t n) {
  if (!place.here()) return absent(place.why_not);
  if (kind.tf32 && place.device != weft::cuda()) return absent("TF32 is a mode of GPUs");
  if (kind.tf32) weft::set_float32_matmul_precision("high");
  const Threads threads(place.threads);
  weft::Generator generator(1);
  const Tensor a = weft::randn({n, n}, weft::cpu(), generator).to(kind.dtype).to(place.device);
  const Tensor b = weft::randn({n, n}, weft::cpu(), generator).to(kind.dtype).to(place.device);
  const weft::NoGrad off;
  const Measured m = measure(
      [&] {
        const Tensor c = weft::matmul(a, b);
        finish(place.device);
      },
      context.budget.share(0) * 2);
  if (kind.tf32) weft::set_float32_matmul_precision("highest");
  return rate_of(m, 2 * std::pow(static_cast<double>(n), 3));
}

/// Of a 256^3 product of numbers rounded to the type, against float64.
Cell product_error(const Place& place, const Kind& kind) {
  if (!place.here()) return absent(place.why_not);
  if (kind.tf32 && place.device != weft::cuda()) return absent("TF32 is a mode of GPUs");
  if (kind.tf32) weft::set_float32_matmul_precision("high");
  weft::Generator generator(1);
  const Tensor a = weft::randn({256, 256}, {weft::cpu(), DType::float64}, generator);
  const Tensor b = weft::randn({256, 256}, {weft::cpu(), DType::float64}, generator);
  const weft::NoGrad off;
  const Tensor truth = weft::matmul(a, b);
  const Tensor c = weft::matmul(a.to(kind.dtype).to(place.device), b.to(kind.dtype).to(place.device));
  if (kind.tf32) weft::set_float32_matmul_precision("highest");
  return exact((c.to(weft::cpu()).to(DType::float64) - truth).norm().item() / truth.norm().item());
}

void products(Context& context, Section& section) {
  Table table;
  table.title = "Products by number type";
  table.columns = {{"type", ""},         {"bytes a number", "B"},      {"cpu, all threads, n = 512", "FLOP/s"},
                   {"error on cpu", ""}, {"cuda, n = 4096", "FLOP/s"}, {"error on cuda", ""}};
  Chart chart;
  chart.kind = ChartKind::bars;
  chart.id = "precision";
  chart.title = "Products of 512 x 512 on cpu, all threads, by number type";
  chart.x = {"operations per second", "FLOP/s"};
  chart.parts = {"rate"};
  for (const Kind& kind : kinds) {
    const Cell rate = product_rate(context, context.all_threads(), kind, 512);
    table.add({text(kind.name), exact(kind.bytes), rate, product_error(context.all_threads(), kind),
               product_rate(context, context.gpu(), kind, 4096), product_error(context.gpu(), kind)});
    chart.bars.push_back(bar_of(kind.name, rate));
  }
  table.note =
      "Error: ||c - truth|| / ||truth|| of a 256 x 256 product, the rounding of its inputs included. On cpu 16-bit "
      "numbers are "
      "converted to float32, multiplied and rounded back: they save memory there, not time.";
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(chart));
}

struct Mix {
  const char* name;
  std::optional<DType> low;  ///< of weft::Autocast; none: float32 throughout
  bool scaled;
};

constexpr Mix mixes[] = {{"float32", {}, false},
                         {"bfloat16", DType::bfloat16, false},
                         {"float16, loss not scaled", DType::float16, false},
                         {"float16, loss scaled", DType::float16, true}};

struct Mixed {
  std::vector<double> steps;  // seconds
  double zeros = 0;           // percent of the gradients
  double activations = 0;     // bytes
  int skipped = 0;
  double accuracy = 0;
};

/// Training as with PyTorch's autocast and GradScaler: weights stay float32, products are computed in `low`.
Mixed train_mixed(const Place& place, const Mix& mix, const weft::FoundMnist& data, std::int64_t examples,
                  std::int64_t width, std::uint64_t seed) {
  const Threads threads(place.threads);
  weft::manual_seed(seed);
  const auto model = make_mlp(width);
  model->to(place.device);
  nn::SGD sgd(model->parameters(), {.lr = 0.05, .momentum = 0.9});
  nn::GradScaler scaler({.enabled = mix.scaled});
  const auto scope = [&] {
    return mix.low.has_value() ? std::make_unique<weft::Autocast>(*mix.low) : std::unique_ptr<weft::Autocast>();
  };
  weft::DataLoader loader(data.train.take(std::min(examples, data.train.size())),
                          {.batch_size = 32, .shuffle = true, .workers = 0, .seed = seed, .device = place.device});
  Mixed result;
  double zeros = 0, count = 0;
  Tensor last;
  for (const weft::Batch& b : loader.epoch(0)) {
    const double begin = now();
    sgd.zero_grad();
    Tensor loss;
    {
      const auto on = scope();
      loss = weft::cross_entropy((*model)(b.inputs), b.targets);
    }
    scaler.scale(loss).backward();
    const bool stepped = scaler.step(sgd);
    scaler.update();
    finish(place.device);
    result.steps.push_back(now() - begin);
    result.skipped += stepped ? 0 : 1;
    const weft::NoGrad off;
    for (const Tensor& p : model->parameters()) {
      if (b.number % 8 != 0) break;  // every eighth step is enough
      zeros += (p.grad() == 0).to(DType::int64).sum().item();
      count += static_cast<double>(p.numel());
    }
    last = b.inputs;
  }
  result.steps.erase(result.steps.begin());  // warms up
  result.zeros = 100 * zeros / count;
  {
    const auto on = scope();
    result.activations = static_cast<double>(nn::memory_report(*model, last, &sgd).total.activations);
  }
  const weft::NoGrad off;
  model->eval();
  weft::DataLoader test(data.test.take(std::min<std::int64_t>(2000, data.test.size())),
                        {.batch_size = 500, .workers = 0, .device = place.device});
  double hits = 0, tested = 0;
  for (const weft::Batch& b : test.epoch(0)) {
    const auto on = scope();
    hits += ((*model)(b.inputs).argmax(1) == b.targets).to(DType::int64).sum().item();
    tested += static_cast<double>(b.size());
  }
  result.accuracy = 100 * hits / tested;
  return result;
}

void training(Context& context, Section& section, const weft::FoundMnist& data) {
  const std::int64_t examples = context.quick ? 2048 : 20000, width = context.quick ? 64 : 512;
  Table table;
  table.title = "Mixed precision: one epoch on " + with_commas(examples) + " digits";
  table.columns = {
      {"products in", ""},           {"backend", ""},        {"a step", "s"},       {"activations kept", "B"},
      {"gradients that are 0", "%"}, {"steps left out", ""}, {"test accuracy", "%"}};
  for (const Place& place : {context.all_threads(), context.gpu()}) {
    for (const Mix& mix : mixes) {
      std::vector<Cell> row = {text(mix.name), text(place.name)};
      if (place.here()) {
        std::vector<double> accuracies;
        Mixed all;
        for (std::uint64_t seed = 1; seed <= 3; ++seed) {
          if (seed > 1 && context.budget.left() < 2) break;
          Mixed one = train_mixed(place, mix, data, examples, width, seed);
          accuracies.push_back(one.accuracy);
          one.steps.insert(one.steps.end(), all.steps.begin(), all.steps.end());
          one.skipped += all.skipped;
          all = std::move(one);
        }
        row.insert(row.end(), {time_of(summary_of(all.steps)), exact(all.activations), exact(all.zeros),
                               exact(all.skipped), time_of(summary_of(accuracies))});
      }
      while (row.size() < table.columns.size()) row.push_back(absent(place.why_not));
      table.add(std::move(row));
    }
  }
  table.note = format(
      "784 - %lld - %lld - 10, batch 32, weights in float32 (weft::Autocast, weft::nn::GradScaler). Gradients of units "
      "that "
      "ReLU switches off are 0 in every type; what float16 has more than float32 was too small for it, until the loss "
      "was scaled. Accuracy: median and range of the seeds.",
      static_cast<long long>(width), static_cast<long long>(width));
  section.tables.push_back(std::move(table));
}

}  // namespace

void run_precision(Context& context, Section& section) {
  products(context, section);
  if (context.all_threads().here()) training(context, section, digits(context, section));
}

}  // namespace lab
