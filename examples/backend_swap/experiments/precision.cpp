// precision: fewer bits for each number: speed, memory, and what training needs so that nothing is lost.

#include <cmath>
#include <cstdlib>

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

/// Mixed-precision training by hand: float32 master weights, everything else in `low`, the loss scaled so that small
/// gradients survive, a step left out when one overflows.
class MixedTraining {
 public:
  MixedTraining(DType low, double scale, std::uint64_t seed) : low_(low), scale_(scale) {
    weft::manual_seed(seed);
    model_ = make_mlp(64);
    for (const Tensor& p : model_->parameters()) {
      Tensor master = p.detach().clone();
      master.requires_grad_();
      masters_.push_back(master);
    }
    model_->to(low);
    sgd_ = std::make_unique<nn::SGD>(masters_, nn::SGDOptions{.lr = 0.05, .momentum = 0.9});
  }

  void step(const Tensor& x, const Tensor& labels) {
    const std::vector<Tensor> parameters = model_->parameters();
    for (const Tensor& p : parameters) Tensor(p).zero_grad();
    (weft::cross_entropy((*model_)(x.to(low_)), labels) * scale_).backward();
    bool finite = true;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const weft::NoGrad off;
      const Tensor gradient = parameters[i].grad().to(DType::float32) / scale_;
      lost_ += (parameters[i].grad() == 0).to(DType::int64).sum().item();
      total_ += static_cast<double>(gradient.numel());
      finite = finite && gradient.isfinite().all().item() != 0;
      masters_[i].set_grad(gradient);
    }
    if (finite) {
      sgd_->step();
    } else {
      ++skipped_;
    }
    const weft::NoGrad off;
    for (std::size_t i = 0; i < parameters.size(); ++i) Tensor(parameters[i]).copy_(masters_[i]);
  }

  double accuracy(const weft::ImageDataset& test) {
    const weft::NoGrad off;
    model_->eval();
    double hits = 0, count = 0;
    weft::DataLoader loader(test, {.batch_size = 500, .workers = 0});
    for (const weft::Batch& b : loader.epoch(0)) {
      hits += ((*model_)(b.inputs.to(low_)).argmax(1) == b.targets).to(DType::int64).sum().item();
      count += static_cast<double>(b.size());
    }
    return 100 * hits / count;
  }

  double zeros() const { return 100 * lost_ / total_; }
  int skipped() const { return skipped_; }
  double bytes() const {  // of weights, masters apart
    double all = 0;
    for (const Tensor& p : model_->parameters())
      all += static_cast<double>(p.numel()) * (low_ == DType::float32 ? 4 : 2);
    return all;
  }

 private:
  DType low_;
  double scale_;
  std::shared_ptr<nn::Sequential> model_;
  std::vector<Tensor> masters_;
  std::unique_ptr<nn::SGD> sgd_;
  double lost_ = 0, total_ = 0;
  int skipped_ = 0;
};

void training(Context& context, Section& section, const weft::FoundMnist& data) {
  const std::int64_t examples = context.quick ? 2048 : 20000, batch = 32;
  struct Row {
    const char* name;
    DType low;
    double scale;
  };
  const Row rows[] = {{"float32", DType::float32, 1},
                      {"bfloat16", DType::bfloat16, 1},
                      {"float16, loss not scaled", DType::float16, 1},
                      {"float16, loss times 1024", DType::float16, 1024}};
  Table table;
  table.title =
      format("Training on %s digits, one epoch, float32 master weights, on cpu", with_commas(examples).c_str());
  table.columns = {{"weights, activations, gradients", ""}, {"a step", "s"},        {"bytes of weights", "B"},
                   {"gradients that are 0", "%"},           {"steps left out", ""}, {"test accuracy", "%"}};
  const Threads threads(context.threads);
  const weft::ImageDataset test = data.test.take(std::min<std::int64_t>(2000, data.test.size()));
  for (const Row& row : rows) {
    std::vector<double> accuracies, seconds;
    double zeros = 0, bytes = 0, skipped = 0;
    for (int seed = 1; seed <= 3; ++seed) {
      if (seed > 1 && context.budget.left() < 2) break;
      MixedTraining t(row.low, row.scale, static_cast<std::uint64_t>(seed));
      weft::DataLoader loader(
          data.train.take(std::min(examples, data.train.size())),
          {.batch_size = batch, .shuffle = true, .workers = 0, .seed = static_cast<std::uint64_t>(seed)});
      for (const weft::Batch& b : loader.epoch(0)) {
        const double begin = now();
        t.step(b.inputs, b.targets);
        if (b.number > 0) seconds.push_back(now() - begin);
      }
      accuracies.push_back(t.accuracy(test));
      zeros = t.zeros();
      bytes = t.bytes();
      skipped += t.skipped();
    }
    table.add({text(row.name), time_of(summary_of(seconds)), exact(bytes), exact(zeros), exact(skipped),
               time_of(summary_of(accuracies))});
  }
  table.note =
      "784 - 64 - 64 - 10, batch 32. Gradients of units that ReLU switches off are 0 in every type; what float16 has "
      "more than "
      "float32 was too small for it (below 6e-8) until the loss was scaled. Accuracy: median and range of the seeds.";
  section.tables.push_back(std::move(table));
}

}  // namespace

void run_precision(Context& context, Section& section) {
  products(context, section);
  if (context.all_threads().here()) training(context, section, digits(context, section));
}

}  // namespace lab
